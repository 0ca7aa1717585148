"""`ortools-flow`: min-cost flow, token -> expert -> sink, by OR-Tools."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.coarse import CoarseScores, Scored
from equipoise.solvers.by_flow import Arcs, run
from equipoise.solvers.claim import Claim

Integers = npt.NDArray[np.int64]


def solve(problem: AssignmentProblem, time_limit: float | None) -> Claim:
    """Solve on a grid small enough for the solver's scaled costs and for the 63 bits of its total."""
    del time_limit
    tokens, experts = problem.real_values.shape
    return flow_of(problem, problem, np.ones((tokens, experts), bool), *experts_as_sets(problem))


def experts_as_sets(plain: AssignmentProblem) -> tuple[Integers, Integers, Integers]:
    """Return what :func:`flow_of` asks of the sets where they are the experts themselves, right below the sink."""
    experts = plain.num_experts
    leaf = np.broadcast_to(np.arange(experts), (len(plain.tokens), experts))
    return leaf, np.full(experts, experts), np.minimum(plain.capacity, len(plain.tokens))


def flow_of(
    problem: Scored,
    plain: AssignmentProblem,
    allowed: npt.NDArray[np.bool_],
    leaf: Integers,
    parent: Integers,
    room: Integers,
) -> Claim:
    """Send every token to K allowed experts through a tree of sets with room.

    Parameters
    ----------
    problem, plain
        Whose scores count, and whose K and form.
    allowed, leaf
        ``[real tokens, E]``: which pairs exist, and the smallest set that each is in.
    parent, room
        Of each of N sets; N itself is the sink.
    """
    tokens, sets = len(allowed), len(parent)
    sink = tokens + sets
    coarse = CoarseScores.of(problem, 2**62 // max((sink + 3) * 2, plain.demand))
    token, expert = np.nonzero(allowed)
    arcs: list[Arcs] = [
        (token, tokens + leaf[token, expert], np.ones(len(token), np.int64), -coarse.values[token, expert]),
        (tokens + np.arange(sets), tokens + parent, room, room * 0),
    ]
    if plain.drop:
        unused = np.full(tokens, plain.top_k)
        arcs.append((np.arange(tokens), np.full(tokens, sink), unused, unused * 0))
    supply = np.concatenate([np.full(tokens, plain.top_k), np.zeros(sets, np.int64), [-plain.demand]])
    flow, cost, status, message = run(supply, *arcs)
    if flow is None:
        return Claim(status, message=message)
    held = np.zeros(allowed.shape, bool)
    held[allowed] = flow.astype(bool)
    return Claim(status, -cost * coarse.unit, held, message=message)
