"""`cross-check`: two integer programs by engines of different families; agreement is evidence where no bound meets.

Both must claim optimality at the same peak, which must be the exact peak of the better placement. A certified answer
does not need it: certify looks for a bound that meets first.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from equipoise.problems import PlacementProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.placement.certify import peak_of_counts
from equipoise.solvers.solve import claim

WITNESSES = {"even": ("ortools-cpsat", "pulp-cbc"), "free": ("ortools-highs", "pulp-cbc")}

SAME = Fraction(1, 10**6)
"""Relative difference of two peaks below which they are the same: the tolerance of a floating-point solver."""


def solve(problem: PlacementProblem, time_limit: float | None) -> Claim:
    """Run both witnesses, each for half of the limit, and return the better placement."""
    names = WITNESSES[problem.split]
    share = None if time_limit is None else time_limit / len(names)
    claims: list[Claim] = [claim(problem, name, share) for name in names]
    said = "; ".join(f"{name}: {one.message or one.status}" for name, one in zip(names, claims, strict=True))
    peaks = [None if one.answer is None else peak_of_counts(problem, one.answer) for one in claims]
    found: list[tuple[Fraction, int]] = [(peak, place) for place, peak in enumerate(peaks) if peak is not None]
    if not found:
        return Claim("time limit", message=said)
    least, place = min(found)
    agreed = all(
        one.status == "optimal"
        and one.objective is not None
        and abs(one.objective - least) <= SAME * max(Fraction(1), least)
        for one in claims
    )
    return replace(claims[place], status="optimal" if agreed else "feasible", message=said, cross_checked=agreed)
