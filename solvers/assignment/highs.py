"""`ortools-highs`: the linear program, by HiGHS, through OR-Tools."""

from __future__ import annotations

from ortools.math_opt.python import mathopt

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.assignment.linear import solve_linear


def solve(problem: AssignmentProblem, time_limit: float | None) -> Claim:
    """Solve the LP relaxation, which has an integral optimum."""
    return solve_linear(problem, mathopt.SolverType.HIGHS, time_limit)
