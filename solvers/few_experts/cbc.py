"""`pulp-cbc`: the 0/1 integer program in PuLP, by CBC."""

from __future__ import annotations

import pulp

from equipoise.problems import FewExpertsProblem
from equipoise.solvers.assignment.cbc import LARGEST_COST, assignment_model, run_model
from equipoise.solvers.assignment.coarse import CoarseScores
from equipoise.solvers.by_pulp import quiet
from equipoise.solvers.claim import Claim


@quiet()
def solve(problem: FewExpertsProblem, time_limit: float | None) -> Claim:
    """Solve with a variable per expert that says that the batch uses it."""
    coarse = CoarseScores.of(problem, LARGEST_COST)
    model, x = assignment_model(problem.assignment, coarse)
    used = [pulp.LpVariable(f"y_{e}", cat=pulp.LpBinary) for e in range(problem.assignment.num_experts)]
    for row in x:
        for e, variable in enumerate(row):
            model += variable <= used[e]
    model += pulp.lpSum(used) <= problem.most_experts
    return run_model(model, x, coarse, time_limit)
