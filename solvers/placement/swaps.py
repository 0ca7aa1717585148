"""Even split at scale: exchange replicas with the fullest device, or give it one more replica, while that helps."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import PlacementProblem

Integers = npt.NDArray[np.int64]

ROUNDS = 2_000


def swapped(
    problem: PlacementProblem, start: Integers, deadline: float | None = None, enough: Fraction | int = 0
) -> Integers:
    """Return ``[E, G]`` counts that no exchange of one slot with the fullest device improves (or after ROUNDS).

    At ``deadline``, of ``time.monotonic``, or at a peak of ``enough`` it returns the best so far.
    """
    counts = start.copy()
    for _ in range(ROUNDS):
        late = deadline is not None and time.monotonic() >= deadline
        if late or _loads(problem, counts)[1].max() <= float(enough):
            break
        better = _exchange(problem, counts)
        if better is None:
            better = _recount(problem, counts)
        if better is None:
            return counts
        counts = better
    return counts


def _loads(problem: PlacementProblem, counts: Integers) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Load of one replica of each expert, and of each device."""
    share = problem.load / counts.sum(axis=1)
    return share, share @ counts


def _exchange(problem: PlacementProblem, counts: Integers) -> Integers | None:
    """Swap a replica of the fullest device for a lighter one, or an empty slot, so that both end below it."""
    share, held = _loads(problem, counts)
    full = int(held.argmax())
    best, found = held[full] * (1 - 1e-12), None
    for expert in np.flatnonzero(counts[:, full]).tolist():
        for device in range(problem.num_devices):
            apart = problem.node_of(device) != problem.node_of(full)
            if device == full or apart or (problem.distinct and counts[expert, device]):
                continue
            others = np.flatnonzero((counts[:, device] > 0) & ~(problem.distinct & (counts[:, full] > 0)))
            weights = share[others]
            if counts[:, device].sum() < problem.slots_per_device:
                others, weights = np.append(others, -1), np.append(weights, 0.0)
            delta = share[expert] - weights
            worse = np.maximum(held[full] - delta, held[device] + delta)
            if len(worse) and worse.min() < best:
                best, found = float(worse.min()), (expert, device, int(others[worse.argmin()]))
    if found is None:
        return None
    expert, device, other = found
    after = counts.copy()
    after[expert, full] -= 1
    after[expert, device] += 1
    if other >= 0:
        after[other, device] -= 1
        after[other, full] += 1
    return after


def _recount(problem: PlacementProblem, counts: Integers) -> Integers | None:
    """Give an expert of the fullest device one more replica: in an empty slot, or in place of a spare replica."""
    _, held = _loads(problem, counts)
    full = int(held.argmax())
    best, found = held[full] * (1 - 1e-12), None
    total, used = counts.sum(axis=1), counts.sum(axis=0)
    for expert in np.flatnonzero(counts[:, full]):
        for device in range(problem.num_devices):
            if problem.node_of(device) != problem.node_of(full) or (problem.distinct and counts[expert, device]):
                continue
            spare = np.flatnonzero((counts[:, device] > 0) & (total > 1) & (np.arange(len(counts)) != expert)).tolist()
            for other in [-1] if used[device] < problem.slots_per_device else spare:
                after = counts.copy()
                after[expert, device] += 1
                if other >= 0:
                    after[other, device] -= 1
                peak = float(_loads(problem, after)[1].max())
                if peak < best:
                    best, found = peak, after
    return found
