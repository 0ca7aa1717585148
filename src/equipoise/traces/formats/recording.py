"""Recordings of :func:`equipoise.record`: see :mod:`equipoise.traces.recorded_file`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.errors import InvalidProblem
from equipoise.traces.formats import counts
from equipoise.traces.formats.counts import Counts, Integers
from equipoise.traces.formats.source import Asked, Source
from equipoise.traces.instance import GATES, ScoreTrace
from equipoise.traces.recorded_file import is_recording, recorded_instances, recorded_layers


def fits(source: Source) -> bool:
    """Return whether the file says that it is a recording."""
    return source.container in ("npz", "json") and is_recording(source.content)


def read_scores(source: Source, asked: Asked) -> ScoreTrace:
    """Return every step of every layer."""
    if asked.gate not in (None, *GATES):
        raise InvalidProblem("the gate", repr(asked.gate), ", ".join(GATES))
    layers = recorded_layers(source.path, source.content)
    gated = {name: replace(layer, gate=asked.gate or layer.gate) for name, layer in layers.items()}
    return ScoreTrace(tuple(recorded_instances(gated, asked.top_k)))


def read_loads(source: Source, asked: Asked) -> Counts:
    """Return how often every expert was chosen; layers get the numbers of their order."""
    cells: dict[tuple[int, int], Integers] = {}
    for number, (name, layer) in enumerate(recorded_layers(source.path, source.content).items()):
        for step, recorded in layer.steps.items():
            if recorded.chosen is None:
                raise InvalidProblem(
                    name, "without the experts that its router chose", "chosen experts, or scores only"
                )
            used = recorded.chosen[recorded.chosen >= 0]
            cells[step, number] = np.bincount(used, minlength=recorded.logits.shape[1]).astype(np.int64)
    return counts.tabulated(cells)
