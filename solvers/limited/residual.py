r"""Prices and improvements on the residual network of an assignment with limits (exact integers).

The nodes are the sets of the tree; node N is its root. A potential ``p`` with ``p[root] = 0`` prices every pair at the
potential of its smallest set, and charges set v with ``p[v] - p[parent of v]``. It proves x optimal iff

    p[u] <= p[v] + s[t, e] - s[t, f]    t holds e (smallest set u) and lacks f (smallest set v): it may move
    p[parent] <= p[v]                   a set may lose a pair: no price is negative
    p[v] <= p[parent]                   where v has room: no price without need
    p[u] <= p[root] + s[t, e]           drop form: a token may let go
    p[root] <= p[v] - s[t, f]           drop form: a token with fewer than K experts may take one more

These are shortest distances; where there are none, a cycle of negative length is an improvement (Ahuja, Magnanti,
Orlin, Network Flows, ch. 9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.grid import PRICE_BITS
from equipoise.problems import LimitedProblem
from equipoise.solvers.assignment.exchange import NO_MOVE, successor_cycle

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Edges:
    """Constraints ``p[tail] <= value`` of one round, and the move behind each: token, from, to (-1: none)."""

    tail: Integers
    head: Integers
    value: Integers
    move: Integers


def _joined(*parts: Edges) -> Edges:
    columns = ((part.tail, part.head, part.value, part.move) for part in parts)
    return Edges(*(np.concatenate(arrays) for arrays in zip(*columns, strict=True)))


def potentials(problem: LimitedProblem, held: Booleans) -> tuple[Integers, list[tuple[int, int, int]] | None]:
    """Bellman-Ford from all zeros.

    Returns the potentials ``p[N+1]`` and None, or the moves (token, from, to) of an improvement. Should the potentials
    leave 61 bits, which takes scores at the limit of the grid and long chains, they are returned as they are and
    prove nothing.
    """
    nodes = len(problem.tree.parent) + 1
    fixed = _fixed(problem, held)
    potential = np.zeros(nodes, np.int64)
    successor = np.full(nodes, -1)
    moves = np.full((nodes, 3), -1)
    step = 0
    while True:
        edges = _joined(*_moves(problem, held, potential), _along(fixed, potential))
        best = potential.copy()
        np.minimum.at(best, edges.tail, edges.value)
        better = np.flatnonzero((edges.value == best[edges.tail]) & (edges.value < potential[edges.tail]))
        if not better.size or best.min() < -(2**PRICE_BITS):
            return potential, None
        successor[edges.tail[better]] = edges.head[better]
        moves[edges.tail[better]] = edges.move[better]
        potential, step = best, step + 1
        if step % 4 == 0 and (cycle := successor_cycle(successor)) is not None:
            return potential, [tuple(map(int, moves[node])) for node in cycle if moves[node, 0] >= 0]  # type: ignore[misc]


def prices(problem: LimitedProblem, potential: Integers) -> Integers:
    """Return ``[E + L]`` prices of capacities and limits; sets that cannot bind have none."""
    tree = problem.tree
    price = np.zeros(len(problem.capacities), np.int64)
    price[tree.source] = potential[:-1] - potential[tree.parent]
    return price


def improve(held: Booleans, moves: list[tuple[int, int, int]]) -> None:
    """Carry out an improvement in place."""
    for token, expert, _ in moves:
        if expert >= 0:
            held[token, expert] = False
    for token, _, expert in moves:
        if expert >= 0:
            held[token, expert] = True


def _moves(problem: LimitedProblem, held: Booleans, potential: Integers) -> Iterator[Edges]:
    """What tokens can do: move, and in the drop form let go or take one more."""
    leaf, values = problem.tree.leaf, problem.real_values
    root = len(problem.tree.parent)
    cost = np.where(held, NO_MOVE, potential[leaf] - values)
    target = cost.argmin(axis=1)
    rows = np.arange(len(held))
    least, into = cost[rows, target], leaf[rows, target]
    token, expert = np.nonzero(held)
    tail, score = leaf[token, expert], values[token, expert]
    yield Edges(tail, into[token], score + least[token], np.stack([token, expert, target[token]], axis=1))
    if problem.assignment.drop:
        outside = np.full(len(token), root)
        yield Edges(tail, outside, score + potential[root], np.stack([token, expert, outside * 0 - 1], axis=1))
        short = rows[held.sum(axis=1) < problem.assignment.top_k]
        outside = np.full(len(short), root)
        yield Edges(outside, into[short], least[short], np.stack([short, outside * 0 - 1, target[short]], axis=1))


def _fixed(problem: LimitedProblem, held: Booleans) -> tuple[Integers, Integers]:
    """Tails and heads of the edges between sets, all of length zero."""
    tree = problem.tree
    roomy = np.flatnonzero(tree.totals(held) < problem.capacities[tree.source])
    nodes = np.arange(len(tree.parent))
    return np.concatenate([tree.parent, roomy]), np.concatenate([nodes, tree.parent[roomy]])


def _along(fixed: tuple[Integers, Integers], potential: Integers) -> Edges:
    tail, head = fixed
    return Edges(tail, head, potential[head], np.full((len(tail), 3), -1))
