"""`cross-check`: the search first; where no bound meets it, integer programs by engines of different families."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from equipoise.problems import MigrationProblem
from equipoise.solvers.claim import Claim, ClaimStatus
from equipoise.solvers.migration import search
from equipoise.solvers.migration.bounds import best_bound
from equipoise.solvers.placement.certify import peak_of_counts
from equipoise.solvers.placement.cross_check import SAME, WITNESSES
from equipoise.solvers.solve import claim


def solve(problem: MigrationProblem, time_limit: float | None) -> Claim:
    """Return what the search found if it meets a bound, else the best of all; a witness has half of the limit."""
    first = search.solve(problem, time_limit)
    assert first.objective is not None
    if best_bound(problem, first.objective, first.duals).value == first.objective:
        return replace(first, status="optimal", message="the search met the bound")
    names = WITNESSES[problem.split]
    share = None if time_limit is None else time_limit / len(names)
    claims = [claim(problem, name, share) for name in names]
    said = "; ".join(f"{name}: {one.message or one.status}" for name, one in zip(names, claims, strict=True))
    every = [*claims, first]
    peaks = [_peak(problem, one) for one in every]
    least, place = min((peak, place) for place, peak in enumerate(peaks) if peak is not None)
    agreed = all(
        one.status == "optimal"
        and one.objective is not None
        and abs(one.objective - least) <= SAME * max(Fraction(1), least)
        for one in claims
    )
    status: ClaimStatus = "optimal" if agreed else "feasible"
    return replace(every[place], duals=first.duals, status=status, message=said, cross_checked=agreed)


def _peak(problem: MigrationProblem, found: Claim) -> Fraction | None:
    """Exact peak of what an engine found, if it keeps the limit."""
    if found.answer is None or problem.moves(counts := np.asarray(found.answer)) > problem.most_moves:
        return None
    return peak_of_counts(problem.placement, counts)
