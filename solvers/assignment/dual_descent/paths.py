"""Exact repair: successive shortest paths from overfull to underfull experts over the tokens of the core.

Nodes are the experts and the dump (the last node). A unit moves from e to f if a token that holds e and lacks f swaps
them, at cost ``(value[e] - price[e]) - (value[f] - price[f])``. Free capacity is filled with dummies of value 0 that
may sit anywhere, the dump included. Textbook min-cost flow (Ahuja, Magnanti, Orlin, ch. 9) on the contracted graph.

Invariants, of every step:
1. every token holds a top-K set of its list under ``price``: no cost is negative;
2. where a dummy sits the price is that of the dump, and nowhere is it lower;
3. ``balance[v]`` is what v holds too much (tokens and dummies less capacity); the balances sum to zero.
All balances zero is hence an optimum of the core, and ``price - price[dump]`` proves it there.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.rows import FAR

SETTLED = -2
NO_ROOM = -1
TOO_LONG = -2


@nb.njit(cache=True)
def repair(sparse: Any, price: Any, balance: Any, dummies: Any, free: Any, most: int) -> int:
    """Carry out augmentations in place until all balances are zero; return the number of searches.

    One search serves many underfull nodes: after the prices have followed its distances all tree edges are tight, and
    every path of tight edges that is still there may be used. Returns NO_ROOM if some excess reaches no room inside
    the core or prices leave the range of exact arithmetic, TOO_LONG after ``most`` searches.
    """
    nodes = len(price)
    dist = np.empty(nodes, np.int64)
    tree = np.empty((4, nodes), np.int64)
    heap = np.empty(nodes, np.int64)
    spot = np.empty(nodes, np.int64)
    sinks = np.empty(nodes, np.int64)
    searches = 0
    while balance.max() > 0:
        found = _search(sparse, price, balance, dummies, dist, tree, heap, spot, sinks)
        if found == 0:
            return NO_ROOM
        far = dist[sinks[found - 1]]
        for v in range(nodes):
            if dist[v] < far:
                price[v] += far - dist[v]
                if price[v] > FAR // 2:
                    return NO_ROOM
        moved = False
        for i in range(found):
            while balance[sinks[i]] < 0:
                amount = _amount(sparse[3], balance, dummies, tree, sinks[i])
                if amount == 0:
                    break
                _augment(sparse[3], balance, dummies, free, tree, sinks[i], amount)
                moved = True
        if not moved:
            return NO_ROOM
        searches += 1
        if searches >= most:
            return TOO_LONG if balance.max() > 0 else searches
    return searches


@nb.njit(cache=True)
def _search(
    sparse: Any, price: Any, balance: Any, dummies: Any, dist: Any, tree: Any, heap: Any, spot: Any, sinks: Any
) -> int:
    """Dijkstra from all overfull nodes to every underfull one that can be reached; return how many, nearest first.

    ``tree`` has, for every node reached, the node before it, the arc that a token leaves (-1: a dummy moves), the arc
    that it enters, and the token. Distances of nodes not settled when the search ends are at least the last sink's.
    """
    start, node, value, held, by_start, by_arc, by_owner, by_value = sparse
    parent, out_arc, in_arc, via = tree[0], tree[1], tree[2], tree[3]
    dump = len(price) - 1
    size = 0
    wanted = 0
    found = 0
    for v in range(dump + 1):
        dist[v] = FAR
        spot[v] = -1
        parent[v] = -1
        if balance[v] > 0:
            dist[v] = 0
            size = _push(heap, spot, size, dist, v)
        elif balance[v] < 0:
            wanted += 1
    while size > 0:
        e = heap[0]
        size = _pop(heap, spot, size, dist)
        if balance[e] < 0:
            sinks[found] = e
            found += 1
            if found == wanted:
                return found
        base = dist[e]
        for i in range(by_start[e], by_start[e + 1]):
            arc = by_arc[i]
            if not held[arc]:
                continue
            token = by_owner[i]
            leave = base + (by_value[i] - price[e])
            for other in range(start[token], start[token + 1]):
                f = node[other]
                if held[other] and f != dump:
                    continue
                length = leave - (value[other] - price[f])
                if length < dist[f] and spot[f] != SETTLED:
                    dist[f] = length
                    parent[f] = e
                    out_arc[f] = arc
                    in_arc[f] = other
                    via[f] = token
                    size = _push(heap, spot, size, dist, f)
        if e == dump:
            for f in range(dump):
                length = base + price[f] - price[dump]
                if length < dist[f]:
                    dist[f] = length
                    parent[f] = e
                    out_arc[f] = -1
                    size = _push(heap, spot, size, dist, f)
        elif dummies[e] > 0 and base < dist[dump]:
            dist[dump] = base
            parent[dump] = e
            out_arc[dump] = -1
            size = _push(heap, spot, size, dist, dump)
    return found


@nb.njit(cache=True)
def _amount(held: Any, balance: Any, dummies: Any, tree: Any, sink: int) -> int:
    """How much the tree's path to ``sink`` can still carry: one unit if a token moves, 0 if it is used up."""
    dump = len(balance) - 1
    amount = -balance[sink]
    v = sink
    while tree[0, v] >= 0:
        e = tree[0, v]
        if tree[1, v] >= 0:
            if not held[tree[1, v]] or (held[tree[2, v]] and v != dump):
                return 0
            amount = 1
        elif v == dump:
            amount = min(amount, dummies[e])
        v = e
    return max(0, min(amount, balance[v]))


@nb.njit(cache=True)
def _augment(held: Any, balance: Any, dummies: Any, free: Any, tree: Any, sink: int, amount: int) -> None:
    """Move ``amount`` units along the path to ``sink``."""
    dump = len(balance) - 1
    v = sink
    balance[sink] += amount
    while tree[0, v] >= 0:
        e = tree[0, v]
        if tree[1, v] < 0:
            if v == dump:
                dummies[e] -= amount
            else:
                dummies[v] += amount
        else:
            token = tree[3, v]
            free[token] += (v == dump) - (e == dump)
            held[tree[1, v]] = e == dump and free[token] > 0
            held[tree[2, v]] = v != dump or free[token] > 0
        v = e
    balance[v] -= amount


@nb.njit(cache=True)
def _push(heap: Any, spot: Any, size: int, dist: Any, v: int) -> int:
    """Insert v or move it up; the heap is ordered by distance, then node number, hence deterministic."""
    i = spot[v]
    if i < 0:
        i = size
        size += 1
    while i > 0:
        up = heap[(i - 1) // 2]
        if dist[up] < dist[v] or (dist[up] == dist[v] and up < v):
            break
        heap[i] = up
        spot[up] = i
        i = (i - 1) // 2
    heap[i] = v
    spot[v] = i
    return size


@nb.njit(cache=True)
def _pop(heap: Any, spot: Any, size: int, dist: Any) -> int:
    """Remove the top."""
    spot[heap[0]] = SETTLED
    size -= 1
    if size == 0:
        return 0
    v = heap[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size:
            a, b = heap[child], heap[child + 1]
            if dist[b] < dist[a] or (dist[b] == dist[a] and b < a):
                child += 1
        w = heap[child]
        if dist[v] < dist[w] or (dist[v] == dist[w] and v < w):
            break
        heap[i] = w
        spot[w] = i
        i = child
    heap[i] = v
    spot[v] = i
    return size
