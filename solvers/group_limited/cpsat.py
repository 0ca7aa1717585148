"""`ortools-cpsat`, `ortools-cpsat-plain`: the 0/1 integer program, by CP-SAT."""

from __future__ import annotations

from ortools.sat.python import cp_model

from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.assignment.cpsat import assignment_model, coarse_scores, run_model
from equipoise.solvers.claim import Claim


def solve(problem: GroupLimitedProblem, time_limit: float | None, method: str = "") -> Claim:
    """Solve with a variable per token and group that says that it is used.

    The method "plain" goes without presolve, where known wrong proofs come from (or-tools issue 5293).
    """
    coarse = coarse_scores(problem)
    model, x = assignment_model(problem.assignment, coarse)
    size = x.shape[1] // problem.num_groups
    for row in x:
        used = [model.new_bool_var("") for _ in range(problem.num_groups)]
        for expert, variable in enumerate(row):
            model.add_implication(variable, used[expert // size])
        model.add(cp_model.LinearExpr.sum(used) <= problem.topk_groups)
    return run_model(model, x, coarse, time_limit, method != "plain")
