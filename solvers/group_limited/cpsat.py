"""`ortools-cpsat`: the 0/1 integer program, by CP-SAT."""

from __future__ import annotations

from ortools.sat.python import cp_model

from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.assignment.cpsat import assignment_model, coarse_scores, run_model


def solve(problem: GroupLimitedProblem, time_limit: float | None, presolve: bool = True) -> Claim:
    """Solve with one worker, hence deterministically; a variable per token and group says that it is used."""
    coarse = coarse_scores(problem)
    model, x = assignment_model(problem.assignment, coarse)
    size = x.shape[1] // problem.num_groups
    for row in x:
        used = [model.new_bool_var("") for _ in range(problem.num_groups)]
        for expert, variable in enumerate(row):
            model.add_implication(variable, used[expert // size])
        model.add(cp_model.LinearExpr.sum(used) <= problem.topk_groups)
    return run_model(model, x, coarse, time_limit, presolve)
