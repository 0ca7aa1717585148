"""Load records: tokens per expert, layer and step, from what serving frameworks and benchmarks write.

* SGLang's expert distribution, JSON: ``logical_count`` ``[L, E]`` or ``[S, L, E]``;
* ADRS, JSON: ``{"load_history": [{"logical_expert_load": [L][E]}, ...]}``;
* NPZ: ``load`` ``[L, E]`` or ``[S, L, E]``, or token level ``topk_ids`` ``[L, T, K]`` (or ``[S, L, T, K]``), counted.

What cannot be a record is refused; what can but looks wrong is said under ``warnings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, frozen, whole_numbers
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import read_arrays
from equipoise.traces.instance import LoadInstance, LoadSeries, evenly

Integers = npt.NDArray[np.int64]

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
    """

    loads: Integers
    layers: tuple[int, ...]
    warnings: tuple[str, ...]

    def instances(self, steps: int) -> list[LoadInstance]:
        """Return the layers of so many steps, evenly spaced."""
        return [
            LoadInstance(f"step{step}/layer{layer}", self.loads[step, index])
            for step in evenly(len(self.loads), steps)
            for index, layer in enumerate(self.layers)
        ]

    def series(self, run: str) -> list[LoadSeries]:
        """Return every layer over all steps, under the name of the run that it is."""
        return [LoadSeries(f"layer{layer}", self.loads[:, index], run) for index, layer in enumerate(self.layers)]


def read_loads(path: str | PathLike[str], top_k: int | None = None, num_experts: int | None = None) -> LoadTrace:
    """Read a load record.

    Parameters
    ----------
    top_k
        K, to check that every layer's total is a multiple of it; token-level records know it.
    num_experts
        E of a token-level record; default: the largest expert plus one.

    Raises
    ------
    InvalidFile
        If the file cannot be read, or holds none of the formats above, numbers that are no counts, or tokens that name
        an expert twice.
    """
    arrays = read_arrays(path)
    try:
        counts, tokens_k, warnings = _counts(arrays, num_experts)
    except InvalidProblem as error:
        raise InvalidFile(f"{path}: {error}") from error
    kept = np.flatnonzero(counts.any(axis=(0, 2)))
    if not len(kept):
        raise InvalidFile(f"{path} holds no tokens at all")
    loads = frozen(counts[:, kept])
    warnings += _warnings(loads, kept, top_k if tokens_k is None else tokens_k)
    return LoadTrace(loads, tuple(kept.tolist()), tuple(warnings))


def _counts(arrays: dict[str, Any], num_experts: int | None) -> tuple[Integers, int | None, list[str]]:
    if "topk_ids" in arrays:
        return _counted(arrays["topk_ids"], num_experts)
    if "load_history" in arrays:
        steps = arrays["load_history"]
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise InvalidProblem("load_history", "no list of objects", "a list of {'logical_expert_load': [L][E]}")
        given = [step.get("logical_expert_load") for step in steps]
    else:
        key = next((key for key in ("logical_count", "load") if key in arrays), None)
        if key is None:
            held = ", ".join(map(repr, arrays)) or "nothing"
            raise InvalidProblem("the file", f"a record of {held}", "logical_count, load_history, load or topk_ids")
        given = arrays[key]
    array = as_numpy(given, "the load")
    array = array[None] if array.ndim == 2 else array
    return whole_numbers(array, "the load", (None, None, None), 0, 2**44), None, []


def _counted(given: Any, num_experts: int | None) -> tuple[Integers, int, list[str]]:
    ids = as_numpy(given, "topk_ids")
    ids = ids[None] if ids.ndim == 3 else ids
    if ids.ndim != 4 or not ids.size:
        raise InvalidProblem("topk_ids", f"of shape {ids.shape}", "[L, T, K] or [S, L, T, K], none of them 0")
    experts = int(ids.max()) + 1 if num_experts is None else num_experts
    ids = whole_numbers(ids, "topk_ids", ids.shape, -1, experts - 1)
    ordered = np.sort(ids, axis=-1)
    twice = ((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any(axis=-1)
    if twice.any():
        step, layer, token = np.argwhere(twice)[0].tolist()
        raise InvalidProblem(
            "topk_ids", f"naming an expert twice (step {step}, layer {layer}, token {token})", "K experts"
        )
    steps, layers, tokens, top_k = ids.shape
    row = np.arange(steps * layers).repeat(tokens * top_k)
    used = ids.ravel() >= 0
    counts = np.bincount((row * experts + ids.ravel())[used], minlength=steps * layers * experts)
    same = (ordered[..., 1:, :] == ordered[..., :-1, :]).all(axis=(1, 3)).sum() / max(1, steps * (tokens - 1))
    dummies = f"{same:.0%} of the tokens choose the same experts as the one before in every layer: dummy tokens?"
    warnings = [dummies] if same > 0.05 else []
    return counts.reshape(steps, layers, experts).astype(np.int64), top_k, warnings


def _warnings(loads: Integers, layers: npt.NDArray[np.intp], top_k: int | None) -> list[str]:
    warnings = []
    totals = loads.sum(axis=2)
    for step, layer in np.argwhere(totals == 0)[:1].tolist():
        warnings.append(f"layer {layers[layer]} has no tokens in step {step}, but has some in another")
    if top_k is not None:
        for step, layer in np.argwhere(totals % top_k)[:1].tolist():
            warnings.append(f"layer {layers[layer]}, step {step}: {totals[step, layer]} is not a multiple of K={top_k}")
    spread = (totals.max(axis=1) - totals.min(axis=1)) / np.maximum(1, totals.max(axis=1))
    if (spread > UNEVEN).any():
        step = int(spread.argmax())
        warnings.append(
            f"the layers' totals differ by {spread[step]:.2%} in step {step}: counted more than once, or not all?"
        )
    seen = np.flatnonzero(loads.any(axis=(0, 1)))
    missing = loads.shape[2] - len(seen)
    if missing >= loads.shape[2] / 2 and seen[-1] - seen[0] + 1 == len(seen):
        warnings.append(f"only experts {seen[0]} to {seen[-1]} ever get tokens: one device's record?")
    if len(layers) > 1 and (loads[:, 1:] == loads[:, :-1]).all(axis=(0, 2)).any():
        where = int(np.flatnonzero((loads[:, 1:] == loads[:, :-1]).all(axis=(0, 2)))[0])
        warnings.append(f"layers {layers[where]} and {layers[where + 1]} have the same loads throughout")
    return warnings
