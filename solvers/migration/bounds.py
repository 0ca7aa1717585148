"""The best lower bound on a placement within a budget of moves that a certificate can carry.

The weights come from an engine: whatever they are, the check decides what they prove.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.migration import is_lower_bound
from equipoise.certificates.check.moves import Weights
from equipoise.certificates.kinds.migration import stated
from equipoise.problems import MigrationProblem
from equipoise.solvers.placement import bounds

Integers = npt.NDArray[np.int64]

STEPS = 1 << 12
"""Parts of the peak reached, at which bounds are looked for."""


@dataclass(frozen=True)
class Bound:
    """A lower bound, the argument that proves it, and its weights: of devices, slots and moves."""

    value: Fraction
    argument: str
    weights: Integers


def best_bound(problem: MigrationProblem, reached: Fraction, weights: Integers | None = None) -> Bound:
    """Return the largest bound that an argument proves, with these weights or none; at most the peak ``reached``."""
    plain = bounds.best_bound(problem.placement, reached)
    nothing = np.zeros(2 * problem.placement.num_devices + 1, np.int64)
    best = Bound(min(plain.value, reached), plain.argument, nothing)
    counted = min(counting(problem), reached)
    if counted > best.value:
        best = Bound(counted, "count", nothing)
    if weights is not None and best.value < reached:
        value = largest(problem, weights, best.value, reached)
        best = Bound(value, "weights", weights) if value > best.value else best
    return best


def counting(problem: MigrationProblem) -> Fraction:
    """Return the largest bound of "count": what is left on devices, each time one expert more has left, in order.

    Every such value of at least B is a move that B needs, so the bound is the one after the M largest.
    """
    held, load = problem.held, problem.placement.load
    left: list[int] = []
    for device in range(problem.placement.num_devices):
        alone = np.sort(load[held[:, device] & (held.sum(axis=1) == 1)])[::-1]
        left += (int(alone.sum()) - np.concatenate([[0], np.cumsum(alone)[:-1]])).tolist() if len(alone) else []
    left.sort(reverse=True)
    return Fraction(left[problem.most_moves] if problem.most_moves < len(left) else 0)


def largest(problem: MigrationProblem, weights: Integers, known: Fraction, reached: Fraction) -> Fraction:
    """Return the largest bound that the weights prove, ``reached`` or a part of it; ``known`` if none is larger."""
    if proves(problem, weights, reached):
        return reached
    low, high = int(known / reached * STEPS), STEPS
    while high - low > 1:
        middle = (low + high) // 2
        if proves(problem, weights, reached * middle / STEPS):
            low = middle
        else:
            high = middle
    found = reached * low / STEPS
    return found if found > known else known


def proves(problem: MigrationProblem, weights: Integers, bound: Fraction) -> bool:
    """Whether the check takes these weights for a proof of ``bound``."""
    device, slot, move = np.split(weights, np.cumsum([problem.placement.num_devices] * 2))
    return is_lower_bound(stated(problem), bound, "weights", Weights(device.tolist(), slot.tolist(), int(move[0])))
