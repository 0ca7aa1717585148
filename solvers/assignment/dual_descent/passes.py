"""Passes over the rows of scores: what every token takes under given prices, and whether that is proved.

Blocks of tokens are independent and sums are of integers, so no result depends on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.core import Array, Core, by_node, insert, load_of
from equipoise.solvers.assignment.dual_descent.rows import FAR, Rows, reduced_row
from equipoise.solvers.assignment.dual_descent.tuning import Tuning


def gather(
    rows: Rows,
    tokens: Array,
    top_k: int,
    drop: bool,
    price: Array,
    windows: tuple[Array, Array],
    tuning: Tuning,
    given: Array | None = None,
) -> Core:
    """Top-K sets of ``tokens`` under ``price``, and the core within ``windows``.

    A token keeps its ``given`` set where that is a top-K set too.
    """
    below, above = windows
    experts = len(below)
    keep = given is not None
    chosen = np.empty((len(tokens), top_k), np.int32) if given is None else given
    floor = 0 if drop else -FAR
    count = np.empty(len(tokens), np.int64)
    edge = np.empty((len(tokens), 2), np.int64)
    _decide(rows.reader, tokens, top_k, floor, price, below, above, keep, chosen, edge, count, tuning)
    member = np.flatnonzero(count)
    start = np.zeros(len(member) + 1, np.int64)
    np.cumsum(count[member] + drop, out=start[1:])
    node = np.empty(start[-1], np.int32)
    value = np.empty(start[-1], np.int64)
    held = np.empty(start[-1], np.bool_)
    places = np.empty(len(member), np.int64)
    lists = (start, node, value, held, places)
    _fill(rows.reader, tokens, member, drop, price, below, above, chosen, edge, *lists, tuning.block)
    fixed = load_of(chosen, experts) - np.bincount(node[held], minlength=experts + 1)[:experts]
    by = by_node(start, node, value, experts + 1)
    return Core(tokens, chosen, member, start, node, value, held, by[0], by[1], by[2], by[3], places, fixed)


@nb.njit(cache=True, parallel=True)
def unproved(reader: Any, top_k: int, floor: int, price: Any, chosen: Any, block: int) -> int:
    """Count the tokens whose ``chosen`` set is no top-K set under ``price``; none is a proof."""
    tokens, experts = len(chosen), len(price) - 1
    blocks = (tokens + block - 1) // block
    wrong = np.zeros(blocks, np.int64)
    for i in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        for t in range(i * block, min(tokens, (i + 1) * block)):
            reduced_row(reader, t, price, reduced)
            worst = np.int64(FAR)
            for k in range(top_k):
                worst = min(worst, reduced[chosen[t, k]] if chosen[t, k] >= 0 else np.int64(floor))
            better = 0
            for e in range(experts):
                better += reduced[e] > worst
            for k in range(top_k):
                better -= chosen[t, k] >= 0 and reduced[chosen[t, k]] > worst
            wrong[i] += better != 0 or worst < floor
    return wrong.sum()


@nb.njit(cache=True)
def largest(row: Any, count: int, groups: int, best: Any, spare: Any) -> None:
    """Put the ``count`` largest of ``row`` into ``best``, descending, -FAR where there are fewer.

    The ``count``-th largest maximum of disjoint groups is a lower bound that all but a few numbers fail.
    """
    size = len(row)
    while groups < 2 * count - 2:
        groups *= 2
    bound = np.int64(-FAR)
    if size >= 2 * groups:
        for j in range(groups):
            spare[j] = row[j]
        for base in range(groups, size - groups + 1, groups):
            for j in range(groups):
                spare[j] = max(spare[j], row[base + j])
        best[:count] = -FAR
        for j in range(groups):
            insert(best, count, spare[j])
        bound = best[count - 1]
    found = 0
    for e in range(size):
        spare[found] = row[e]
        found += row[e] >= bound
    best[:count] = -FAR
    for i in range(found):
        insert(best, count, spare[i])


@nb.njit(cache=True, parallel=True)
def _decide(
    reader: Any,
    tokens: Any,
    top_k: int,
    floor: int,
    price: Any,
    below: Any,
    above: Any,
    keep: bool,
    chosen: Any,
    edge: Any,
    count: Any,
    tuning: Any,
) -> None:
    """Top-K set, boundary ``edge[t] = (worst inside, best outside)`` and number of arcs in the core of every token."""
    experts = len(below)
    blocks = (len(tokens) + tuning.block - 1) // tuning.block
    for i in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        spare = np.empty(experts + 1, np.int64)
        best = np.empty(top_k + 1, np.int64)
        for t in range(i * tuning.block, min(len(tokens), (i + 1) * tuning.block)):
            reduced_row(reader, tokens[t], price, reduced)
            largest(reduced, top_k + 1, tuning.groups, best, spare)
            inside, outside = max(best[top_k - 1], floor), max(best[top_k], floor)
            same = keep
            if keep:
                wanted = np.int64(0)
                actual = np.int64(0)
                for k in range(top_k):
                    wanted += max(best[k], floor) - inside
                    actual += (reduced[chosen[t, k]] if chosen[t, k] >= 0 else np.int64(floor)) - inside
                same = wanted == actual
            if not same:
                _choose(reduced, best[top_k - 1], floor, chosen[t])
            edge[t, 0] = inside
            edge[t, 1] = outside
            near = 0
            arcs = 0
            for e in range(experts):
                near += reduced[e] + below[e] >= inside
                arcs += (reduced[e] + below[e] >= inside) | (reduced[e] == outside)
            for k in range(top_k):
                e = chosen[t, k]
                if e >= 0:
                    close = reduced[e] - above[e] <= outside
                    near += close - 1
                    arcs += (close | (reduced[e] <= inside)) - 1
            count[t] = arcs if near > 0 else 0


@nb.njit(cache=True)
def _choose(reduced: Any, last: int, floor: int, chosen: Any) -> None:
    """Write a top-K set whose worst is ``last``: experts above it and the first of those equal to it."""
    equal = len(chosen)
    for e in range(len(reduced)):
        equal -= reduced[e] > last
    kept = 0
    for e in range(len(reduced)):
        if reduced[e] >= last and reduced[e] > floor:
            if reduced[e] == last:
                if equal == 0:
                    continue
                equal -= 1
            chosen[kept] = e
            kept += 1
    chosen[kept:] = -1


@nb.njit(cache=True, parallel=True)
def _fill(
    reader: Any,
    tokens: Any,
    member: Any,
    drop: bool,
    price: Any,
    below: Any,
    above: Any,
    chosen: Any,
    edge: Any,
    start: Any,
    node: Any,
    value: Any,
    held: Any,
    places: Any,
    block: int,
) -> None:
    """Write the arcs that :func:`_decide` counted, token by token, experts ascending, and the places they fill."""
    experts = len(below)
    blocks = (len(member) + block - 1) // block
    for i in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        candidate = np.empty(experts + 1, np.int64)
        inside_set = np.zeros(experts, np.bool_)
        for m in range(i * block, min(len(member), (i + 1) * block)):
            t = member[m]
            reduced_row(reader, tokens[t], price, reduced)
            taken = 0
            for k in range(chosen.shape[1]):
                if chosen[t, k] >= 0:
                    inside_set[chosen[t, k]] = True
                    taken += 1
            inside, outside = edge[t, 0], edge[t, 1]
            found = 0
            for e in range(experts):
                candidate[found] = e
                found += (reduced[e] + below[e] >= inside) | (reduced[e] == outside)
            arc = start[m]
            filled = 0
            for j in range(found):
                e = candidate[j]
                r = reduced[e]
                if inside_set[e] and r > inside and r - above[e] > outside:
                    continue
                node[arc] = e
                value[arc] = r + price[e]
                held[arc] = inside_set[e]
                filled += inside_set[e]
                arc += 1
            if drop:
                node[arc] = experts
                value[arc] = 0
                held[arc] = taken < chosen.shape[1]
            places[m] = chosen.shape[1] - taken + filled
            for k in range(chosen.shape[1]):
                if chosen[t, k] >= 0:
                    inside_set[chosen[t, k]] = False
