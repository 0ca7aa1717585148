"""`ortools-cpsat`: the 0/1 integer program with limits, by CP-SAT."""

from __future__ import annotations

from ortools.sat.python import cp_model

from equipoise.problems import LimitedProblem
from equipoise.solvers.assignment.cpsat import assignment_model, coarse_scores, run_model
from equipoise.solvers.claim import Claim


def solve(problem: LimitedProblem, time_limit: float | None) -> Claim:
    """Solve with one worker, hence deterministically."""
    coarse = coarse_scores(problem)
    model, x = assignment_model(problem.assignment, coarse)
    for number, limit in enumerate(problem.limits):
        block = x[problem.limit_tokens[number][problem.assignment.tokens]][:, problem.limit_experts[number]]
        model.add(cp_model.LinearExpr.sum(block.ravel().tolist()) <= min(limit.capacity, block.size))
    return run_model(model, x, coarse, time_limit)
