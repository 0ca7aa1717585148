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

from equipoise.solvers.assignment.express.rows import FAR


@nb.njit(cache=True)
def repair(sparse: Any, price: Any, balance: Any, dummies: Any, free: Any) -> int:
    """Carry out augmentations in place until all balances are zero; return their number.

    Returns -1 if some excess reaches no room inside the core, -2 if prices leave the range of exact arithmetic.
    """
    nodes = len(price)
    dist = np.full(nodes, FAR, np.int64)
    parent = np.full(nodes, -1, np.int64)
    out_arc = np.full(nodes, -1, np.int64)
    in_arc = np.full(nodes, -1, np.int64)
    heap = np.empty(nodes, np.int64)
    spot = np.full(nodes, -1, np.int64)
    seen = np.empty(nodes, np.int64)
    steps = 0
    while True:
        sink, touched = _search(sparse, price, balance, dummies, dist, parent, out_arc, in_arc, heap, spot, seen)
        if touched == 0:
            return steps
        if sink < 0:
            return -1
        far = dist[sink]
        for i in range(touched):
            node = seen[i]
            if dist[node] < far:
                price[node] += far - dist[node]
                if price[node] > FAR // 2:
                    return -2
        _augment(sparse, balance, dummies, free, parent, out_arc, in_arc, sink)
        for i in range(touched):
            dist[seen[i]] = FAR
            spot[seen[i]] = -1
        steps += 1


@nb.njit(cache=True)
def _search(
    sparse: Any,
    price: Any,
    balance: Any,
    dummies: Any,
    dist: Any,
    parent: Any,
    out_arc: Any,
    in_arc: Any,
    heap: Any,
    spot: Any,
    seen: Any,
) -> Any:
    """Dijkstra from all overfull nodes to the nearest underfull one; return it (-1: none) and the nodes touched.

    ``bound`` is the least distance known to an underfull node: nothing farther is recorded.
    """
    start, node, value, held, owner, by_start, by_arc = sparse
    dump = len(price) - 1
    size = 0
    touched = 0
    bound = FAR
    for v in range(dump + 1):
        if balance[v] > 0:
            dist[v] = 0
            parent[v] = -1
            seen[touched] = v
            touched += 1
            size = _push(heap, spot, size, dist, v)
    while size > 0:
        e = heap[0]
        size = _pop(heap, spot, size, dist)
        if balance[e] < 0:
            return e, touched
        base = dist[e]
        for i in range(by_start[e], by_start[e + 1]):
            arc = by_arc[i]
            if not held[arc]:
                continue
            token = owner[arc]
            leave = base + (value[arc] - price[e])
            for other in range(start[token], start[token + 1]):
                f = node[other]
                if held[other] and f != dump:
                    continue
                length = leave - (value[other] - price[f])
                if length < dist[f] and length < bound:
                    if dist[f] == FAR:
                        seen[touched] = f
                        touched += 1
                    dist[f] = length
                    parent[f] = e
                    out_arc[f] = arc
                    in_arc[f] = other
                    size = _push(heap, spot, size, dist, f)
                    if balance[f] < 0:
                        bound = length
        if e == dump:
            for f in range(dump):
                length = base + price[f] - price[dump]
                if length < dist[f] and length < bound:
                    if dist[f] == FAR:
                        seen[touched] = f
                        touched += 1
                    dist[f] = length
                    parent[f] = e
                    out_arc[f] = -1
                    size = _push(heap, spot, size, dist, f)
                    if balance[f] < 0:
                        bound = length
        elif dummies[e] > 0 and base < dist[dump] and base < bound:
            if dist[dump] == FAR:
                seen[touched] = dump
                touched += 1
            dist[dump] = base
            parent[dump] = e
            out_arc[dump] = -1
            size = _push(heap, spot, size, dist, dump)
            if balance[dump] < 0:
                bound = base
    return -1, touched


@nb.njit(cache=True)
def _augment(
    sparse: Any, balance: Any, dummies: Any, free: Any, parent: Any, out_arc: Any, in_arc: Any, sink: int
) -> None:
    """Move one unit along the path to ``sink``; as many as fit where only dummies move."""
    held, owner = sparse[3], sparse[4]
    dump = len(balance) - 1
    amount = -balance[sink]
    v = sink
    while parent[v] >= 0:
        if out_arc[v] >= 0:
            amount = 1
        elif v == dump:
            amount = min(amount, dummies[parent[v]])
        v = parent[v]
    amount = min(amount, balance[v])
    balance[v] -= amount
    balance[sink] += amount
    v = sink
    while parent[v] >= 0:
        e = parent[v]
        if out_arc[v] < 0:
            if v == dump:
                dummies[e] -= amount
            else:
                dummies[v] += amount
        else:
            token = owner[out_arc[v]]
            free[token] += (v == dump) - (e == dump)
            held[out_arc[v]] = e == dump and free[token] > 0
            held[in_arc[v]] = v != dump or free[token] > 0
        v = e


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
    spot[heap[0]] = -2
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
