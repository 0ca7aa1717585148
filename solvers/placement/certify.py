"""From an engine's claim to a placement: evaluate it exactly, bound it, and let the solver-free check decide.

An engine that calls its placement optimal proves nothing by that: only a bound that meets the peak makes it "optimal"
and "certified". Where none does, the solution is "bounded", unless two families of engines agree: then it is
"optimal" and "cross-checked", and ``lower`` stays the proved one.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.certificates.kinds.placement import PlacementCertificate
from equipoise.problems import PlacementProblem
from equipoise.solution import Solution
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.placement.claim import Claim
from equipoise.solvers.scheduling.relieve import relieve, rounded

Integers = npt.NDArray[np.int64]


def certify(problem: PlacementProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`; its certificate carries the bound even where there is a gap."""
    del deadline
    solution = Solution("unknown", solver, raw_objective=claim.objective, raw_status=claim.message or claim.status)
    if claim.counts is None:
        return replace(solution, lower=best_bound(problem).value)
    slots = slots_of(problem, claim.counts)
    if (reason := problem.violation(slots)) is not None:
        return replace(solution, lower=best_bound(problem).value, repairs=(f"refused: {reason}",))
    split, denominator, peak = None, 1, None
    if problem.split == "even":
        peak = problem.even_peak(slots)
    else:
        levelled = free_split(problem, slots)
        split, denominator = levelled
        peak = Fraction(int(split.sum(axis=0).max()), denominator)
    bound = best_bound(problem, peak)
    certificate = PlacementCertificate.of(problem, slots, split, denominator, bound.value, bound.argument)
    verdict = certificate.verify()
    agreed = claim.cross_checked and not verdict.valid
    return replace(
        solution,
        status="optimal" if verdict.valid or agreed else "bounded",
        evidence="certified" if verdict.valid else "cross-checked" if agreed else "claimed",
        objective=peak,
        lower=verdict.lower,
        upper=verdict.upper,
        physical_to_logical=frozen(slots),
        split=None if split is None else frozen(split / denominator),
        certificate=certificate,
    )


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
