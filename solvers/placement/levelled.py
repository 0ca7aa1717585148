"""Even split at scale: draw how many replicas each expert has, then fill the devices to a given peak exactly.

With some slots on a device there are so many ways to fill it that nearly every peak can be met, even the mean; the
search of :mod:`equipoise.solvers.placement.fill` finds a way in milliseconds, or none for these replicas. So many
numbers of replicas are drawn, and each is tried at one peak: at the bound, or on the way to it.

Where devices have many slots, the heavy experts are dealt to the emptiest devices first, and only the light ones are
searched. Everything is drawn from one seed, and steps are counted, not seconds: the answer is the same everywhere.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import PlacementProblem
from equipoise.solvers.placement.certify import slots_of
from equipoise.solvers.placement.draws import Draws

Integers = npt.NDArray[np.int64]

ROUNDS = 4_000
"""Draws for a node, at most."""

ROUNDS_FOR_ONE = 320_000
"""The same times the number of experts."""

STEPS = 30_000
"""Of one search."""

ALL_STEPS = 60_000_000
"""Of all searches on a node."""

AIMS = (Fraction(1, 2), Fraction(7, 8), Fraction(0))
"""How much of the distance between the bound and the best peak a search may leave."""

MANY = 10
"""Slots of a device from which on the heavy experts are always dealt first; below, every other time."""

SEARCHED = (3, 6)
"""Fewest and most replicas for each device that are searched, where the heavier ones are dealt."""

LARGEST = 2**61
"""Of all weights together: where replicas cannot be counted exactly in that, they are rounded up."""


def levelled(problem: PlacementProblem, start: Integers, floor: Fraction, deadline: float | None = None) -> Integers:
    """Return ``[E, G]`` counts at least as good as ``start``; stops at ``floor``, a bound that no placement beats.

    At ``deadline``, of ``time.monotonic``, it returns the best so far. Groups stay on the nodes that they are on.
    """
    counts, own = start.copy(), problem.num_devices // problem.num_nodes
    parts = []
    for first in range(0, problem.num_devices, own):
        held = start[:, first : first + own]
        members = np.flatnonzero(held.any(axis=1))
        node = PlacementProblem(problem.load[members], own * problem.slots_per_device, own, distinct=problem.distinct)
        parts.append((node.even_peak(slots_of(node, held[members])), first, members, node))
    for peak, first, members, node in sorted(parts, key=lambda part: -part[0]):
        if peak > floor:
            level = _Level(node, counts[members, first : first + own], peak)
            level.descend(max(floor, Fraction(sum(node.load.tolist()), own)), deadline)
            counts[members, first : first + own] = level.best
            floor = max(floor, level.peak)
    return counts


@dataclass
class _Level:
    """The best placement so far of one node, and its peak."""

    problem: PlacementProblem
    best: Integers
    peak: Fraction

    def descend(self, floor: Fraction, deadline: float | None) -> None:
        """Draw and search until the peak is ``floor``."""
        random, steps = np.random.default_rng(0), ALL_STEPS
        for attempt in range(min(ROUNDS, ROUNDS_FOR_ONE // self.problem.num_experts)):
            gap = self.peak - floor
            if gap <= 0 or steps <= 0 or (deadline is not None and time.monotonic() >= deadline):
                break
            number, whole = divmod(attempt, 2)
            aim = floor + AIMS[-1 if whole and gap <= 1 else number % len(AIMS)] * gap
            if whole and math.ceil(aim) < self.peak:
                aim = Fraction(math.ceil(aim))
            draws = Draws(self.problem, aim, random)
            if draws.spare >= 0:
                replicas, pairs = draws.whole() if whole else (draws.spread(attempt == 0), [])
                steps -= self._search(replicas, pairs, aim, random)

    def _search(self, replicas: Integers, pairs: list[list[int]], aim: Fraction, random: np.random.Generator) -> int:
        """Search for a placement with ``replicas`` and a peak of at most ``aim``; return the steps that it took."""
        problem, width = self.problem, self.problem.slots_per_device
        loads, total = problem.load.tolist(), sum(problem.load.tolist())
        unit = math.lcm(*set(replicas.tolist()))
        exact = unit * total <= LARGEST
        unit = unit if exact else max(1, LARGEST // (2 * total))
        weight = np.array([-(-w * unit // r) for w, r in zip(loads, replicas.tolist(), strict=True)], np.int64)
        room = np.full(problem.num_devices, int(aim * unit), np.int64)
        slots = np.full(problem.num_devices, width, np.int64)
        dealt: Integers | None = np.zeros_like(self.best)
        fewest, most = SEARCHED[0], min(width, SEARCHED[1] + 1)
        if fewest < most and (width >= MANY or random.random() < 0.5):
            few = int(random.integers(fewest, most)) * problem.num_devices
            dealt = _heavy_first(weight, replicas, pairs, few, room, slots, random)
        if dealt is None:
            return 0
        from equipoise.solvers.placement.fill import filled  # numba is loaded where it is needed

        left = np.where(dealt.any(axis=1), 0, replicas)
        found, steps = filled(weight, left, room, slots, unit if exact else 1, problem.distinct, STEPS)
        if found is not None:
            peak = problem.even_peak(slots_of(problem, dealt + found))
            if peak < self.peak:
                self.best, self.peak = dealt + found, peak
        return steps


def _heavy_first(
    weight: Integers,
    replicas: Integers,
    pairs: list[list[int]],
    few: int,
    room: Integers,
    slots: Integers,
    random: np.random.Generator,
) -> Integers | None:
    """Deal experts and pairs, about the heaviest first, to the emptiest devices until ``few`` replicas are left.

    Takes from ``room`` and ``slots``, ``[G]``; None where an expert finds no device.
    """
    from equipoise.solvers.placement.fill import deal_heavy  # numba is loaded where it is needed

    dealt, other = np.zeros((len(weight), len(room)), np.int64), np.full(len(weight), -1, np.int64)
    second = np.zeros(len(weight), bool)
    for one, two in pairs:
        other[one], second[two] = two, True
    units = np.flatnonzero(~second)
    heavy = weight + np.where(other >= 0, weight[other], 0)
    order = units[np.argsort(-heavy[units] * (1 + 0.05 * random.standard_normal(len(units))), kind="stable")]
    return dealt if deal_heavy(order, heavy, other, replicas, few, room, slots, dealt) else None
