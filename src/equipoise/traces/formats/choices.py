"""Ids of the experts that tokens were sent to: checked, counted, and as scores where their weights are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.traces.formats.counts import MOST_COUNTS, MOST_EXPERTS, Counts, Integers

NEVER_WRITTEN = (-1, 255, 65535)
"""What buffers hold where no token was: -1, also as unsigned numbers of 8 or 16 bits."""


@dataclass(frozen=True, eq=False)
class Choices:
    """Experts of tokens.

    Attributes
    ----------
    ids
        ``[S, L, T, K]``; -1 where there is none.
    layers
        Number in the file of each layer: dense layers are left out.
    """

    ids: Integers
    experts: int
    layers: tuple[int, ...]
    warnings: tuple[str, ...]

    def counts(self) -> Counts:
        """Return tokens per expert."""
        steps, layers, tokens, top_k = self.ids.shape
        if steps * layers * self.experts > MOST_COUNTS:
            given = f"naming {self.experts} experts in {steps} steps of {layers} layers"
            raise InvalidProblem("the file", given, f"at most {MOST_COUNTS} counts")
        row = np.arange(steps * layers).repeat(tokens * top_k)
        used = self.ids.ravel() >= 0
        flat = np.bincount((row * self.experts + self.ids.ravel())[used], minlength=steps * layers * self.experts)
        loads = flat.reshape(steps, layers, self.experts).astype(np.int64)
        return Counts(loads, (), self.layers, top_k, self.warnings)


def checked(array: npt.NDArray[Any], field: str, num_experts: int | None) -> Choices:
    """Check ids ``[S, L, T, K]``: rows never written are left out and counted, layers of zeros alone are dense ones.

    Raises
    ------
    InvalidProblem
        If an id is no expert, or a token names one twice.
    """
    if not 0 < array.size <= MOST_COUNTS:
        raise InvalidProblem(field, f"of shape {array.shape}", f"1 to {MOST_COUNTS} numbers, none of its axes 0")
    array = whole_numbers(array, field, array.shape, -1, MOST_EXPERTS - 1)
    steps, layers, tokens, top_k = array.shape
    warnings = []
    routed = array.any(axis=(0, 2, 3)) if top_k > 1 else np.ones(layers, bool)
    if not routed.all() and routed.any():
        dense = ", ".join(map(str, np.flatnonzero(~routed).tolist()))
        warnings.append(f"layers {dense} hold zeros alone: taken as dense layers, left out")
        array = array[:, routed]
    kept = np.flatnonzero(routed) if routed.any() else np.arange(layers)
    unwritten = never_written(array, num_experts)
    if unwritten.any():
        marks = ", ".join(map(str, np.unique(array[unwritten]).tolist()))
        told = f"{int(unwritten.sum())} of {unwritten.size} rows (a token at a layer) hold {marks} alone"
        warnings.append(f"{told}: never written, left out")
        array = np.where(unwritten[..., None], -1, array)
        if unwritten.all():
            raise InvalidProblem(field, "never written in any row", "ids of experts")
    experts = int(array.max()) + 1 if num_experts is None else num_experts
    if not 1 <= experts <= MOST_EXPERTS:
        raise InvalidProblem(field, f"naming expert {experts - 1}", f"0 to {MOST_EXPERTS - 1}")
    ids = whole_numbers(array, field, array.shape, -1, experts - 1)
    ordered = np.sort(ids, axis=-1)
    twice = ((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any(axis=-1)
    if twice.any():
        step, layer, token = np.argwhere(twice)[0].tolist()
        where = f"step {step}, layer {kept[layer]}, token {token}"
        raise InvalidProblem(field, f"naming an expert twice ({where})", "K experts")
    pairs = max(1, steps * (tokens - 1))
    same = (ordered[..., 1:, :] == ordered[..., :-1, :]).all(axis=-1) & ~unwritten[..., 1:]
    repeated = same.all(axis=1).sum() / pairs
    if repeated > 0.05:
        told = f"{repeated:.0%} of the tokens choose the same experts as the one before in every layer"
        warnings.append(f"{told}: dummy tokens?")
    return Choices(ids, experts, tuple(kept.tolist()), tuple(warnings))


def never_written(array: Integers, num_experts: int | None) -> npt.NDArray[np.bool_]:
    """Return which rows ``[..., K]`` hold one mark K times; with K = 1, 255 may be an expert."""
    found = np.zeros(array.shape[:-1], bool)
    for mark in NEVER_WRITTEN:
        an_expert = array.shape[-1] == 1 and mark == 255 and (num_experts or MOST_EXPERTS) > mark
        if not an_expert:
            found |= (array == mark).all(axis=-1)
    return found
