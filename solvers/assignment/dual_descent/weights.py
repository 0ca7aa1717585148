"""The exchange graph of large inputs: the weights of :mod:`equipoise.solvers.assignment.exchange`, compiled by numba.

The dump is one more expert of score 0, which in the drop form a token may hold instead of a place: then all weights are
minima of one kind, ``value of what is left - value of what is taken``. What a token holds it cannot take: that entry of
its row becomes ``_TAKEN``, so low that what results is beyond every weight.

Scores are turned into grid integers block by block, never all at once. Threads share the columns of the graph, so none
needs a graph of its own, and a minimum does not depend on their number.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.exchange import NO_MOVE, Integers

_BLOCK = 1 << 20
"""Scores that are grid integers at one time."""

_COLUMNS = 128
"""Columns that a thread works on at one time: their part of the graph stays in its cache."""

_TAKEN = -(2**62)
_LIMIT = 2**61
"""Beyond every weight, below everything that ``_TAKEN`` results in: a grid's range is at most ``2**61 / (E + 1)``."""


def exchange_weights(problem: AssignmentProblem, experts: Integers) -> Integers:
    """Return ``w[E+1, E+1]`` of the assignment ``experts[T, K]``, -1 for none; O(T K E) time, O(E^2) memory."""
    dump = problem.num_experts
    weight = np.full((dump + 1, dump + 1), NO_MOVE, np.int64)
    tokens = len(problem.tokens)
    step = max(1, _BLOCK // dump)
    for start in range(0, tokens, step):
        rows = slice(start, start + step) if problem.mask is None else problem.tokens[start : start + step]
        values = problem.grid.rows[rows]
        values.flags.writeable = False  # another type for the compiler otherwise
        _lower(values, np.ascontiguousarray(experts[rows], np.int64), problem.drop, weight)
    weight[weight >= _LIMIT] = NO_MOVE
    weight[dump] = np.minimum(weight[dump], 0)
    load = np.bincount(experts[problem.tokens].ravel() + 1, minlength=dump + 1)[1:]
    has_room = load < problem.capacity
    weight[:dump][has_room, dump] = np.minimum(weight[:dump][has_room, dump], 0)
    weight[dump, dump] = NO_MOVE
    return weight


@nb.njit(cache=True, parallel=True)
def _lower(values: Any, experts: Any, drop: bool, weight: Any) -> None:
    """Lower ``weight`` to the moves of some tokens, in place."""
    dump = values.shape[1]
    columns = dump + drop
    for slab in nb.prange((columns + _COLUMNS - 1) // _COLUMNS):
        low = slab * _COLUMNS
        width = min(_COLUMNS, columns - low)
        row = np.zeros(width, np.int64)
        for t in range(len(values)):
            row[: dump - low] = values[t, low : low + width]
            for k in range(experts.shape[1]):
                e = experts[t, k]
                if low <= e < low + width:
                    row[e - low] = _TAKEN
            for k in range(experts.shape[1]):
                e = experts[t, k]
                if e >= 0 or drop:
                    best = weight[e, low : low + width]  # -1, for no expert, is the dump
                    value = values[t, e] if e >= 0 else 0
                    for f in range(width):
                        best[f] = min(best[f], value - row[f])
