"""`ortools-cpsat-plain`: CP-SAT without presolve, where its known wrong proofs come from (or-tools issue 5293)."""

from __future__ import annotations

from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.group_limited import cpsat


def solve(problem: GroupLimitedProblem, time_limit: float | None) -> Claim:
    """Solve the model as it stands."""
    return cpsat.solve(problem, time_limit, presolve=False)
