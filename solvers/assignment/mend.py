"""From an engine's answer to a feasible, integral and optimal one, saying what had to be done.

Engines work on coarser grids than certificates, stop at tolerances, or return fractional vertices. Mending rounds,
restores capacities along shortest hops of the exchange graph, and cancels negative cycles until none is left.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.exchange import (
    NO_MOVE,
    Booleans,
    Integers,
    Tokens,
    distances,
    exchange_graph,
    move_along,
    refresh,
)


@dataclass
class Mended:
    """A feasible 0/1 assignment; ``prices`` (grid integers) prove it optimal, or are None if time ran out."""

    held: Booleans
    prices: Integers | None
    repairs: list[str] = field(default_factory=list)


def tokens_of(problem: AssignmentProblem) -> Tokens:
    """Return the real tokens of ``problem`` for the exchange graph."""
    return Tokens(problem.real_values, problem.top_k, problem.capacity, problem.drop)


def mend(problem: AssignmentProblem, weights: npt.NDArray[Any], deadline: float | None = None) -> Mended | None:
    """Make ``weights[real tokens, E]`` an optimal assignment; None if not even a feasible one was reached in time."""
    tokens = tokens_of(problem)
    held, rounded = _round(tokens, weights)
    repairs = [f"rounded {rounded} entries"] if rounded else []
    weight = exchange_graph(tokens, held)
    moved = _restore_capacity(tokens, held, weight, deadline)
    if moved is None:
        return None
    if moved:
        repairs.append(f"moved {moved} tokens within capacity")
    cancelled = 0
    while True:
        distance, cycle = distances(weight)
        if cycle is None:
            prices = distance[:-1] - distance[-1]
            break
        if deadline is not None and time.monotonic() > deadline:
            prices = None
            break
        refresh(tokens, held, weight, move_along(tokens, held, cycle, closed=True))
        cancelled += 1
    if cancelled:
        repairs.append(f"cancelled {cancelled} improving cycles")
    return Mended(held, prices, repairs)


def _round(tokens: Tokens, weights: npt.NDArray[Any]) -> tuple[Booleans, int]:
    """Give each token its K largest weights (ties: higher score); in the drop form only weights above one half."""
    if weights.dtype == np.bool_ and (tokens.drop or (weights.sum(axis=1) == tokens.top_k).all()):
        held, changed = weights.copy(), 0
    else:
        weights = weights.astype(np.float64)
        by_score = np.argsort(-tokens.values, axis=1, kind="stable")
        ranked = np.take_along_axis(weights, by_score, axis=1)
        order = np.take_along_axis(by_score, np.argsort(-ranked, axis=1, kind="stable"), axis=1)
        held = np.zeros(weights.shape, bool)
        np.put_along_axis(held, order[:, : tokens.top_k], True, axis=1)
        if tokens.drop:
            held &= weights > 0.5
        changed = int((held != weights).sum())
    if tokens.drop and (excess := held.sum(axis=1) > tokens.top_k).any():
        return _round(tokens, np.where(excess[:, None], held.astype(float), held))
    return held, changed


def _restore_capacity(tokens: Tokens, held: Booleans, weight: Integers, deadline: float | None) -> int | None:
    moved = 0
    while (over := np.flatnonzero(held.sum(axis=0) > tokens.capacity)).size:
        if deadline is not None and time.monotonic() > deadline:
            return None
        path = _path_to_room(weight, int(over[0]))
        if path is None:
            raise AssertionError("no way to relieve an expert although the capacities suffice")
        refresh(tokens, held, weight, move_along(tokens, held, path, closed=False))
        moved += 1
    return moved


def _path_to_room(weight: Integers, start: int) -> list[int] | None:
    """Fewest hops from an overloaded expert to the dump, the cheapest move first among equals."""
    dump = len(weight) - 1
    came_from = {start: -1}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == dump:
            path = [node]
            while came_from[path[-1]] >= 0:
                path.append(came_from[path[-1]])
            return path[::-1]
        for target in np.argsort(weight[node], kind="stable"):
            if weight[node, target] >= NO_MOVE:
                break
            if int(target) not in came_from:
                came_from[int(target)] = node
                queue.append(int(target))
    return None
