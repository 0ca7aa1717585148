"""`placement-search`: for the free form a chain and a descent, for the even form a search that is exact while it ends.

Even form: replicas are dealt below the best peak until no deal is left, which is a proof. Where the deal gives up, as
it must with many replica counts, counts are drawn and devices filled (:mod:`equipoise.solvers.placement.levelled`).
"""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.deals import STEPS, GivenUp, deal_below
from equipoise.problems import PlacementProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.placement.bounds import best_bound, solver_seconds, too_many_counts
from equipoise.solvers.placement.certify import peak_of_counts, slots_of
from equipoise.solvers.placement.chain import chained
from equipoise.solvers.placement.descent import descended
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.placement.levelled import levelled
from equipoise.solvers.placement.swaps import swapped

FEW_STEPS = STEPS // 10
"""Of the first deal: what it does not prove is searched before it is dealt again."""


def solve(problem: PlacementProblem, time_limit: float | None) -> Claim:
    """Deal replicas (even form), or chain devices and descend (free form); ends by itself, or somewhat early."""
    seconds = solver_seconds(time_limit)
    return improved(problem, greedy_counts(problem), None if seconds is None else time.monotonic() + seconds)


def improved(problem: PlacementProblem, start: npt.NDArray[np.int64], deadline: float | None = None) -> Claim:
    """Search from ``start``, ``[E, G]`` counts, for a placement at least as good, until ``deadline`` at the latest.

    The deadline is one of ``time.monotonic``; no step of the search takes much more than a second.
    """
    if problem.split == "free":
        counts = chained(problem, start)
        peak, floor = peak_of_counts(problem, counts), best_bound(problem).value
        if peak is not None and peak > floor:
            counts = descended(problem, counts, floor, deadline=deadline)
            peak = peak_of_counts(problem, counts)
        return Claim("feasible", peak, counts, message="chain of devices, or descent")
    counts, ended = dealt(problem, swapped(problem, start, deadline), deadline, FEW_STEPS)
    if not ended:
        counts = levelled(problem, counts, best_bound(problem).value, deadline)
        counts, ended = dealt(problem, counts, deadline)
    peak = problem.even_peak(slots_of(problem, counts))
    return Claim("optimal" if ended else "feasible", peak, counts, message="OPTIMAL" if ended else "search given up")


def near(problem: PlacementProblem, start: npt.NDArray[np.int64], enough: Fraction, deadline: float) -> Claim:
    """Search step by step from ``start``, so that the answer is near it, until a peak of ``enough`` or the deadline."""
    if problem.split == "free":
        counts = descended(problem, start, enough, deadline=deadline)
    else:
        counts = swapped(problem, start, deadline, enough)
    return Claim("feasible", peak_of_counts(problem, counts), counts, message="steps from the start")


def dealt(
    problem: PlacementProblem, counts: npt.NDArray[np.int64], deadline: float | None = None, steps: int = STEPS
) -> tuple[npt.NDArray[np.int64], bool]:
    """Deal below the peak of ``counts`` until no deal is left, or it meets a bound; False if it was given up."""
    loads, sizes = problem.load.tolist(), (problem.num_slots, problem.num_devices)
    form, floor = (problem.num_groups, problem.num_nodes), best_bound(problem).value
    while deadline is None or time.monotonic() < deadline:
        peak = problem.even_peak(slots_of(problem, counts))
        if peak == floor or too_many_counts(problem, peak):
            return counts, peak == floor
        try:
            found = deal_below(loads, *sizes, problem.distinct, peak, *form, steps)
        except GivenUp:
            return counts, False
        if found is None:
            return counts, True
        counts = np.zeros_like(counts)
        for device, experts in enumerate(found):
            np.add.at(counts[:, device], experts, 1)
    return counts, False
