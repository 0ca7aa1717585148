"""`ortools-flow`: min-cost flow, token -> smallest set -> larger sets -> sink, by OR-Tools."""

from __future__ import annotations

import numpy as np

from equipoise.problems import LimitedProblem
from equipoise.solvers.assignment.flow import flow_of
from equipoise.solvers.claim import Claim


def solve(problem: LimitedProblem, time_limit: float | None) -> Claim:
    """Solve on a grid small enough for the solver's scaled costs and for the 63 bits of its total."""
    del time_limit
    plain, tree = problem.assignment, problem.tree
    room = np.minimum(problem.capacities[tree.source], plain.demand)
    return flow_of(problem, plain, np.ones(problem.real_values.shape, bool), tree.leaf, tree.parent, room)
