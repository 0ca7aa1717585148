"""`copy-search`: a greedy that makes the largest move first, at ever lower peaks; for large sizes.

At a limit, the fullest device hands tokens of one of its experts to a device with room, as many at once as it can,
until none is above the limit; a copy for each: the idea of UltraEP's planner (arXiv 2606.04101) without its thresholds.
Where that fails, it fills the emptiest device up to the limit instead and may itself end with room: that of MoonEP's.
The lowest limit at which either ends is found by bisection; how good it is, the bound tells.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import ReplicationProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.replication.certify import split_over
from equipoise.solvers.replication.relaxation import best_weights

Booleans = npt.NDArray[np.bool_]


def solve(problem: ReplicationProblem, time_limit: float | None) -> Claim:
    """Return the best copies found; at worst none."""
    del time_limit
    copies = best_copies(problem)
    split = split_over(problem, copies)
    assert split is not None, "every move is of at least the floor"
    reached = int(split.sum(axis=0).max())
    return Claim("feasible", Fraction(reached), copies, best_weights(problem, reached), "bisection ended")


def best_copies(problem: ReplicationProblem) -> Booleans:
    """Return ``[E, G]``: the copies at the lowest limit at which the greedy ends."""
    low, high = problem.mean, int(problem.home_load.max())
    best = np.zeros(problem.domain.shape, bool)
    while low < high:
        limit = (low + high) // 2
        found = copies_at(problem, limit)
        found = copies_at(problem, limit, filling=True) if found is None else found
        if found is None:
            low = limit + 1
        else:
            best, high = found, limit
    return best


def copies_at(problem: ReplicationProblem, limit: int, *, filling: bool = False) -> Booleans | None:
    """Return copies with which no device serves more than ``limit`` tokens; None if the greedy finds none.

    ``filling``: the emptiest device that can take something is filled, whatever is left on the fullest.
    """
    experts, devices = problem.num_experts, problem.num_devices
    left, held = problem.load.copy(), problem.home_load
    free, copies = problem.slots.copy(), np.zeros((experts, devices), bool)
    of_expert, in_all = np.full(experts, problem.copies_per_expert), problem.most_copies
    least = max(1, problem.floor)
    while held.max(initial=0) > limit:
        source = int(held.argmax())
        mine = np.flatnonzero((problem.home == source) & (left > 0) & (of_expert > 0))
        places = problem.domain[mine] & ~copies[mine] & (free > 0)
        room = np.maximum(0, limit - held)
        if filling and len(mine):
            room = np.where(np.arange(devices) == np.where(places.any(axis=0), room, -1).argmax(), room, 0)
        most_left = left[mine] if filling else np.minimum(left[mine], held[source] - limit)
        moves = np.where(places, np.minimum(most_left[:, None], room), 0)
        if not moves.size or not in_all or (most := int(moves.max())) < least:
            return None
        candidates = np.argwhere(moves == most)
        tight = np.lexsort((room[candidates[:, 1]], left[mine[candidates[:, 0]]]))[0]  # keep large rooms and experts
        expert, device = int(mine[candidates[tight, 0]]), int(candidates[tight, 1])
        copies[expert, device] = True
        left[expert] -= most
        held[source] -= most
        held[device] += most
        free[device] -= 1
        of_expert[expert] -= 1
        in_all -= 1
    return copies
