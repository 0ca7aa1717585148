"""`pulp-cbc`: the 0/1 integer program in PuLP, by CBC."""

from __future__ import annotations

import pulp

from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.assignment.cbc import LARGEST_COST, assignment_model, run_model
from equipoise.solvers.assignment.coarse import CoarseScores
from equipoise.solvers.by_pulp import quiet
from equipoise.solvers.claim import Claim


@quiet()
def solve(problem: GroupLimitedProblem, time_limit: float | None) -> Claim:
    """Solve with a variable per token and group that says that it is used."""
    coarse = CoarseScores.of(problem, LARGEST_COST)
    model, x = assignment_model(problem.assignment, coarse)
    size = len(x[0]) // problem.num_groups
    for t, row in enumerate(x):
        used = [pulp.LpVariable(f"z_{t}_{g}", cat=pulp.LpBinary) for g in range(problem.num_groups)]
        for e, variable in enumerate(row):
            model += variable <= used[e // size]
        model += pulp.lpSum(used) <= problem.topk_groups
    return run_model(model, x, coarse, time_limit)
