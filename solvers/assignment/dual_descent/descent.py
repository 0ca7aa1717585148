"""Dual descent: every expert's price to the middle of the interval that fills the expert exactly, all at once.

With all other prices fixed, token t takes expert e as long as its price is below the bid

    bid[t, e] = value[t, e] - (K-th largest reduced score of t among the other experts),

so expert e attracts exactly c tokens at any price between its c-th and (c+1)-th highest bid, and every such price
minimises the dual in this coordinate. The middle, not an end, is what keeps the sweeps from stalling
(docs/explanation/theory.md). One expert after the other would need fewer sweeps, but each of them on one processor and
with boundaries that are mended token by token, which takes longer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.core import BOUNDARY, ByToken, Windows, within
from equipoise.solvers.assignment.dual_descent.limits import FAR
from equipoise.solvers.assignment.dual_descent.rows import Array, Integers
from equipoise.solvers.assignment.dual_descent.selection import insert, rank
from equipoise.solvers.assignment.dual_descent.tuning import BLOCK


class Goal(NamedTuple):
    """What a descent is to reach.

    Attributes
    ----------
    room
        ``[E]`` what each expert may hold inside the core.
    least
        The least price.
    sweeps, quiet
        It ends after so many sweeps, or after one that finds at most so many tokens out of balance.
    """

    room: Integers
    least: int
    sweeps: int
    quiet: int


@nb.njit(cache=True)
def boundary(by_token: Any, price: Any, form: Any, token: int, best: Any, edge: Any) -> None:
    """Recompute ``edge[token]``; ``best`` is scratch."""
    start, node, value, places = by_token.start, by_token.node, by_token.value, by_token.places
    dump = len(price) - 1
    count = places[token] + 1
    best[:count] = -FAR
    for arc in range(start[token], start[token + 1]):
        reduced = value[arc] - price[node[arc]]
        if reduced > best[count - 1] and node[arc] != dump:
            insert(best, count, reduced)
    edge[token].inside = FAR if count == 1 else max(best[count - 2], form.nothing)
    edge[token].outside = max(best[count - 1], form.nothing)


def boundaries(by_token: ByToken, price: Integers, form: Any) -> Array:
    """All boundaries under ``price[E + 1]``."""
    edge = np.empty(len(by_token.places), BOUNDARY)
    boundaries_in(by_token, price, form, edge)
    return edge


@nb.njit(cache=True, parallel=True)
def boundaries_in(by_token: Any, price: Any, form: Any, edge: Any) -> None:
    """Write them."""
    tokens = len(by_token.places)
    most = by_token.places.max() + 1 if tokens else 1
    for i in nb.prange((tokens + BLOCK - 1) // BLOCK):
        best = np.empty(most, np.int64)
        for token in range(i * BLOCK, min(tokens, (i + 1) * BLOCK)):
            boundary(by_token, price, form, token, best, edge)


@nb.njit(cache=True)
def bids_of(by_node: Any, price: Any, edge: Any, expert: int, bids: Any) -> int:
    """Write the bids of all arcs of ``expert``; return their number."""
    first = by_node.start[expert]
    count = by_node.start[expert + 1] - first
    for i in range(count):
        mine = edge[by_node.token[first + i]]
        value = by_node.value[first + i]
        bids[i] = value - (mine.outside if value - price[expert] >= mine.inside else mine.inside)
    return count


@nb.njit(cache=True)
def at_least(bids: Any, count: int, price: int) -> int:
    """How many of ``bids[:count]`` are at least ``price``."""
    found = 0
    for i in range(count):
        found += bids[i] >= price
    return found


@nb.njit(cache=True)
def middle(bids: Any, count: int, room: int, old: int, least: int) -> int:
    """Price that lets exactly ``room`` of the bids in; where the bids do not say, the nearest they do."""
    if count == 0:
        return old
    if room <= 0:
        top = bids[:count].max()
        return max(old, top + 1) if top < FAR // 2 else old
    if room >= count:
        return max(least, min(old, bids[:count].min() - 1))
    above = rank(bids, count, room - 1)
    under = bids[room:count].max()
    if above <= least:
        return least
    under = max(under, least)
    if above > FAR // 2:
        return under
    return under + (above - under) // 2


@nb.njit(cache=True)
def descend(by_token: Any, by_node: Any, price: Any, edge: Any, form: Any, goal: Any, tuning: Any) -> None:
    """Sweep over the experts, in place, until the :class:`Goal` is reached or nothing helps any more.

    In a sweep all prices move at once, each as if the others stood still. Where that does not help, experts compete in
    pairs and overshoot together: the next sweep goes less far. Where it does, a part of the last move is added. Where
    sweeps stall, all overfull experts are lifted together: each alone would only lose tokens to another of them.

    Invariant: ``edge`` is every token's boundary under the current prices.
    """
    room, least, sweeps, quiet = goal
    experts = len(room)
    move = np.zeros(experts, np.int64)
    length, carry = 1.0, 0.0
    before, earlier, lifted = np.int64(FAR), np.int64(FAR), np.int64(FAR)
    for sweep in range(sweeps):
        wanted, held, found = aims(by_node, price, edge, room, least)
        if sweep > 0 and found <= quiet:
            break
        if sweep > 0 and sweep % tuning.patience == 0:
            if found > earlier - earlier // tuning.progress:
                if found > lifted - lifted // tuning.progress:
                    break
                lift(by_token, price, edge, held - room)
                boundaries_in(by_token, price, form, edge)
                move[:], length, carry = 0, 1.0, 0.0
                before, earlier, lifted = np.int64(FAR), np.int64(FAR), found
                continue
            earlier = found
        if found > before:
            length, carry = max(tuning.shortest, length * tuning.shorter), 0.0
        elif sweep > 1:
            carry = tuning.carry
        before = found
        for e in range(experts):
            move[e] = np.int64(length * (wanted[e] - price[e]) + carry * move[e])
            price[e] = min(max(price[e] + move[e], least, -FAR // 4), FAR // 4)
        boundaries_in(by_token, price, form, edge)


@nb.njit(cache=True)
def lift(by_token: Any, price: Any, edge: Any, over: Any) -> None:
    """Raise the prices of all experts with ``over[e] > 0`` by as much as makes them lose their excess to the others.

    A token leaves them once they are dearer by the lead that its expert has over the best one outside.
    """
    start, node, value = by_token.start, by_token.node, by_token.value
    dump, excess = len(price) - 1, np.maximum(over, 0).sum()
    lead = np.empty(len(node), np.int64)
    count = 0
    for token in range(len(by_token.places)):
        inside, outside = edge[token].inside, np.int64(-FAR)
        for arc in range(start[token], start[token + 1]):
            e = node[arc]
            if value[arc] - price[e] < inside and (e == dump or over[e] <= 0):
                outside = max(outside, value[arc] - price[e])
        for arc in range(start[token], start[token + 1]):
            e = node[arc]
            if e < dump and over[e] > 0 and value[arc] - price[e] >= inside and outside > -FAR:
                lead[count] = value[arc] - price[e] - outside
                count += 1
    if excess > 0 and count > 0:
        further = middle(lead, count, max(1, count - excess), 0, 0)
        for e in range(dump):
            price[e] += further if over[e] > 0 else 0


@nb.njit(cache=True, parallel=True)
def aims(by_node: Any, price: Any, edge: Any, room: Any, least: int) -> Any:
    """Return the price at which each expert is filled exactly if the others keep theirs, its load, and the imbalance.

    An expert with room left at the least price is in balance.
    """
    wanted, load, off = np.empty(len(room), np.int64), np.empty(len(room), np.int64), np.empty(len(room), np.int64)
    for e in nb.prange(len(room)):
        bids = np.empty(max(1, by_node.start[e + 1] - by_node.start[e]), np.int64)
        count = bids_of(by_node, price, edge, e, bids)
        load[e] = at_least(bids, count, price[e])
        wanted[e] = middle(bids, count, room[e], price[e], least)
        off[e] = abs(load[e] - room[e]) if load[e] > room[e] or wanted[e] > least else 0
    return wanted, load, off.sum()


@nb.njit(cache=True, parallel=True)
def reach(by_node: Any, price: Any, edge: Any, room: Any, least: int, half: Any, idle: int, windows: Any) -> Any:
    """Windows: how far each price would have to move to gain or lose ``half[E]`` more tokens than it should.

    By rank, not by value: the scales of the experts' scores differ by orders of magnitude. Where the core does not
    reach that far, the window is twice what it was in ``windows``. Room that is left at the ``least`` price stays, and
    the window covers ``idle`` times as many tokens there, since more may come than expected.
    """
    below, above = np.minimum(2 * windows.below + 1, FAR // 2), np.minimum(2 * windows.above + 1, FAR // 2)
    for expert in nb.prange(len(room)):
        bids = np.empty(by_node.start[expert + 1] - by_node.start[expert], np.int64)
        count = bids_of(by_node, price, edge, expert, bids)
        held = at_least(bids, count, price[expert])
        wanted = min(room[expert], held) if price[expert] <= least else room[expert]
        wide = half[expert] * (idle if wanted < room[expert] else 1)
        first = min(wanted, held) - wide
        last = max(wanted, held) + wide - 1
        if 0 <= first < count:
            above[expert] = max(rank(bids, count, first) - price[expert], 0)
        if 0 <= last < count:
            below[expert] = max(price[expert] - rank(bids, count, last), 0)
    return Windows(below, above)


@nb.njit(cache=True, parallel=True)
def near(by_token: Any, price: Any, edge: Any, windows: Any) -> Any:
    """Mark the tokens with an arc inside the windows."""
    start, node, value = by_token.start, by_token.node, by_token.value
    below, above = windows
    tokens, dump = len(start) - 1, len(price) - 1
    mark = np.zeros(tokens, np.bool_)
    for i in nb.prange((tokens + BLOCK - 1) // BLOCK):
        for token in range(i * BLOCK, min(tokens, (i + 1) * BLOCK)):
            inside, outside = edge[token].inside, edge[token].outside
            for arc in range(start[token], start[token + 1]):
                e = node[arc]
                if e == dump:
                    continue
                reduced = value[arc] - price[e]
                if within(reduced, reduced >= inside, inside, outside, below[e], above[e]):
                    mark[token] = True
                    break
    return mark
