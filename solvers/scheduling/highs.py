"""`ortools-highs`: the linear program, by HiGHS, through OR-Tools; rounded when it is certified."""

from __future__ import annotations

from ortools.math_opt.python import mathopt

from equipoise.problems import SchedulingProblem
from equipoise.solvers.scheduling.claim import Claim
from equipoise.solvers.scheduling.linear import solve_linear


def solve(problem: SchedulingProblem, time_limit: float | None) -> Claim:
    """Solve the linear program; exact up to the solver's tolerance."""
    return solve_linear(problem, mathopt.SolverType.HIGHS, time_limit)
