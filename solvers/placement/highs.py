"""`ortools-highs`: the joint program of placement and free split, by HiGHS, through OR-Tools."""

from __future__ import annotations

from ortools.math_opt.python import mathopt

from equipoise.problems import PlacementProblem
from equipoise.solvers.placement.claim import Claim
from equipoise.solvers.placement.linear import solve_free


def solve(problem: PlacementProblem, time_limit: float | None) -> Claim:
    """Solve the free form; exact up to the solver's tolerances."""
    return solve_free(problem, mathopt.SolverType.HIGHS, time_limit)
