"""`ortools-cpsat`: the 0/1 integer program, by CP-SAT."""

from __future__ import annotations

from ortools.sat.python import cp_model

from equipoise.problems import FewExpertsProblem
from equipoise.solvers.assignment.cpsat import assignment_model, coarse_scores, run_model
from equipoise.solvers.claim import Claim


def solve(problem: FewExpertsProblem, time_limit: float | None) -> Claim:
    """Solve with a variable per expert that says that the batch uses it."""
    coarse = coarse_scores(problem)
    model, x = assignment_model(problem.assignment, coarse)
    used = [model.new_bool_var("") for _ in range(x.shape[1])]
    for row in x:
        for expert, variable in enumerate(row):
            model.add_implication(variable, used[expert])
    model.add(cp_model.LinearExpr.sum(used) <= problem.most_experts)
    return run_model(model, x, coarse, time_limit)
