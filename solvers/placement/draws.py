"""Replica counts to try for an even placement with a given peak, drawn at random, many of them for whole tokens."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import PlacementProblem

Integers = npt.NDArray[np.int64]

NOISE = 1.0
"""Standard deviation of the logarithm of what loads are multiplied with to spread replicas."""


class Draws:
    """Counts for placements of ``problem`` with a peak of at most ``aim``.

    Attributes
    ----------
    least
        ``[E]``: as many replicas as make none too heavy.
    spare
        Slots beyond these; negative where there is no such placement.
    """

    def __init__(self, problem: PlacementProblem, aim: Fraction, random: np.random.Generator) -> None:
        self._loads, self._aim, self._random, self._most = problem.load, aim, random, problem.most_replicas
        least = [max(1, -(-w * aim.denominator // aim.numerator)) for w in problem.load.tolist()]
        self.spare = problem.num_slots - sum(least) if max(least) <= self._most else -1
        self.least = np.array(least if self.spare >= 0 else [], np.int64)

    def spread(self, first: bool) -> Integers:
        """Give spare slots one by one to the heaviest replica; some slots, and with noise, unless it is the first."""
        counts, loads, slots = self.least.copy(), self._loads.astype(float), self.spare
        if not first:
            slots = int(self._random.integers(0, self.spare + 1))
            loads *= np.exp(NOISE * self._random.standard_normal(len(loads)))
        for _ in range(slots):
            if counts.min() < self._most:
                counts[int(np.where(counts < self._most, loads / counts, -1.0).argmax())] += 1
        return counts

    def whole(self) -> tuple[Integers, list[list[int]]]:
        """Draw counts that divide the loads, alone or in pairs, and these pairs; some experts may find none.

        A pair has as many replicas of each and goes to the same devices. What is left of the spare slots splits others.
        """
        counts, spare, pairs, single = self.least.copy(), self.spare, [], np.ones(len(self._loads), bool)
        broken = np.flatnonzero(self._loads % counts)
        for expert in broken[np.argsort(-self._loads[broken], kind="stable")].tolist():
            options = self._options(expert, counts, spare, single) if single[expert] else []
            if not options:
                continue
            chance = np.array([1 / (1 + cost) for cost, _, _ in options])
            cost, replicas, members = options[int(self._random.choice(len(options), p=chance / chance.sum()))]
            spare -= cost
            counts[members], single[members] = replicas, False
            if len(members) > 1:
                pairs.append(members)
        slots = int(self._random.integers(0, spare + 1))
        for expert in self._random.permutation(np.flatnonzero(single & (counts == 1))).tolist():
            replicas = self._divisor(int(self._loads[expert]), min(self._most, slots + 1))
            counts[expert], slots = replicas, slots - replicas + 1
        return counts, pairs

    def _options(
        self, expert: int, counts: Integers, spare: int, single: npt.NDArray[np.bool_]
    ) -> list[tuple[int, int, list[int]]]:
        """Numbers of replicas that divide the expert's load alone or with another's: slots, replicas, experts."""
        load, now, options = int(self._loads[expert]), int(counts[expert]), []
        for replicas in range(now, min(self._most, now + spare) + 1):
            if load % replicas == 0:
                options.append((replicas - now, replicas, [expert]))
                continue
            together, more = self._loads + load, replicas - counts
            fits = single & (more >= 0) & (more <= spare + now - replicas) & (together % replicas == 0)
            fits &= together <= int(replicas * self._aim)
            fits[expert] = False
            if len(others := np.flatnonzero(fits)):
                other = int(self._random.choice(others))
                options.append((replicas - now + int(more[other]), replicas, [expert, other]))
        return options

    @staticmethod
    def _divisor(load: int, most: int) -> int:
        """Return the least number from 2 to ``most`` that divides ``load``, or 1."""
        return next((number for number in range(2, most + 1) if load % number == 0), 1)
