"""Dual descent: one expert's price at a time, to the middle of the interval that fills the expert exactly.

With all other prices fixed, token t takes expert e as long as its price is below the bid

    bid[t, e] = value[t, e] - (K-th largest reduced score of t among the other experts),

so expert e attracts exactly c tokens at any price between its c-th and (c+1)-th highest bid, and every such price
minimises the dual in this coordinate. The middle, not an end, is what keeps the sweeps from stalling (docs/theory.md).
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.core import insert
from equipoise.solvers.assignment.dual_descent.rows import FAR


@nb.njit(cache=True)
def boundary(sparse: Any, price: Any, places: Any, token: int, floor: int, best: Any, edge: Any) -> None:
    """Recompute ``edge[token] = (worst inside, best outside)`` of a token with ``places`` places in its list."""
    start, node, value = sparse[0], sparse[1], sparse[2]
    dump = len(price) - 1
    count = places[token] + 1
    best[:count] = -FAR
    for arc in range(start[token], start[token + 1]):
        reduced = value[arc] - price[node[arc]]
        if reduced > best[count - 1] and node[arc] != dump:
            insert(best, count, reduced)
    edge[token, 0] = FAR if count == 1 else max(best[count - 2], floor)
    edge[token, 1] = max(best[count - 1], floor)


@nb.njit(cache=True, parallel=True)
def boundaries(sparse: Any, price: Any, places: Any, floor: int, block: int) -> Any:
    """All boundaries; ``price`` has an entry for node E."""
    tokens = len(sparse[0]) - 1
    edge = np.empty((tokens, 2), np.int64)
    most = places.max() + 1 if tokens else 1
    for i in nb.prange((tokens + block - 1) // block):
        best = np.empty(most, np.int64)
        for token in range(i * block, min(tokens, (i + 1) * block)):
            boundary(sparse, price, places, token, floor, best, edge)
    return edge


@nb.njit(cache=True)
def bids_of(sparse: Any, price: Any, edge: Any, expert: int, bids: Any) -> int:
    """Write the bids of all arcs of ``expert``; return their number."""
    by_start, by_owner, by_value = sparse[4], sparse[6], sparse[7]
    first = by_start[expert]
    count = by_start[expert + 1] - first
    for i in range(count):
        token = by_owner[first + i]
        number = by_value[first + i]
        inside = number - price[expert] >= edge[token, 0]
        bids[i] = number - (edge[token, 1] if inside else edge[token, 0])
    return count


@nb.njit(cache=True)
def rank(numbers: Any, count: int, place: int) -> Any:
    """Return the ``place``-th largest of ``numbers[:count]`` (from 0), which moves to that place; quickselect.

    Invariant: ``numbers[:low]`` are at least, ``numbers[high+1:]`` at most any number between.
    """
    low, high = 0, count - 1
    while low < high:
        a, b, c = numbers[low], numbers[(low + high) // 2], numbers[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while numbers[i] > pivot:
                i += 1
            while numbers[j] < pivot:
                j -= 1
            if i <= j:
                numbers[i], numbers[j] = numbers[j], numbers[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return numbers[place]


@nb.njit(cache=True)
def middle(bids: Any, count: int, room: int, old: int, least: int) -> int:
    """Price that lets exactly ``room`` of the bids in; where the bids do not say, the nearest they do."""
    if count == 0:
        return old
    if room <= 0:
        top = bids[0]
        for i in range(1, count):
            top = max(top, bids[i])
        return max(old, top + 1) if top < FAR // 2 else old
    if room >= count:
        low = bids[0]
        for i in range(1, count):
            low = min(low, bids[i])
        return max(least, min(old, low - 1))
    above = rank(bids, count, room - 1)
    under = bids[room]
    for i in range(room + 1, count):
        under = max(under, bids[i])
    if above <= least:
        return least
    under = max(under, least)
    if above > FAR // 2:
        return under
    return under + (above - under) // 2


@nb.njit(cache=True)
def descend(
    sparse: Any,
    price: Any,
    places: Any,
    room: Any,
    floor: int,
    least: int,
    edge: Any,
    sweeps: int,
    quiet: int,
    tuning: Any,
) -> int:
    """Sweep over the experts, in place, until what a sweep finds out of balance is at most ``quiet`` tokens or stays.

    ``room[E]`` is what each expert may hold inside the core, ``least`` the least price. Invariant: ``edge`` is every
    token's boundary under the current prices. Returns the imbalance that the last sweep found.
    """
    by_start, by_owner, by_value = sparse[4], sparse[6], sparse[7]
    experts = len(room)
    tokens = len(sparse[0]) - 1
    best = np.empty(places.max() + 1 if tokens else 1, np.int64)
    bids = np.empty(max(1, (by_start[1:] - by_start[:-1]).max()), np.int64)
    found = 0
    earlier = FAR
    for sweep in range(sweeps):
        found = 0
        for expert in range(experts):
            count = bids_of(sparse, price, edge, expert, bids)
            old = price[expert]
            held = 0
            for i in range(count):
                held += bids[i] >= old
            new = middle(bids, count, room[expert], old, least)
            if new == old:
                continue
            found += abs(held - room[expert]) if held > room[expert] or new > least else 0
            price[expert] = new
            for i in range(by_start[expert], by_start[expert + 1]):
                token = by_owner[i]
                before, after = by_value[i] - old, by_value[i] - new
                if min(before, after) > edge[token, 0] or max(before, after) < edge[token, 1]:
                    continue
                boundary(sparse, price, places, token, floor, best, edge)
        if found <= quiet:
            break
        if sweep % tuning.patience == tuning.patience - 1:
            if found > earlier - earlier // tuning.progress:
                break
            earlier = found
    return found


@nb.njit(cache=True, parallel=True)
def reach(sparse: Any, price: Any, edge: Any, room: Any, half: Any, below: Any, above: Any) -> None:
    """Windows, in place: how far each price would have to move to gain or lose ``half`` more tokens than it should.

    By rank, not by value: the scales of the experts' scores differ by orders of magnitude. Where the core does not
    reach that far, the old window is doubled.
    """
    by_start = sparse[4]
    for expert in nb.prange(len(room)):
        bids = np.empty(by_start[expert + 1] - by_start[expert], np.int64)
        count = bids_of(sparse, price, edge, expert, bids)
        held = 0
        for i in range(count):
            held += bids[i] >= price[expert]
        first = min(room[expert], held) - half[expert]
        last = max(room[expert], held) + half[expert] - 1
        if 0 <= first < count:
            above[expert] = max(rank(bids, count, first) - price[expert], 0)
        else:
            above[expert] = min(FAR // 2, 2 * above[expert] + 1)
        if 0 <= last < count:
            below[expert] = max(price[expert] - rank(bids, count, last), 0)
        else:
            below[expert] = min(FAR // 2, 2 * below[expert] + 1)


@nb.njit(cache=True, parallel=True)
def near(sparse: Any, price: Any, edge: Any, below: Any, above: Any, block: int) -> Any:
    """Mark the tokens with an arc inside the windows."""
    start, node, value = sparse[0], sparse[1], sparse[2]
    tokens, dump = len(start) - 1, len(price) - 1
    mark = np.zeros(tokens, np.bool_)
    for i in nb.prange((tokens + block - 1) // block):
        for token in range(i * block, min(tokens, (i + 1) * block)):
            for arc in range(start[token], start[token + 1]):
                e = node[arc]
                if e == dump:
                    continue
                reduced = value[arc] - price[e]
                ahead = reduced - (edge[token, 1] if reduced >= edge[token, 0] else edge[token, 0])
                if -below[e] <= ahead <= above[e]:
                    mark[token] = True
                    break
    return mark
