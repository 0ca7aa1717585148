"""`cross-check`: the search first; where no bound meets it, integer programs by engines of different families."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from equipoise.problems import ReplicationProblem
from equipoise.solvers.claim import Claim, ClaimStatus
from equipoise.solvers.replication import search
from equipoise.solvers.replication.bounds import best_bound
from equipoise.solvers.replication.certify import split_over
from equipoise.solvers.solve import claim

WITNESSES = ("ortools-cpsat", "pulp-cbc")


def solve(problem: ReplicationProblem, time_limit: float | None) -> Claim:
    """Return the search's copies if they meet a bound, else the best of all; a witness has half of the limit."""
    first = search.solve(problem, time_limit)
    assert first.objective is not None
    if best_bound(problem, int(first.objective), first.duals).value == first.objective:
        return replace(first, status="optimal", message="the search met the bound")
    share = None if time_limit is None else time_limit / len(WITNESSES)
    claims = [claim(problem, name, share) for name in WITNESSES]
    said = "; ".join(f"{name}: {one.message or one.status}" for name, one in zip(WITNESSES, claims, strict=True))
    found = [(_peak(problem, one), place) for place, one in enumerate([*claims, first]) if one.answer is not None]
    least, place = min(found)
    agreed = all(one.status == "optimal" and one.objective == least for one in claims)
    status: ClaimStatus = "optimal" if agreed else "feasible"
    return replace([*claims, first][place], status=status, message=said, cross_checked=agreed)


def _peak(problem: ReplicationProblem, found: Claim) -> Fraction:
    assert found.answer is not None
    split = split_over(problem, found.answer)
    return Fraction(int((problem.home_load if split is None else split.sum(axis=0)).max()))
