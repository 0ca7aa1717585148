"""`ortools-cpsat`: the placement program with a limit on moves, in the even form, by CP-SAT."""

from __future__ import annotations

from dataclasses import replace

from equipoise.problems import MigrationProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.migration import search
from equipoise.solvers.placement.cpsat import solve_from


def solve(problem: MigrationProblem, time_limit: float | None) -> Claim:
    """Solve from what the search finds."""
    first = search.solve(problem, time_limit)
    assert first.answer is not None
    return replace(solve_from(problem.placement, first.answer, problem, time_limit), duals=first.duals)
