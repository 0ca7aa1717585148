"""Loads: tokens per expert, layer and step, from what serving frameworks and benchmarks write.

What cannot be a record is refused; what can but looks wrong is said under ``warnings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.errors import InvalidFile
from equipoise.traces.formats.counts import Integers, merged
from equipoise.traces.formats.source import PAGE, Asked
from equipoise.traces.formats.table import blamed_on, read_parts
from equipoise.traces.instance import LoadInstance, LoadSeries, evenly

UNEVEN = 5e-4
"""Relative difference of two layers' totals up to which live counters may differ."""


@dataclass(frozen=True, eq=False)
class LoadTrace:
    """Tokens per expert.

    Attributes
    ----------
    loads
        ``[S, L, E]``; layers without any token (dense layers) are left out.
    layers
        Number in the file of each of the L layers.
    warnings
        What looks wrong, in sentences; empty if nothing does.
    steps
        Number in the file of each of the S steps, those without any token left out; empty: 0, 1, ...
    """

    loads: Integers
    layers: tuple[int, ...]
    warnings: tuple[str, ...]
    steps: tuple[int, ...] = ()

    def instances(self, steps: int) -> list[LoadInstance]:
        """Return the layers of so many steps, evenly spaced."""
        numbers = self.steps or range(len(self.loads))
        return [
            LoadInstance(f"step{numbers[row]}/layer{layer}", self.loads[row, index])
            for row in evenly(len(self.loads), steps)
            for index, layer in enumerate(self.layers)
        ]

    def series(self, run: str) -> list[LoadSeries]:
        """Return every layer over all steps, under the name of the run that it is."""
        return [LoadSeries(f"layer{layer}", self.loads[:, index], run) for index, layer in enumerate(self.layers)]


def read_loads(
    path: str | PathLike[str], top_k: int | None = None, num_experts: int | None = None, *, axes: str | None = None
) -> LoadTrace:
    """Read a load record, or a folder with one file for each rank, whose loads are added; told by content.

    Parameters
    ----------
    top_k
        K, to check that every layer's total is a multiple of it; token-level records know it.
    num_experts
        E of a token-level record; default: what the file says, or the largest expert plus one.
    axes
        Names of the axes, where the file's format leaves them open: "tokens,layers,k", "steps,layers,experts".

    Raises
    ------
    InvalidFile
        If the file cannot be read, or holds no loads in any known format, numbers that are no counts, or tokens that
        name an expert twice. docs/reference/files.md lists the formats.
    ExtraMissing
        If its format needs a package that is not installed.
    """
    asked = Asked(top_k, None, axes, num_experts)
    parts = []
    for format_, source in read_parts(path, "loads"):
        assert format_.loads is not None
        with blamed_on(source.path):
            parts.append(format_.loads(source, asked))
    with blamed_on(path):
        counts = merged(parts)
    kept, used = np.flatnonzero(counts.loads.any(axis=(0, 2))), np.flatnonzero(counts.loads.any(axis=(1, 2)))
    if not len(kept):
        raise InvalidFile(f"{path} holds no tokens at all; see {PAGE}")
    warnings = list(counts.warnings)
    if idle := len(counts.loads) - len(used):
        warnings.append(f"{idle} of {len(counts.loads)} steps hold no tokens at all and are left out")
    loads = frozen(counts.loads[np.ix_(used, kept)])
    layers = np.array(counts.layers or range(counts.loads.shape[1]))[kept]
    steps = np.array(counts.steps or range(counts.loads.shape[0]))[used]
    warnings += _warnings(loads, steps, layers, top_k if counts.top_k is None else counts.top_k)
    return LoadTrace(loads, tuple(layers.tolist()), tuple(warnings), tuple(steps.tolist()))


def _warnings(
    loads: Integers, steps: npt.NDArray[np.int64], layers: npt.NDArray[np.int64], top_k: int | None
) -> list[str]:
    warnings = []
    totals = loads.sum(axis=2)
    for step, layer in np.argwhere(totals == 0)[:1].tolist():
        warnings.append(f"layer {layers[layer]} has no tokens in step {steps[step]}, but has some in another")
    if top_k is not None:
        for step, layer in np.argwhere(totals % top_k)[:1].tolist():
            warnings.append(
                f"layer {layers[layer]}, step {steps[step]}: {totals[step, layer]} is not a multiple of K={top_k}"
            )
    spread = (totals.max(axis=1) - totals.min(axis=1)) / np.maximum(1, totals.max(axis=1))
    if (spread > UNEVEN).any():
        step = int(spread.argmax())
        told = f"the layers' totals differ by {spread[step]:.2%} in step {steps[step]}"
        warnings.append(f"{told}: counted more than once, or not all?")
    seen = np.flatnonzero(loads.any(axis=(0, 1)))
    missing = loads.shape[2] - len(seen)
    if missing >= loads.shape[2] / 2 and seen[-1] - seen[0] + 1 == len(seen):
        warnings.append(f"only experts {seen[0]} to {seen[-1]} ever get tokens: one device's record?")
    if len(layers) > 1 and (loads[:, 1:] == loads[:, :-1]).all(axis=(0, 2)).any():
        where = int(np.flatnonzero((loads[:, 1:] == loads[:, :-1]).all(axis=(0, 2)))[0])
        warnings.append(f"layers {layers[where]} and {layers[where + 1]} have the same loads throughout")
    return warnings
