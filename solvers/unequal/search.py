r"""Placement on devices that are not alike: a search over placements, each scheduled exactly, and a proved bound.

Device g has its own speed and its own number of slots; tokens are scheduled freely. What is minimised is the time of
the slowest device,

.. math:: \min_{\text{hosts}} \; \min_x \max_g \sum_e x_{eg} / v_g

The search starts from a greedy (heaviest expert first, to the device that then has the least load for its speed), and
as long as that helps gives an expert that lives on devices of the bottleneck set alone one outside, in an empty slot or
in exchange. The bound is the certified optimum with every expert everywhere: the same problem without limits of slots.
Source: GEM (arXiv 2605.19945) places by measured speeds; the statement is our definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems import SchedulingProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

EVALUATIONS = 500
"""Placements that are scheduled, at most."""


@dataclass(frozen=True, eq=False)
class UnequalPlacement:
    """A placement on unequal devices.

    Attributes
    ----------
    hosts
        ``[E, G]`` booleans: which device holds which expert.
    schedule
        The certified best schedule on it; its objective is the time of the slowest device.
    bound
        The certified solution whose objective no placement beats.
    """

    hosts: Booleans
    schedule: Solution
    bound: Solution

    @property
    def optimal(self) -> bool:
        """Whether the schedule meets the bound, so that no placement is better."""
        return self.schedule.objective == self.bound.objective


def place_unequal(load: npt.ArrayLike, slots: npt.ArrayLike, speed: npt.ArrayLike) -> UnequalPlacement:
    """Place experts on devices of unequal speed or room so that the slowest is done early; bounded, see the module.

    Parameters
    ----------
    load
        Array-like, shape (E,): tokens per expert.
    slots
        Array-like, shape (G,): experts that each device can hold.
    speed
        Array-like, shape (G,): relative speeds, positive whole numbers.

    Raises
    ------
    InvalidProblem
        Naming the argument; also if the slots do not hold all experts.
    """
    tokens = whole_numbers(load, "load", (None,), 0, 2**44)
    room = whole_numbers(slots, "slots", (None,), 0, 2**31)
    rates = whole_numbers(speed, "speed", (len(room),), 1, 2**31)
    if not len(tokens) or int(room.sum()) < len(tokens):
        raise InvalidProblem("slots", f"{int(room.sum())} in all", f"one or more for each of {len(tokens)} experts")
    everywhere = np.ones((len(tokens), len(room)), bool)
    bound = _scheduled(tokens, everywhere, rates)
    hosts = _greedy(tokens, room, rates)
    best, tried = _scheduled(tokens, hosts, rates), 1
    improved = True
    while improved and tried < EVALUATIONS and best.objective != bound.objective:
        improved = False
        for after in _moves(tokens, hosts, room, best):
            found, tried = _scheduled(tokens, after, rates), tried + 1
            if _time(found) < _time(best):
                hosts, best, improved = after, found, True
            if improved or tried >= EVALUATIONS:
                break
    return UnequalPlacement(frozen(hosts), best, bound)


def _scheduled(load: Integers, hosts: Booleans, speed: Integers) -> Solution:
    return solve(SchedulingProblem(load, hosts, speed=speed, fractional=True))


def _time(solution: Solution) -> Fraction:
    if solution.objective is None:
        raise AssertionError("every expert has a host")
    return solution.objective


def _greedy(load: Integers, room: Integers, speed: Integers) -> Booleans:
    """Return hosts: every expert once, heaviest first, then the slots that are left to the largest load a replica."""
    hosts = np.zeros((len(load), len(room)), bool)
    held = np.zeros(len(room))

    def give(expert: int, share: float) -> bool:
        free = (hosts.sum(axis=0) < room) & ~hosts[expert]
        if not free.any():
            return False
        device = int(np.where(free, (held + share) / speed, np.inf).argmin())
        hosts[expert, device] = True
        held[device] += share
        return True

    for expert in np.argsort(-load, kind="stable").tolist():
        give(expert, float(load[expert]))
    open_ones = np.ones(len(load), bool)
    for _ in range(int(room.sum()) - len(load)):
        share = np.where(open_ones, load / hosts.sum(axis=1), -1.0)
        expert = int(share.argmax())
        if share[expert] <= 0:
            break
        open_ones[expert] = give(expert, float(load[expert]) / (1 + int(hosts[expert].sum())))
    return hosts


def _moves(load: Integers, hosts: Booleans, room: Integers, best: Solution) -> Iterator[Booleans]:
    """Yield placements in which an expert that only the bottleneck's devices hold gets a device outside."""
    proof: Any = best.proof
    stuck = np.asarray(proof.devices, bool)
    inside = np.flatnonzero((load > 0) & ~hosts[:, ~stuck].any(axis=1))
    for expert in inside[np.argsort(-load[inside], kind="stable")].tolist():
        for device in np.flatnonzero(~stuck).tolist():
            after = hosts.copy()
            after[expert, device] = True
            if hosts[:, device].sum() < room[device]:
                yield after
                continue
            for other in np.flatnonzero(hosts[:, device]).tolist():
                left = after.copy()
                left[other, device] = False
                if left[other].any():
                    yield left
                for home in np.flatnonzero(hosts[expert] & ~hosts[other]).tolist():
                    swapped = left.copy()
                    swapped[expert, home], swapped[other, home] = False, True
                    yield swapped
