r"""A budget of slots over layers: which layers replication helps most, by dynamic programming over their peaks.

Layers run one after the other, so the sum of their peaks is what counts. With p_l(k) the lowest peak of layer l on k
slots a device,

.. math:: V_l(b) = \min_{k \le b} \bigl( V_{l-1}(b - k) + p_l(k) \bigr)

is exact where every p_l(k) is. Where a placement is only bounded, the program runs twice: on the peaks found it gives
the answer, on the proved bounds a proved bound on every answer.

Source: what CRAFT (arXiv 2603.28768) does with estimates of the gain; the statement is our definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.arrays import whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems import PlacementProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve

Peaks = list[dict[int, Fraction]]
"""Of every layer, by the number of slots a device."""


@dataclass(frozen=True, eq=False)
class LayerBudget:
    """How many slots every layer gets.

    Attributes
    ----------
    slots
        ``[L]``: slots of each layer, in all its devices.
    objective, lower
        Sum of the layers' peaks, and a proved bound on it: no division of the budget has less.
    placements
        A solution for each layer, with that many slots.
    """

    slots: npt.NDArray[np.int64]
    objective: Fraction
    lower: Fraction
    placements: tuple[Solution, ...]


def layer_budget(
    loads: npt.ArrayLike,
    num_devices: int,
    num_slots: int,
    split: str = "even",
    solver: str | None = None,
    time_limit: float | None = None,
) -> LayerBudget:
    """Divide ``num_slots`` among layers so that the sum of their peaks is as low as can be.

    Parameters
    ----------
    loads
        Array-like, shape (L, E): tokens per expert of each layer.
    num_devices
        G; every layer has equally many slots on all devices, and at least one slot for each expert.
    num_slots
        Of all layers together, a multiple of G.
    split
        "even" or "free", as in :class:`equipoise.PlacementProblem`.
    solver, time_limit
        As for :func:`equipoise.solve`, each time.

    Raises
    ------
    InvalidProblem
        If the slots do not hold all experts of all layers, or are no multiple of the devices.
    """
    table = whole_numbers(loads, "loads", (None, None), 0, 2**50)
    if not table.size:
        raise InvalidProblem("loads", f"of shape {table.shape}", "at least one layer and one expert")
    layers, experts = table.shape
    if num_devices < 1 or num_slots % num_devices:
        raise InvalidProblem("num_slots", str(num_slots), f"a multiple of the devices ({num_devices})")
    least, budget = -(-experts // num_devices), num_slots // num_devices
    spare = budget - layers * least
    if spare < 0:
        needed = layers * least * num_devices
        raise InvalidProblem("num_slots", str(num_slots), f"{needed} or more: a slot for every expert of every layer")
    solved: list[dict[int, Solution]] = []
    for load in table:
        choices = range(least, least + min(spare, experts - 1) + 1)
        solved.append(
            {
                k: solve(
                    PlacementProblem(load, k * num_devices, num_devices, split, distinct=False), solver, time_limit
                )
                for k in choices
            }
        )
    found: Peaks = [{k: _known(one.objective) for k, one in layer.items()} for layer in solved]
    bounds: Peaks = [{k: _known(one.lower) for k, one in layer.items()} for layer in solved]
    chosen, objective = divided(found, budget)
    return LayerBudget(
        np.array(chosen, np.int64) * num_devices,
        objective,
        divided(bounds, budget)[1],
        tuple(layer[k] for layer, k in zip(solved, chosen, strict=True)),
    )


def divided(peaks: Peaks, budget: int) -> tuple[list[int], Fraction]:
    """Return the numbers that add up to at most ``budget`` with the least sum of peaks, and that sum."""
    value: dict[int, tuple[Fraction, list[int]]] = {0: (Fraction(0), [])}
    for layer in peaks:
        following: dict[int, tuple[Fraction, list[int]]] = {}
        for used, (cost, chosen) in value.items():
            for k, peak in layer.items():
                if used + k <= budget and (used + k not in following or cost + peak < following[used + k][0]):
                    following[used + k] = (cost + peak, [*chosen, k])
        value = following
    cost, chosen = min(value.values(), key=lambda one: one[0])
    return chosen, cost


def _known(number: Fraction | None) -> Fraction:
    if number is None:
        raise AssertionError("every placement has an answer and a bound")
    return number
