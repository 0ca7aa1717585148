"""`move-search`: steps from the current placement, and from the best one there is where that is near enough.

Even split: exchanges with the fullest device, or a replica more for one of its experts, whichever lowers the peak most,
as :mod:`equipoise.solvers.placement.swaps`, but only where the moves from the current placement stay within the limit.
Free split: the random steps of :mod:`equipoise.solvers.placement.descent` within the limit. How good it is, the bound
tells.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import MigrationProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.migration.relabel import relabel
from equipoise.solvers.migration.steps import stepped
from equipoise.solvers.migration.weights import best_weights
from equipoise.solvers.placement import search
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.placement.certify import peak_of_counts, slots_of
from equipoise.solvers.placement.descent import descended

Integers = npt.NDArray[np.int64]

FAR = 4
"""A placement made from scratch is looked for where more than one in so many slots may move."""

EVALUATIONS = 2_000
"""Placements with a free split that are tried within one limit, at most."""


def solve(problem: MigrationProblem, time_limit: float | None) -> Claim:
    """Return the best placement found; at worst the current one."""
    del time_limit
    counts = best_counts(problem)
    peak = _peak(problem, counts)
    return Claim("feasible", peak, counts, best_weights(problem, peak), "the steps ended")


def best_counts(problem: MigrationProblem) -> Integers:
    """Return ``[E, G]`` counts of the best placement found within the limit of moves."""
    placement, floor = problem.placement, best_bound(problem.placement).value
    found = _steps(problem, floor)
    if problem.most_moves > placement.num_slots // FAR and _peak(problem, found) > floor:
        answer = search.solve(placement, None).answer
        assert answer is not None, "the search starts from a placement"
        nearest = relabel(slots_of(placement, answer), problem.current, placement.num_devices, placement.num_nodes)
        anew = placement.counts(nearest.physical_to_logical)
        if nearest.moved <= problem.most_moves and _peak(problem, anew) < _peak(problem, found):
            found = anew
    return found


def _steps(problem: MigrationProblem, floor: Fraction) -> Integers:
    """Return the better of the steps within the limit at once, and within ever larger limits one after the other."""
    limits, start = {0, *(1 << k for k in range(problem.most_moves.bit_length())), problem.most_moves}, problem.counts
    for most in sorted(limits):
        start = _stepped(problem.with_moves(most), start, floor)
    return min(start, _stepped(problem, problem.counts, floor), key=lambda counts: _peak(problem, counts))


def _stepped(problem: MigrationProblem, start: Integers, floor: Fraction) -> Integers:
    if problem.split == "even":
        return stepped(problem, start, floor)
    return descended(
        problem.placement,
        start,
        floor,
        evaluations=EVALUATIONS,
        allowed=lambda hosts: problem.moves(hosts.astype(np.int64)) <= problem.most_moves,
    )


def _peak(problem: MigrationProblem, counts: Integers) -> Fraction:
    peak = peak_of_counts(problem.placement, counts)
    assert peak is not None, "steps keep placements feasible"
    return peak
