"""Routing records: ``topk_ids`` ``[L, T, K]``, with or without weights; ``routed_experts`` ``[T, L, K]``.

The scores of experts that were not chosen are unknown and taken as 0, so what is audited is the problem on these
truncated scores, which tie heavily; instance names say so.
"""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.files import read_array, reading
from equipoise.traces.formats import axes, choices
from equipoise.traces.formats.counts import MOST_COUNTS, MOST_EXPERTS, Counts, Integers
from equipoise.traces.formats.matrices import whole
from equipoise.traces.formats.source import Asked, Source
from equipoise.traces.instance import Instance, ScoreTrace

KEYS = ("topk_ids", "topk_weights", "num_experts", "top_k", "seq_len")
NAMED = ("npz", "json", "pt")


def fits(source: Source) -> bool:
    """Return whether the file has ``topk_ids``."""
    return source.container in NAMED and "topk_ids" in source.content


def read_loads(source: Source, asked: Asked) -> Counts:
    """Return how often every expert is chosen."""
    return _choices(source, asked).counts()


def read_scores(source: Source, asked: Asked) -> ScoreTrace:
    """Return one instance per step and layer: the weights of the chosen experts, 0 for all others."""
    if "topk_weights" not in source.content:
        raise InvalidProblem("the file", "with topk_ids and no topk_weights", "both, or loads only")
    unknown = sorted(set(source.content) - set(KEYS))
    if unknown:
        raise InvalidProblem("the file", f"with the key {unknown[0]!r}", ", ".join(KEYS))
    weights = as_numpy(source.content["topk_weights"], "topk_weights")
    if weights.shape != as_numpy(source.content["topk_ids"], "topk_ids").shape:
        raise InvalidProblem("topk_weights", f"of shape {weights.shape}", "the shape of topk_ids")
    found = _choices(source, asked)
    arranged = axes.arranged_ids(weights, "topk_weights", asked.axes, axes.IDS)
    top_k = whole(source.content, "top_k", asked.top_k)
    return truncated(found, arranged[:, list(found.layers)], top_k, asked.gate)


def truncated(found: choices.Choices, weights: Any, top_k: int | None, gate: str | None) -> ScoreTrace:
    """Return scores ``[T, E]`` of every step and layer, from the weights ``[S, L, T, K]`` of the chosen experts."""
    if gate is not None:
        raise InvalidProblem("--gate", "given with the weights of the chosen experts alone", "only with logits of all")
    if weights.dtype.kind != "f" or not np.isfinite(weights).all():
        raise InvalidProblem("weights", "not finite floats", "finite floats")
    steps, *_, chosen = found.ids.shape
    if found.ids.size // chosen * found.experts > MOST_COUNTS:
        raise InvalidProblem("the file", f"with {found.ids.shape} choices", f"at most {MOST_COUNTS} scores")
    present = found.ids.min(axis=-1) >= 0
    if (present != (found.ids.max(axis=-1) >= 0)).any():
        raise InvalidProblem("the file", "with tokens of fewer than K experts", "K experts a token, or loads only")
    batches = []
    for step in range(steps):
        for column, layer in enumerate(found.layers):
            rows = present[step, column]
            scores = np.zeros((int(rows.sum()), found.experts), weights.dtype)
            np.put_along_axis(scores, found.ids[step, column][rows], weights[step, column][rows], axis=1)
            name = f"layer{layer} (top-{chosen} weights only)" if steps == 1 else f"step{step}/layer{layer}"
            batches.append(Instance(name, scores, top_k or chosen, f"layer{layer}"))
    return ScoreTrace(tuple(one for one in batches if len(one.scores)), found.warnings)


def fits_routed(source: Source) -> bool:
    """Return whether the file has ``routed_experts``."""
    return source.container in NAMED and "routed_experts" in source.content


def read_routed(source: Source, asked: Asked) -> Counts:
    """Return how often every expert is chosen, tokens of the prompt included where they are beside the others."""
    given = [source.content[key] for key in ("prompt_routed_experts", "routed_experts") if key in source.content]
    arrays = [_decoded(one) for one in given if one is not None]
    if not arrays or len({(one.ndim, *one.shape[1:]) for one in arrays}) > 1:
        raise InvalidProblem(
            "routed_experts", f"of shapes {[one.shape for one in arrays]}", "[T, L, K], of one L and K"
        )
    ids = axes.arranged_ids(
        np.concatenate(arrays) if arrays[0].ndim else arrays[0],
        "routed_experts",
        asked.axes,
        ("steps", "tokens", "layers", "k"),
    )
    experts = whole(source.content, "num_experts", asked.num_experts)
    return choices.checked(ids, "routed_experts", experts).counts()


def _decoded(given: Any) -> Integers:
    """Return ids that may be the bytes of an NPY file in base 64, as servers send them."""
    if isinstance(given, str):
        try:
            content = base64.b64decode(given, validate=True)
        except ValueError as error:
            allowed = "lists, or an NPY file in base 64"
            raise InvalidProblem("routed_experts", "text that is not base 64", allowed) from error
        with reading("routed_experts"):
            given = read_array(io.BytesIO(content), "routed_experts", len(content))
    array = as_numpy(given, "routed_experts")
    return whole_numbers(array, "routed_experts", array.shape, -1, MOST_EXPERTS - 1)


def _choices(source: Source, asked: Asked) -> choices.Choices:
    ids = axes.arranged_ids(as_numpy(source.content["topk_ids"], "topk_ids"), "topk_ids", asked.axes, axes.IDS)
    found = choices.checked(ids, "topk_ids", whole(source.content, "num_experts", asked.num_experts))
    layers, tokens = ids.shape[1:3]
    if asked.axes is not None or layers <= tokens:
        return found
    told = f"read as {layers} layers of {tokens} tokens; if it is the other way round, say --axes tokens,layers,k"
    return replace(found, warnings=(*found.warnings, told))
