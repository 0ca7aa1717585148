"""What a placement problem makes of a claim: its placement and best split, and the best bound on any placement.

An engine that calls its placement optimal proves nothing by that: only a bound that meets the peak does.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.kinds.placement import PlacementCertificate
from equipoise.problems import PlacementProblem
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.scheduling.relieve import relieve, rounded

Integers = npt.NDArray[np.int64]


def certify(problem: PlacementProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Evaluate the placement exactly and bound it; without one, or where it is refused, bound all placements."""
    del deadline
    slots = None if claim.answer is None else slots_of(problem, claim.answer)
    refused = () if slots is None or (reason := problem.violation(slots)) is None else (f"refused: {reason}",)
    if slots is None or refused:
        bound = best_bound(problem)
        nothing = np.full(problem.num_slots, -1)
        certificate = PlacementCertificate.of(problem, nothing, None, 1, bound.value, bound.argument)
        yield Candidate(certificate, repairs=refused)
        return
    answer, split, denominator = {"physical_to_logical": frozen(slots)}, None, 1
    if problem.split == "even":
        bound = best_bound(problem, problem.even_peak(slots))
    else:
        levelled = free_split(problem, slots)
        split, denominator = levelled
        answer["split"] = frozen(split / denominator)
        bound = best_bound(problem, Fraction(int(split.sum(axis=0).max()), denominator))
    yield Candidate(PlacementCertificate.of(problem, slots, split, denominator, bound.value, bound.argument), answer)


def peak_of_counts(problem: PlacementProblem, counts: npt.NDArray[np.integer]) -> Fraction | None:
    """Exact peak of a placement ``[E, G]``; None if it is not feasible."""
    slots = slots_of(problem, counts)
    if problem.violation(slots) is not None:
        return None
    if problem.split == "even":
        return problem.even_peak(slots)
    split, denominator = free_split(problem, slots)
    return Fraction(int(split.sum(axis=0).max()), denominator)


def free_split(problem: PlacementProblem, slots: Integers) -> tuple[Integers, int]:
    """Best rational split of a placement: ``[E, G]`` integers and their denominator."""
    schedule = problem.schedule(slots)
    levelled = relieve(schedule, rounded(schedule, schedule.hosts.astype(float)))
    return levelled.split, levelled.denominator


def slots_of(problem: PlacementProblem, counts: npt.NDArray[np.integer]) -> Integers:
    """Return ``[P]``: each device's experts in ascending order, -1 in what is left of its slots."""
    slots = np.full((problem.num_devices, problem.slots_per_device), -1, np.int64)
    for device, column in enumerate(np.asarray(counts).T):
        held = np.repeat(np.arange(problem.num_experts), np.maximum(0, column))[: problem.slots_per_device]
        slots[device, : len(held)] = held
    return slots.ravel()
