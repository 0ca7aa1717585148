"""How good a placement is: the load of its fullest device against a proved bound."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import currently_in_test_context
from hypothesis import target as steer

from equipoise.checks.cases import PlacerCase
from equipoise.checks.failure import Failure
from equipoise.checks.placer import families
from equipoise.checks.placer.view import Placed, dealt, layer_problem, number, peak_of, peaks, place, settled
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject
from equipoise.problems import PlacementProblem
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.solve import solve

TWICE = 1.0
"""Peak beyond the bound that a greedy packing keeps, relative: mean plus heaviest replica is at most twice either."""


def hold_to_bound(
    subject: Subject, case: PlacerCase, placed: Placed, load: npt.NDArray[Any], allowed: float = TWICE
) -> None:
    """Fail if a layer's peak is more than ``1 + allowed`` times what is proved to be needed."""
    for layer, (row, slots) in enumerate(zip(load, placed.slots, strict=True)):
        problem = layer_problem(subject, case, row)
        peak, most = peak_of(problem, slots), 1 + Fraction(allowed)
        if peak <= most * best_bound(problem).value:
            continue
        best = solve(problem)
        if best.lower is None or best.objective is None or peak <= most * best.lower:
            continue
        times = f"{float(peak / best.lower):.4g} times the proved bound of {number(best.lower)}"
        raise Failure(
            f"in layer {layer} the fullest device has {number(peak)} tokens, {number(best.objective)} can be had: "
            f"{times}, allowed are {1 + allowed:g} times",
            None if best.physical_to_logical is None else best.physical_to_logical.tolist(),
        )


@check("placer", families.flat, unless=("ignores the load",))
def placer_is_near_the_optimum(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """The load of the fullest device is at most ``1 + max_gap`` times a proved lower bound of the optimum.

    Without --max-gap it is at most twice the bound: what packing the heaviest first cannot miss, and what placements
    that look at no load do.
    """
    subject.fresh()
    allowed = TWICE if settings.max_gap is None else settings.max_gap
    placed = settled(subject, case)
    if currently_in_test_context():
        found = zip(peaks(subject, case, placed, case.load), case.load, strict=True)
        steer(max(float(peak) / max(1.0, load.sum() / case.num_devices) for peak, load in found), label="peak by mean")
    hold_to_bound(subject, case, placed, case.load, allowed)


@check("placer", families.hot, unless=("ignores the load",))
def placer_relieves_a_hot_expert(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Where one expert has all the load and there is a spare slot, more than one device serves it."""
    subject.fresh()
    placed = settled(subject, case)
    for layer, (load, slots) in enumerate(zip(case.load, placed.slots, strict=True)):
        expert = int(load.argmax())
        devices = np.flatnonzero((slots.reshape(case.num_devices, -1) == expert).any(axis=1))
        if len(devices) == 1:
            even = np.ones(len(load), np.int64)
            even[expert] += case.num_slots - len(load)
            raise Failure(
                f"in layer {layer} expert {expert} has the whole load of {int(load[expert])} tokens and lies on "
                f"device {int(devices[0])} alone, with {case.num_slots - len(load)} spare slots",
                dealt(even, case.num_slots, case.num_devices),
            )


@check("placer", families.grouped_on_one_node, unless=("ignores the load",))
def placer_ignores_groups_on_one_node(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """On one node groups bind nothing: the peak stays within twice the bound without them."""
    subject.fresh()
    hold_to_bound(subject, case, settled(subject, case), case.load)


@check("placer", families.huge, unless=("ignores the load",))
def placer_takes_huge_loads(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Loads beyond 2^31 do not wrap around: the peak stays within twice the bound."""
    subject.fresh()
    hold_to_bound(subject, case, settled(subject, case), case.load)


@check("placer", families.flat)
def placer_takes_any_number_type(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """The same whole numbers as int32, int64, float32 and float64 all give a placement, and no poor one.

    Frameworks hand over counts as well as moving averages.
    """
    for dtype in (np.int32, np.int64, np.float32, np.float64):
        if dtype == np.int32 and case.load.max() >= 2**31:
            continue
        subject.fresh()
        load = case.load.astype(dtype)
        placed = settled(subject, case, load)
        if "ignores the load" not in subject.capabilities:
            hold_to_bound(subject, case, placed, load)


@check("placer", families.flat, needs=("exact",))
def placer_is_as_exact_as_it_says(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """No placement is known that has a lower peak, for placers that declare "exact"."""
    subject.fresh()
    placed = place(subject, case)
    apart = "shares devices" not in subject.capabilities
    for layer, (load, slots) in enumerate(zip(case.load, placed.slots, strict=True)):
        given = layer_problem(subject, case, load)
        problem = PlacementProblem(load, given.num_slots, given.num_devices, given.split, distinct=apart)
        best, peak = solve(problem), peak_of(given, slots)
        if best.objective is not None and best.physical_to_logical is not None and best.objective < peak:
            raise Failure(
                f"in layer {layer} the fullest device has {number(peak)} tokens, where {number(best.objective)} can "
                "be had",
                best.physical_to_logical.tolist(),
            )
