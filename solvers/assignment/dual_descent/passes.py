"""Passes over the rows of scores: what every token takes under given prices, and whether that is proved.

Blocks of tokens are independent and sums are of integers, so no result depends on the number of threads. What a
parallel loop writes is an argument or is returned: numba may drop a loop that only writes into an array of a tuple.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.core import (
    BOUNDARY,
    ByToken,
    Core,
    Windows,
    core_of,
    gathered,
    held_by,
    load_of,
    starts,
    within,
)
from equipoise.solvers.assignment.dual_descent.limits import FAR
from equipoise.solvers.assignment.dual_descent.rows import Array, Integers, Rows, reduced_row
from equipoise.solvers.assignment.dual_descent.selection import largest
from equipoise.solvers.assignment.dual_descent.tuning import Tuning


class Form(NamedTuple):
    """The form of the problem.

    Attributes
    ----------
    top_k, drop
        As in :class:`equipoise.AssignmentProblem`.
    nothing
        Reduced score of no expert: 0 in the drop form, elsewhere below all others.
    """

    top_k: int
    drop: bool
    nothing: int


def gather(
    rows: Rows, form: Form, price: Integers, tokens: Integers, windows: Windows, given: Array | None, tuning: Tuning
) -> tuple[Core, float]:
    """Top-K sets of ``tokens`` under ``price[E + 1]``, the core within ``windows``, and what the sets are worth.

    A token keeps its ``given[n, K]`` set where that is a top-K set too. The worth, a sum of reduced values, is rounded.
    """
    chosen = np.empty((len(tokens), form.top_k), np.int32) if given is None else given
    edge, count, worth = _decide(rows, form, price, tokens, windows, chosen, given is not None, tuning)
    member = np.flatnonzero(count)
    start = starts(count[member] + form.drop)
    by_token = _fill(rows, form, price, tokens, windows, chosen, edge, member, start, tuning)
    experts = len(price) - 1
    fixed = load_of(chosen, experts) - held_by(by_token, experts)
    return core_of(tokens, chosen, member, by_token, fixed), float(worth.sum())


@nb.njit(cache=True, parallel=True)
def unproved(rows: Any, form: Any, price: Any, chosen: Any, tuning: Any) -> Any:
    """Mark the tokens whose ``chosen[T, K]`` is no top-K set under ``price[E + 1]``; none is a proof.

    ``worst`` is the least reduced score in the set: no expert outside may have more, nor may no expert at all.
    """
    top_k, nothing = form.top_k, form.nothing
    block, experts = tuning.block, len(price) - 1
    wrong = np.empty(len(chosen), np.bool_)
    for i in nb.prange((len(chosen) + block - 1) // block):
        reduced = np.empty(experts, np.int64)
        for t in range(i * block, min(len(chosen), (i + 1) * block)):
            reduced_row(rows, t, price, reduced)
            worst = np.int64(FAR)
            for k in range(top_k):
                worst = min(worst, reduced[chosen[t, k]] if chosen[t, k] >= 0 else np.int64(nothing))
            better = 0
            for e in range(experts):
                better += reduced[e] > worst
            for k in range(top_k):
                better -= chosen[t, k] >= 0 and reduced[chosen[t, k]] > worst
            wrong[t] = better != 0 or worst < nothing
    return wrong


@nb.njit(cache=True, parallel=True)
def _decide(rows: Any, form: Any, price: Any, tokens: Any, windows: Any, chosen: Any, keep: bool, tuning: Any) -> Any:
    """Write every token's top-K set; return its boundary, its arcs in the core (0 if none is near), and blocks' worth.

    A block's worth is the sum of the reduced values of its tokens' sets.
    """
    top_k, nothing = form.top_k, form.nothing
    below, above = windows
    block, groups, experts = tuning.block, tuning.groups, len(below)
    edge, count = np.empty(len(tokens), BOUNDARY), np.empty(len(tokens), np.int64)
    blocks = (len(tokens) + block - 1) // block
    worth = np.zeros(blocks)
    for i in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        spare = np.empty(experts + 1, np.int64)
        best = np.empty(top_k + 1, np.int64)
        for t in range(i * block, min(len(tokens), (i + 1) * block)):
            reduced_row(rows, tokens[t], price, reduced)
            largest(reduced, top_k + 1, groups, best, spare)
            inside, outside = max(best[top_k - 1], nothing), max(best[top_k], nothing)
            edge[t].inside = inside
            edge[t].outside = outside
            for k in range(top_k):
                worth[i] += max(best[k], nothing)
            if not keep or not _as_good(reduced, best, nothing, chosen[t]):
                _choose(reduced, best[top_k - 1], nothing, chosen[t])
            near = 0
            arcs = 0
            for e in range(experts):
                near += within(reduced[e], False, inside, outside, below[e], above[e])
                arcs += gathered(reduced[e], False, inside, outside, below[e], above[e])
            for k in range(top_k):
                e = chosen[t, k]
                if e >= 0:  # the loop above counted it, as if it were outside: its worth is at least ``inside``
                    near += within(reduced[e], True, inside, outside, below[e], above[e]) - 1
                    arcs += gathered(reduced[e], True, inside, outside, below[e], above[e]) - 1
            count[t] = arcs if near > 0 else 0
    return edge, count, worth


@nb.njit(cache=True)
def _as_good(reduced: Any, best: Any, nothing: int, chosen: Any) -> bool:
    """Whether a token's ``chosen[K]`` is worth as much as its ``best`` K numbers, hence a top-K set."""
    gap = np.int64(0)
    for k in range(len(chosen)):
        gap += max(best[k], nothing) - (reduced[chosen[k]] if chosen[k] >= 0 else np.int64(nothing))
    return gap == 0


@nb.njit(cache=True)
def _choose(reduced: Any, last: int, nothing: int, chosen: Any) -> None:
    """Write a top-K set whose worst is ``last``: experts above it and the first of those equal to it."""
    equal = len(chosen)
    for e in range(len(reduced)):
        equal -= reduced[e] > last
    kept = 0
    for e in range(len(reduced)):
        if reduced[e] >= last and reduced[e] > nothing:
            if reduced[e] == last:
                if equal == 0:
                    continue
                equal -= 1
            chosen[kept] = e
            kept += 1
    chosen[kept:] = -1


@nb.njit(cache=True, parallel=True)
def _fill(
    rows: Any,
    form: Any,
    price: Any,
    tokens: Any,
    windows: Any,
    chosen: Any,
    edge: Any,
    member: Any,
    start: Any,
    tuning: Any,
) -> Any:
    """Return the arcs that :func:`_decide` counted: those of ``member[m]`` begin at ``start[m]``."""
    top_k, drop = form.top_k, form.drop
    below, above = windows
    arcs = start[-1]
    node, value, held = np.empty(arcs, np.int32), np.empty(arcs, np.int64), np.empty(arcs, np.bool_)
    places = np.empty(len(member), np.int64)
    block, experts = tuning.block, len(below)
    for i in nb.prange((len(member) + block - 1) // block):
        reduced = np.empty(experts, np.int64)
        candidate = np.empty(experts + 1, np.int64)
        mine = np.zeros(experts, np.bool_)
        for m in range(i * block, min(len(member), (i + 1) * block)):
            t = member[m]
            reduced_row(rows, tokens[t], price, reduced)
            inside, outside = edge[t].inside, edge[t].outside
            free = top_k
            for k in range(top_k):
                if chosen[t, k] >= 0:
                    mine[chosen[t, k]] = True
                    free -= 1
            found = 0
            for e in range(experts):  # without a branch, as if all were outside: holds for what is inside too
                candidate[found] = e
                found += gathered(reduced[e], False, inside, outside, below[e], above[e])
            arc = start[m]
            places[m] = free
            for j in range(found):
                e = candidate[j]
                if mine[e] and not gathered(reduced[e], True, inside, outside, below[e], above[e]):
                    continue
                node[arc] = e
                value[arc] = reduced[e] + price[e]
                held[arc] = mine[e]
                places[m] += mine[e]
                arc += 1
            if drop:
                node[arc] = experts
                value[arc] = 0
                held[arc] = free > 0
            for k in range(top_k):
                if chosen[t, k] >= 0:
                    mine[chosen[t, k]] = False
    return ByToken(start, node, value, held, places)
