"""The best lower bound on the peak that a certificate can carry; see equipoise.certificates.check.replication.

The weights of "dual" come from an engine: whatever they are, the check decides what they prove.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.replication import Weights, is_lower_bound
from equipoise.certificates.kinds.replication import stated
from equipoise.problems import ReplicationProblem

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bound:
    """A lower bound, the argument that proves it, and its weights: of devices, slots, experts and all copies."""

    value: int
    argument: str
    weights: Integers


def best_bound(problem: ReplicationProblem, reached: int, weights: Integers | None = None) -> Bound:
    """Return the largest bound that an argument proves, with these weights or none; at most the peak ``reached``."""
    uniform = np.zeros(2 * problem.num_devices + problem.num_experts + 1, np.int64)
    uniform[: problem.num_devices] = 1
    best = Bound(problem.mean, "dual", uniform)
    for argument, given in (("partition", np.zeros_like(uniform)), ("dual", weights)):
        if given is not None and best.value < reached:
            value = _last(partial(proves, problem, argument, given), best.value, reached)
            best = Bound(value, argument, given) if value > best.value else best
    return best


def proves(problem: ReplicationProblem, argument: str, weights: Integers, bound: int) -> bool:
    """Whether the check takes this for a bound."""
    return is_lower_bound(stated(problem), bound, argument, Weights(*parted(problem, weights)))


def parted(problem: ReplicationProblem, weights: Integers) -> tuple[list[int], list[int], list[int], int]:
    """Return the weights of devices, of slots, of experts and of all copies."""
    devices = problem.num_devices
    listed = weights.tolist()
    return listed[:devices], listed[devices : 2 * devices], listed[2 * devices : -1], listed[-1]


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest number in ``[low, high]`` for which a falling condition holds; ``low`` where none does."""
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
