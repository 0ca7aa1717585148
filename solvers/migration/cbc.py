"""`pulp-cbc`: the placement program with a limit on moves, in either form, by CBC; a witness for small sizes."""

from __future__ import annotations

from equipoise.problems import MigrationProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.placement.cbc import solve_from


def solve(problem: MigrationProblem, time_limit: float | None) -> Claim:
    """Solve for what is no worse than the current placement."""
    return solve_from(problem.placement, problem.counts, problem, time_limit)
