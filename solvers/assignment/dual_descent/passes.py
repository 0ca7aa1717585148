"""Passes over the rows of scores: what every token takes under given prices, and whether that is proved.

Blocks of tokens are independent and sums are of integers, so no result depends on the number of threads. What a
parallel loop writes is an argument or is returned: numba may drop a loop that only writes into an array of a tuple.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.core import (
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
from equipoise.solvers.assignment.dual_descent.rows import Array, Integers, Rows, grid_value, reduced_row
from equipoise.solvers.assignment.dual_descent.selection import LANES, below, bound, largest
from equipoise.solvers.assignment.dual_descent.tuning import BLOCK, Tuning


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
    experts = len(price) - 1
    most = BLOCK * (experts + 1 if windows.below.min() >= FAR // 2 else tuning.arcs)
    while True:
        arcs, count, places, used, worth = _gather(rows, form, price, tokens, windows, chosen, given is not None, most)
        if used.max() <= most:
            break
        most, given = int(used.max()), chosen
    member = np.flatnonzero(count)
    node, value, held = _joined(arcs, starts(used))
    by_token = ByToken(starts(count[member]), node, value, held, places[member])
    fixed = load_of(chosen, experts) - held_by(by_token, experts)
    return core_of(tokens, chosen, member, by_token, fixed), float(worth.sum())


@nb.njit(cache=True, parallel=True)
def unproved(rows: Any, form: Any, price: Any, chosen: Any) -> Any:
    """Mark the tokens whose ``chosen[T, K]`` is no top-K set under ``price[E + 1]``; none is a proof.

    ``worst`` is the least reduced score in the set: no expert outside may have more, nor may no expert at all.
    """
    top_k, nothing = form.top_k, form.nothing
    experts = len(price) - 1
    wrong = np.empty(len(chosen), np.bool_)
    for i in nb.prange((len(chosen) + BLOCK - 1) // BLOCK):
        reduced = np.empty(experts, np.int64)
        for t in range(i * BLOCK, min(len(chosen), (i + 1) * BLOCK)):
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


def score_of(rows: Rows, chosen: Array) -> int:
    """Exact sum of the grid integers of ``chosen[T, K]``."""
    high, low = _halves(rows, chosen)
    return (int(high) << 32) + int(low)


@nb.njit(cache=True, parallel=True)
def _halves(rows: Any, chosen: Any) -> Any:
    high, low = np.int64(0), np.int64(0)
    for t in nb.prange(len(chosen)):
        for k in range(chosen.shape[1]):
            if chosen[t, k] >= 0:
                number = np.int64(grid_value(rows.scores[t, chosen[t, k]], rows.scale))
                high += number >> np.int64(32)
                low += number & np.int64(0xFFFFFFFF)
    return high, low


@nb.njit(cache=True, parallel=True)
def _gather(rows: Any, form: Any, price: Any, tokens: Any, windows: Any, chosen: Any, keep: bool, most: int) -> Any:
    """Write every token's top-K set; return the arcs of those with one near the boundary, and blocks' worth.

    The arcs are ``[blocks, most]``, of which a block uses some. Where it needs more than there are, it only counts
    them. A token's ``count`` is 0 if no arc is near.
    """
    top_k, drop, nothing = form
    under, over = windows
    experts = len(under)
    blocks = (len(tokens) + BLOCK - 1) // BLOCK
    node, value = np.empty((blocks, most), np.int32), np.empty((blocks, most), np.int64)
    held = np.empty((blocks, most), np.bool_)
    count, places = np.empty(len(tokens), np.int64), np.empty(len(tokens), np.int64)
    used, worth = np.zeros(blocks, np.int64), np.zeros(blocks)
    for i in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        spare = np.empty(experts + LANES, np.int64)
        candidate = np.empty(experts + 1, np.int32)
        mine = np.zeros(experts, np.bool_)
        spot = 0
        for t in range(i * BLOCK, min(len(tokens), (i + 1) * BLOCK)):
            reduced_row(rows, tokens[t], price, reduced)
            found, best, inside, outside = _candidates(reduced, under, top_k, nothing, candidate, spare)
            if not keep or not _as_good(reduced, spare, best, inside, nothing, chosen[t]):
                _choose(reduced, candidate, found, inside, nothing, chosen[t], spare)
            free = top_k
            for k in range(top_k):
                e = chosen[t, k]
                if e >= 0:
                    mine[e] = True
                    free -= 1
                worth[i] += reduced[e] if e >= 0 else nothing
            room = spot + found + drop < most
            end, near, holds = spot, False, free
            for j in range(found):
                e = candidate[j]
                near |= within(reduced[e], mine[e], inside, outside, under[e], over[e])
                enters = gathered(reduced[e], mine[e], inside, outside, under[e], over[e])
                if room:
                    node[i, end], value[i, end], held[i, end] = e, reduced[e] + price[e], mine[e]
                holds += mine[e] & enters
                end += enters
            if drop:
                if room:
                    node[i, end], value[i, end], held[i, end] = experts, 0, free > 0
                end += 1
            for k in range(top_k):
                if chosen[t, k] >= 0:
                    mine[chosen[t, k]] = False
            count[t], places[t] = end - spot if near else 0, holds
            used[i] = max(used[i], spot + found + 1 + drop)
            spot += count[t]
        used[i] = spot if used[i] <= most else used[i]
    return (node, value, held), count, places, used, worth


@nb.njit(cache=True, inline="always")
def _candidates(reduced: Any, under: Any, top_k: int, nothing: int, candidate: Any, spare: Any) -> Any:
    """Write the experts that may be near a token's boundary, and find the boundary.

    Returns how many there are, how many of their numbers are in ``spare``, the K + 1 largest among them, and the worst
    number inside the token's set and the best outside.
    """
    limit = bound(reduced, top_k + 1, spare)
    found = 0
    for e in range(len(reduced)):
        candidate[found] = e
        found += reduced[e] + under[e] >= limit
    best = 0
    for j in range(found):
        spare[best] = reduced[candidate[j]]
        best += spare[best] >= limit
    inside, among = largest(spare, best, top_k)
    outside = inside if among > top_k else below(spare, best, inside)
    return found, best, max(inside, nothing), max(outside, nothing)


@nb.njit(cache=True)
def _as_good(reduced: Any, numbers: Any, count: int, inside: int, nothing: int, chosen: Any) -> bool:
    """Whether a token's ``chosen[K]`` is a top-K set: nothing in it is below ``inside``, and all above it is in it.

    ``numbers[:count]`` hold at least all reduced scores above ``inside``.
    """
    missing = 0
    for j in range(count):
        missing += numbers[j] > inside
    for k in range(len(chosen)):
        number: Any = reduced[chosen[k]] if chosen[k] >= 0 else np.int64(nothing)
        missing -= number > inside
        if number < inside:
            return False
    return missing == 0


@nb.njit(cache=True)
def _choose(reduced: Any, candidate: Any, count: int, inside: int, nothing: int, chosen: Any, spare: Any) -> None:
    """Write a top-K set whose worst is ``inside``: candidates above it and the first of those equal to it."""
    top_k = len(chosen)
    kept, equal = 0, top_k
    for j in range(count):
        number = reduced[candidate[j]]
        spare[kept] = candidate[j]
        kept += (number >= inside) & (number > nothing)
        equal -= number > inside
    if kept <= top_k:
        for k in range(kept):
            chosen[k] = spare[k]
    else:
        last, kept = kept, 0
        for j in range(last):
            if reduced[spare[j]] == inside:
                equal -= 1
                if equal < 0:
                    continue
            chosen[kept] = spare[j]
            kept += 1
    chosen[kept:] = -1


@nb.njit(cache=True, parallel=True)
def _joined(arcs: Any, start: Any) -> Any:
    """Return the arcs that the blocks use, one block after the other."""
    nodes, values, helds = arcs
    total = start[-1]
    node, value, held = np.empty(total, np.int32), np.empty(total, np.int64), np.empty(total, np.bool_)
    for i in nb.prange(len(start) - 1):
        first, end = start[i], start[i + 1]
        node[first:end] = nodes[i, : end - first]
        value[first:end] = values[i, : end - first]
        held[first:end] = helds[i, : end - first]
    return node, value, held
