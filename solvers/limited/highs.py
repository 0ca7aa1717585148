"""`ortools-highs`: the linear program, by HiGHS, through OR-Tools."""

from __future__ import annotations

from ortools.math_opt.python import mathopt

from equipoise.problems import LimitedProblem
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.limited.linear import solve_limited


def solve(problem: LimitedProblem, time_limit: float | None) -> Claim:
    """Solve the LP relaxation, which has an integral optimum."""
    return solve_limited(problem, mathopt.SolverType.HIGHS, time_limit)
