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

from typing import Any, NamedTuple

import numba as nb
import numpy as np
import numpy.typing as npt

from equipoise.solvers.assignment.dual_descent.limits import FAR
from equipoise.solvers.assignment.dual_descent.rows import Integers

SETTLED = -2
NO_ROOM = -1
TOO_LONG = -2


class Supply(NamedTuple):
    """What the nodes hold; ``_augment`` changes it in place.

    Attributes
    ----------
    balance
        ``[E + 1]`` what a node holds too much: tokens and dummies less capacity.
    dummies
        ``[E]`` those at each expert.
    free
        ``[n]`` free places of every token of the core.
    """

    balance: Integers
    dummies: Integers
    free: Integers


class Tree(NamedTuple):
    """Shortest paths of one search, ``[E + 1]`` each.

    Attributes
    ----------
    dist
        Length of the path to a node; at least the last sink's where the search ended before settling the node.
    parent
        Node before it, -1 where a path begins.
    leave, enter, token
        The arc by which the token leaves the parent (-1: a dummy moves), the one by which it enters, and the token.
    """

    dist: Integers
    parent: Integers
    leave: Integers
    enter: Integers
    token: Integers


class Arcs(NamedTuple):
    """The contracted graph, row by row: the cheapest move from node v to node w, ``[E + 1, E + 1]`` each.

    Prices are left out, so that a row holds until a token that v holds, or held, moves. Rows are made when a search
    first needs them.

    Attributes
    ----------
    cost
        ``value[v] - value[w]`` of the token that loses least; ``2 * FAR``, and beyond every distance, if none can move.
    entry
        Its arc of v, as a place in :class:`ByNode`.
    enter
        Its arc of w.
    known
        ``[E + 1]`` the rows that hold.
    """

    cost: Integers
    entry: npt.NDArray[np.int32]
    enter: npt.NDArray[np.int32]
    known: npt.NDArray[np.bool_]


class Heap(NamedTuple):
    """Nodes by distance, then by number, hence deterministic.

    Attributes
    ----------
    nodes
        ``[E + 1]`` the heap, root first.
    spot
        ``[E + 1]`` a node's place in it; -1 before it enters, SETTLED after it left.
    """

    nodes: Integers
    spot: Integers


@nb.njit(cache=True)
def repair(by_token: Any, by_node: Any, price: Any, supply: Any, most: int) -> int:
    """Carry out augmentations in place until all balances are zero; return the number of searches.

    One search serves many underfull nodes: after the prices have followed its distances all tree edges are tight, and
    every path of tight edges that is still there may be used. Returns NO_ROOM if some excess reaches no room inside
    the core or prices leave the range of exact arithmetic, TOO_LONG after ``most`` searches.
    """
    nodes, balance = len(price), supply.balance
    scratch = np.empty((8, nodes), np.int64)
    tree = Tree(scratch[0], scratch[1], scratch[2], scratch[3], scratch[4])
    heap, sinks = Heap(scratch[5], scratch[6]), scratch[7]
    arcs = Arcs(
        np.empty((nodes, nodes), np.int64),
        np.empty((nodes, nodes), np.int32),
        np.empty((nodes, nodes), np.int32),
        np.zeros(nodes, np.bool_),
    )
    searches = 0
    while balance.max() > 0:
        found = _search(by_token, by_node, arcs, price, supply, tree, heap, sinks)
        if found == 0:
            return NO_ROOM
        far = tree.dist[sinks[found - 1]]
        for v in range(nodes):
            if tree.dist[v] < far:
                price[v] += far - tree.dist[v]
                if price[v] > FAR // 2:
                    return NO_ROOM
        moved = False
        for i in range(found):
            while balance[sinks[i]] < 0:
                amount = _amount(by_token.held, supply, tree, sinks[i])
                if amount == 0:
                    break
                _augment(by_token, arcs.known, supply, tree, sinks[i], amount)
                moved = True
        if not moved:
            return NO_ROOM
        searches += 1
        if searches >= most:
            return TOO_LONG if balance.max() > 0 else searches
    return searches


@nb.njit(cache=True)
def _row(by_token: Any, by_node: Any, arcs: Any, v: int) -> None:
    """Make row v of the contracted graph."""
    start, node, value, held, _ = by_token
    cost, entry, enter = arcs.cost[v], arcs.entry[v], arcs.enter[v]
    dump = len(cost) - 1
    cost[:] = 2 * FAR
    for i in range(by_node.start[v], by_node.start[v + 1]):
        if not held[by_node.arc[i]]:
            continue
        mine, token = by_node.value[i], by_node.token[i]
        for other in range(start[token], start[token + 1]):
            w = node[other]
            if mine - value[other] < cost[w] and (not held[other] or w == dump):
                cost[w] = mine - value[other]
                entry[w] = i
                enter[w] = other
    arcs.known[v] = True


@nb.njit(cache=True)
def _search(by_token: Any, by_node: Any, arcs: Any, price: Any, supply: Any, tree: Any, heap: Any, sinks: Any) -> int:
    """Dijkstra from all overfull nodes to every underfull one that can be reached; return how many, nearest first."""
    balance, dist, parent = supply.balance, tree.dist, tree.parent
    dump = len(price) - 1
    size = 0
    wanted = 0
    found = 0
    for v in range(dump + 1):
        dist[v] = FAR
        heap.spot[v] = -1
        parent[v] = -1
        if balance[v] > 0:
            dist[v] = 0
            size = _push(heap, size, dist, v)
        elif balance[v] < 0:
            wanted += 1
    while size > 0:
        e = heap.nodes[0]
        size = _pop(heap, size, dist)
        if balance[e] < 0:
            sinks[found] = e
            found += 1
            if found == wanted:
                return found
        base = dist[e]
        if not arcs.known[e]:
            _row(by_token, by_node, arcs, e)
        cost = arcs.cost[e]
        for f in range(dump + 1):
            length = base - price[e] + cost[f] + price[f]
            if length < dist[f]:
                i = arcs.entry[e, f]
                dist[f] = length
                parent[f] = e
                tree.leave[f] = by_node.arc[i]
                tree.enter[f] = arcs.enter[e, f]
                tree.token[f] = by_node.token[i]
                size = _push(heap, size, dist, f)
        if e == dump:
            for f in range(dump):
                length = base + price[f] - price[dump]
                if length < dist[f]:
                    dist[f] = length
                    parent[f] = e
                    tree.leave[f] = -1
                    size = _push(heap, size, dist, f)
        elif supply.dummies[e] > 0 and base < dist[dump]:
            dist[dump] = base
            parent[dump] = e
            tree.leave[dump] = -1
            size = _push(heap, size, dist, dump)
    return found


@nb.njit(cache=True)
def _amount(held: Any, supply: Any, tree: Any, sink: int) -> int:
    """How much the tree's path to ``sink`` can still carry: one unit if a token moves, 0 if it is used up."""
    dump = len(supply.balance) - 1
    amount = -supply.balance[sink]
    v = sink
    while tree.parent[v] >= 0:
        e = tree.parent[v]
        if tree.leave[v] >= 0:
            if not held[tree.leave[v]] or (held[tree.enter[v]] and v != dump):
                return 0
            amount = 1
        elif v == dump:
            amount = min(amount, supply.dummies[e])
        v = e
    return max(0, min(amount, supply.balance[v]))


@nb.njit(cache=True)
def _augment(by_token: Any, known: Any, supply: Any, tree: Any, sink: int, amount: int) -> None:
    """Move ``amount`` units along the path to ``sink``; rows that this changes are no longer ``known``."""
    start, node, _, held, _ = by_token
    balance, dummies, free = supply
    dump = len(balance) - 1
    v = sink
    balance[sink] += amount
    while tree.parent[v] >= 0:
        e = tree.parent[v]
        if tree.leave[v] < 0:
            if v == dump:
                dummies[e] -= amount
            else:
                dummies[v] += amount
        else:
            token = tree.token[v]
            for arc in range(start[token], start[token + 1]):
                known[node[arc]] &= not held[arc]
            known[v] = False
            free[token] += (v == dump) - (e == dump)
            held[tree.leave[v]] = e == dump and free[token] > 0
            held[tree.enter[v]] = v != dump or free[token] > 0
        v = e
    balance[v] -= amount


@nb.njit(cache=True)
def _push(heap: Any, size: int, dist: Any, v: int) -> int:
    """Insert v or move it up."""
    nodes, spot = heap
    i = spot[v]
    if i < 0:
        i = size
        size += 1
    while i > 0:
        up = nodes[(i - 1) // 2]
        if dist[up] < dist[v] or (dist[up] == dist[v] and up < v):
            break
        nodes[i] = up
        spot[up] = i
        i = (i - 1) // 2
    nodes[i] = v
    spot[v] = i
    return size


@nb.njit(cache=True)
def _pop(heap: Any, size: int, dist: Any) -> int:
    """Remove the root."""
    nodes, spot = heap
    spot[nodes[0]] = SETTLED
    size -= 1
    if size == 0:
        return 0
    v = nodes[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size:
            a, b = nodes[child], nodes[child + 1]
            if dist[b] < dist[a] or (dist[b] == dist[a] and b < a):
                child += 1
        w = nodes[child]
        if dist[v] < dist[w] or (dist[v] == dist[w] and v < w):
            break
        nodes[i] = w
        spot[w] = i
        i = child
    nodes[i] = v
    spot[v] = i
    return size
