"""Weights for the argument "weights": multipliers of loads, slots and moves, by cutting planes.

At a bound B, the multipliers that the check looks for maximise what the experts pay less what they may pay. What an
expert pays is the least over its patterns (how many replicas, where); a linear program (GLOP) knows some patterns of
each, and the cheapest at its multipliers are added until a proof is found or there can be none (Kelley 1960). Floats
only guide: weights are rounded to integers, and the check decides what they prove.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.problems import MigrationProblem
from equipoise.solvers.by_mathopt import Rows, run
from equipoise.solvers.migration.bounds import STEPS, best_bound, largest
from equipoise.solvers.migration.patterns import Patterns

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

ROUNDS = 25
"""Linear programs for one bound."""

SCALES = (1, 2, 3, 4, 6, 12, 60, 1 << 20, 1 << 30)
"""Units of the weights: exact multipliers are often small fractions."""


HALVINGS = 6
"""Of the distance between a proved bound and the peak reached, for which multipliers are looked for."""


def best_weights(problem: MigrationProblem, reached: Fraction) -> Integers | None:
    """Return the weights ``[2 G + 1]`` that prove the largest bound up to ``reached``; None if none beats the rest."""
    best, found = best_bound(problem, reached).value, None
    if best >= reached or problem.most_moves >= problem.placement.num_slots:
        return None
    multipliers = Multipliers(problem)
    low, high = int(best / reached * STEPS), STEPS
    for halving in range(HALVINGS + 1):
        middle = (low + high + 1) // 2 if halving else STEPS
        multipliers.improve(reached * middle / STEPS)
        for weights in multipliers.rounded():
            value = largest(problem, weights, best, reached)
            if value > best:
                best, found = value, weights
        if best >= reached:
            break
        low, high = max(low, int(best / reached * STEPS)), high if best >= reached * middle / STEPS else middle
        if high - low <= 1:
            break
    return found


class Multipliers:
    """Multipliers ``[2 G + 1]`` of loads, slots and moves; those of loads add up to 1, loads count in means."""

    def __init__(self, problem: MigrationProblem) -> None:
        placement = problem.placement
        self._devices = placement.num_devices
        self._mean = max(1e-9, float(placement.load.sum()) / self._devices)
        self._patterns = Patterns(problem, self._mean)
        self._limit = np.full(2 * self._devices + 1, float(placement.slots_per_device))
        self._limit[-1] = problem.most_moves
        self._most = 2 * float(placement.load.max()) / self._mean
        self.values = np.zeros(2 * self._devices + 1)
        self.values[: self._devices] = 1 / self._devices

    def improve(self, bound: Fraction) -> None:
        """Look for multipliers that prove ``bound``; keep the best that were met."""
        top = float(bound) / self._mean
        self._limit[: self._devices] = top
        stay = self._patterns.staying(top)
        pool, owners = [stay[kept := np.isfinite(stay[:, 0])]], [np.flatnonzero(kept)]
        best, value, asked = self.values, -np.inf, self.values
        for _ in range(ROUNDS):
            for point in (asked, (asked + best) / 2):
                cost, used = self._patterns.cheapest(point, top)
                found = cost - float(point @ self._limit)
                pool.append(used)
                owners.append(np.arange(len(used)))
                if found > value:
                    best, value = point, found
            if value > 1e-7:
                break
            reachable, asked = self._master(np.concatenate(pool), np.concatenate(owners))
            if reachable < -1e-9 or reachable - value < 1e-9:
                break
        self.values = best

    def rounded(self) -> Iterator[Integers]:
        """Yield the multipliers in integers of several units."""
        for scale in SCALES:
            weights = self.values * scale * self._devices
            weights[self._devices :] *= self._mean
            if weights.max() < 2**60:
                whole = np.rint(weights).astype(np.int64)
                if whole[: self._devices].any():
                    yield whole

    def _master(self, pool: Reals, owner: Integers) -> tuple[float, Reals]:
        """Return the most that the known patterns allow, and the multipliers there."""
        keys = np.unique(np.concatenate([owner[:, None], np.round(pool, 9)], axis=1), axis=0)
        owner, pool = keys[:, 0].astype(np.int64), keys[:, 1:]
        size, experts = pool.shape[1], int(owner.max()) + 1
        model, rows = model_pb2.ModelProto(), Rows()
        model.variables.ids.extend(range(size + experts))
        model.variables.lower_bounds.extend([0.0] * size + [-np.inf] * experts)
        model.variables.upper_bounds.extend(
            [1.0] * self._devices + [self._most] * (self._devices + 1) + [np.inf] * experts
        )
        model.variables.integers.extend([False] * (size + experts))
        model.objective.maximize = True
        model.objective.linear_coefficients.ids.extend(range(size + experts))
        model.objective.linear_coefficients.values.extend([*(-self._limit).tolist(), *[1.0] * experts])
        each = np.arange(len(pool))
        row, column = np.nonzero(pool)
        rows.add(
            np.concatenate([row, each]),
            np.concatenate([column, size + owner]),
            np.concatenate([-pool[row, column], np.ones(len(pool))]),
            np.full(len(pool), -np.inf),
            np.zeros(len(pool)),
        )
        rows.add(
            np.zeros(self._devices, np.int64), np.arange(self._devices), np.ones(self._devices), np.ones(1), np.ones(1)
        )
        rows.write(model)
        built = mathopt.Model.from_model_proto(model)
        result, _, _ = run(built, "GLOP", None)
        if not result.has_primal_feasible_solution():
            return -np.inf, self.values
        return float(result.objective_value()), np.array(result.variable_values(list(built.variables())))[:size]
