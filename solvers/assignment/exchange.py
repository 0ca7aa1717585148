r"""The exchange graph: what it costs to move tokens between experts (MoE assignment as a flow on E + 1 nodes).

For an assignment x, ``w[e, f]`` is the least score lost when some token that holds e and lacks f moves from e to f:

    w[e, f] = min { s[t, e] - s[t, f] : x[t, e] = 1, x[t, f] = 0 }

Node E is the dump: ``w[E, e] = 0`` (an expert may lose a token), ``w[e, E] = 0`` where e has room, and in the drop
form also ``w[e, E] = min s[t, e]`` over holders (a token lets go) and ``w[E, f] = min -s[t, f]`` over tokens with
fewer than K experts that lack f (a token takes one more). A feasible x is optimal iff no cycle has negative weight;
then shortest distances are its prices, otherwise the cycle is an improvement. Both are textbook facts about min-cost
flow (Ahuja, Magnanti, Orlin, Network Flows, ch. 9), contracted to the experts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

NO_MOVE = np.int64(2**62)
"""Weight of a move that no token can make; larger than any sum of real weights."""


@dataclass(frozen=True)
class Tokens:
    """The real tokens of a problem: grid integers ``values[T,E]``, K, capacities, form."""

    values: Integers
    top_k: int
    capacity: Integers
    drop: bool


def exchange_graph(tokens: Tokens, held: Booleans) -> Integers:
    """Return ``w[E+1, E+1]``; O(T K E) time."""
    experts = held.shape[1]
    weight = np.full((experts + 1, experts + 1), NO_MOVE, np.int64)
    for expert in range(experts):
        weight[expert] = _row(tokens, held, expert)
    weight[experts] = _dump_row(tokens, held)
    return weight


def refresh(tokens: Tokens, held: Booleans, weight: Integers, touched: Integers) -> None:
    """Recompute in place what changed when the given tokens moved; the caller passes experts they held before too."""
    for expert in touched:
        weight[expert] = _row(tokens, held, int(expert))
    experts = held.shape[1]
    weight[experts] = _dump_row(tokens, held)
    has_room = held.sum(axis=0) < tokens.capacity
    for expert in range(experts):
        weight[expert, experts] = _to_dump(tokens, held, expert, bool(has_room[expert]))


def _row(tokens: Tokens, held: Booleans, expert: int) -> Integers:
    experts = held.shape[1]
    row = np.full(experts + 1, NO_MOVE, np.int64)
    holders = np.flatnonzero(held[:, expert])
    if holders.size:
        values = tokens.values[holders]
        loss = values[:, expert, None] - values
        loss[held[holders]] = NO_MOVE
        row[:experts] = loss.min(axis=0)
    row[experts] = _to_dump(tokens, held, expert, holders.size < tokens.capacity[expert])
    return row


def _to_dump(tokens: Tokens, held: Booleans, expert: int, has_room: bool) -> np.int64:
    best = np.int64(0) if has_room else NO_MOVE
    if tokens.drop:
        column = tokens.values[held[:, expert], expert]
        best = min(best, column.min(initial=NO_MOVE))
    return best


def _dump_row(tokens: Tokens, held: Booleans) -> Integers:
    experts = held.shape[1]
    row = np.zeros(experts + 1, np.int64)
    row[experts] = NO_MOVE
    if tokens.drop and (short := held.sum(axis=1) < tokens.top_k).any():
        gain = np.where(held[short], -NO_MOVE, tokens.values[short]).max(axis=0)
        row[:experts] = np.minimum(0, -gain)
    return row


def distances(weight: Integers) -> tuple[Integers, list[int] | None]:
    """Bellman-Ford on ``d[e] <= d[f] + w[e, f]`` from all zeros.

    Returns the distances and None, or whatever was reached and the nodes of a cycle of negative weight, in the order
    in which tokens move along it.
    """
    nodes = len(weight)
    distance = np.zeros(nodes, np.int64)
    successor = np.full(nodes, -1)
    index = np.arange(nodes)
    for step in range(nodes):
        through = weight + distance
        best = through.argmin(axis=1)
        value = through[index, best]
        better = value < distance
        if not better.any():
            return distance, None
        distance = np.where(better, value, distance)
        successor[better] = best[better]
        if (step & 3 == 3 or step == nodes - 1) and (cycle := successor_cycle(successor)) is not None:
            return distance, cycle
    raise AssertionError("Bellman-Ford neither settled nor closed a cycle")


def successor_cycle(successor: npt.NDArray[np.intp]) -> list[int] | None:
    """A cycle of the successor graph, which Bellman-Ford only closes along negative weight."""
    state = np.zeros(len(successor), int)
    for start in range(len(successor)):
        path = []
        node = start
        while node >= 0 and state[node] == 0:
            state[node] = 1
            path.append(node)
            node = int(successor[node])
        if node >= 0 and state[node] == 1:
            return path[path.index(node) :]
        state[path] = 2
    return None


def move_along(tokens: Tokens, held: Booleans, nodes: list[int], closed: bool) -> Integers:
    """Carry out the cheapest move on every edge of a path or cycle, in place; return the experts to refresh."""
    experts = held.shape[1]
    moves = []
    for e, f in zip(nodes, nodes[1:] + nodes[:1] * closed, strict=False):
        token = _mover(tokens, held, e, f)
        if token is not None:
            moves.append((token, e, f))
    touched: set[int] = set()
    for token, _, _ in moves:
        touched.update(np.flatnonzero(held[token]).tolist())
    for token, e, _ in moves:
        if e < experts:
            held[token, e] = False
    for token, _, f in moves:
        if f < experts:
            held[token, f] = True
            touched.add(f)
    for token, _, _ in moves:
        touched.update(np.flatnonzero(held[token]).tolist())
    return np.array(sorted(touched), np.int64)


def _mover(tokens: Tokens, held: Booleans, e: int, f: int) -> int | None:
    """Return the token behind ``w[e, f]``; None where the edge is free room and nobody moves."""
    experts = held.shape[1]
    values = tokens.values
    if e == experts:
        if not tokens.drop:
            return None
        able = np.flatnonzero((held.sum(axis=1) < tokens.top_k) & ~held[:, f])
        token = able[np.argmax(values[able, f])] if able.size else None
        return int(token) if token is not None and values[token, f] > 0 else None
    holders = np.flatnonzero(held[:, e])
    if f < experts:
        able = holders[~held[holders, f]]
        return int(able[np.argmin(values[able, e] - values[able, f])])
    if tokens.drop and holders.size:
        token = holders[np.argmin(values[holders, e])]
        if values[token, e] < 0 or holders.size >= tokens.capacity[e]:
            return int(token)
    return None
