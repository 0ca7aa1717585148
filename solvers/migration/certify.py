"""What a migration problem makes of a claim: its placement and best split, and the best bound on any other."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from equipoise.arrays import frozen
from equipoise.certificates.kinds.migration import MigrationCertificate
from equipoise.problems import MigrationProblem
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.migration.bounds import best_bound
from equipoise.solvers.migration.tables import in_place
from equipoise.solvers.placement.certify import free_split, slots_of


def certify(problem: MigrationProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Evaluate the placement exactly and bound it; without one, or where it is refused, the current one stays."""
    del deadline
    placement = problem.placement
    slots, refused = problem.current, "no answer"
    if claim.answer is not None:
        found = in_place(slots_of(placement, np.asarray(claim.answer)), problem.current, placement.num_devices)
        refused = problem.violation(found) or ""
        slots = problem.current if refused else found
    repairs = (f"refused: {refused}; nothing is moved",) if refused else ()
    answer, split, denominator = {"physical_to_logical": frozen(slots)}, None, 1
    if placement.split == "even":
        peak = placement.even_peak(slots)
    else:
        split, denominator = free_split(placement, slots)
        answer["split"] = frozen(split / denominator)
        peak = Fraction(int(split.sum(axis=0).max()), denominator)
    bound = best_bound(problem, peak, claim.duals)
    proof = (slots, split, denominator, bound.value, bound.argument, bound.weights)
    yield Candidate(MigrationCertificate.of(problem, *proof), answer, repairs)
