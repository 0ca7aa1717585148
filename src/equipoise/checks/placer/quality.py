"""How good a placement is: the load of its fullest device, compared with a proved bound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import currently_in_test_context
from hypothesis import target as steer

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.placer import families
from equipoise.errors import TargetError
from equipoise.problems import PlacementProblem
from equipoise.roles.placer import NO_PLACEMENT, Integers, PlacerCase
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.solve import solve

SETTLING_CALLS = 10

TWICE = 1.0
"""Peak beyond the bound that a greedy packing keeps, relative: mean plus heaviest replica is at most twice either."""


def place(balancer: Balancer, case: PlacerCase) -> Integers:
    """Return ``physical_to_logical[L, P]`` of a fresh placer for the first load of the case; all others get one too.

    Raises
    ------
    TargetError
        With a better answer, if it gives no placement.
    """
    balancer.fresh()
    first, *_ = [asked(balancer, case, load) for load in case.loads]
    return first


def asked(balancer: Balancer, case: PlacerCase, load: npt.NDArray[Any], **told: Any) -> Integers:
    """Return ``physical_to_logical[L, P]`` for a load on the first machine of the case."""
    machine = case.num_slots, case.num_groups, case.num_nodes, case.num_devices
    try:
        placed: Integers = balancer.ask(load, *machine, **told)
    except TargetError as error:
        if error.kind == NO_PLACEMENT:
            error.better = [[slot % load.shape[1] for slot in range(case.num_slots)]] * len(load)
        raise
    return placed


def settled(balancer: Balancer, case: PlacerCase, load: npt.NDArray[Any], **told: Any) -> Integers:
    """Return the placement after a placer that remembers has seen the load a few times; one call otherwise."""
    for _ in range(SETTLING_CALLS - 1 if balancer.stateful else 0):
        asked(balancer, case, load, **told)
    return asked(balancer, case, load, **told)


def replicas_of(placed: Integers, case: PlacerCase) -> Integers:
    """Return ``[L, E]``: in how many slots an expert is."""
    return np.stack([np.bincount(layer[layer >= 0], minlength=case.load.shape[1]) for layer in placed])


def layer_problem(balancer: Balancer, case: PlacerCase, load: npt.NDArray[Any]) -> PlacementProblem:
    """Return what a layer's load ``[E]`` asks of a placement, whatever the groups; replicas may share a device."""
    split = "free" if "free split" in balancer.capabilities else "even"
    return PlacementProblem(load, case.num_slots, case.num_devices, split, distinct=False)


def peak_of(problem: PlacementProblem, slots: Integers) -> Fraction:
    """Return the load of the fullest device: replicas share evenly, or with the best split."""
    if problem.split == "even":
        return problem.even_peak(slots)
    best = solve(problem.schedule(slots)).objective
    assert best is not None
    return best


def peaks(balancer: Balancer, case: PlacerCase, placed: Integers, load: npt.NDArray[Any]) -> list[Fraction]:
    """Return the peak of every layer."""
    return [peak_of(layer_problem(balancer, case, row), slots) for row, slots in zip(load, placed, strict=True)]


def fresh_peaks(balancer: Balancer, case: PlacerCase, load: npt.NDArray[Any]) -> list[Fraction]:
    """Return the peak of every layer where a fresh placer is asked about a load."""
    balancer.fresh()
    return peaks(balancer, case, asked(balancer, case, load), load)


def dealt(replicas: Integers, num_slots: int, num_devices: int) -> list[int]:
    """Deal ``replicas[E]`` to the devices in turn: up to G of an expert never meet."""
    experts = np.repeat(np.arange(len(replicas)), replicas)
    padded = np.concatenate([experts, np.full(num_slots - len(experts), -1)])
    return [int(expert) for expert in padded.reshape(-1, num_devices).T.ravel()]


def number(value: Fraction) -> str:
    """Return a load for a message: whole, or with six digits."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"


def hold_to_bound(
    balancer: Balancer, case: PlacerCase, placed: Integers, load: npt.NDArray[Any], allowed: float = TWICE
) -> None:
    """Fail if a layer's peak is more than ``1 + allowed`` times what is proved to be needed."""
    for layer, (row, slots) in enumerate(zip(load, placed, strict=True)):
        problem = layer_problem(balancer, case, row)
        peak, most = peak_of(problem, slots), 1 + Fraction(str(allowed))  # the decimal that was written
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
def placer_is_near_the_optimum(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """The load of the fullest device is at most ``1 + max_gap`` times a proved lower bound of the optimum.

    Without --max-gap it is at most twice the bound: what packing the heaviest first cannot miss, and what placements
    that look at no load do.
    """
    balancer.fresh()
    allowed = TWICE if settings.max_gap is None else settings.max_gap
    placed = settled(balancer, case, case.load)
    if currently_in_test_context():
        found = zip(peaks(balancer, case, placed, case.load), case.load, strict=True)
        steer(max(float(peak) / max(1.0, load.sum() / case.num_devices) for peak, load in found), label="peak by mean")
    hold_to_bound(balancer, case, placed, case.load, allowed)


@check("placer", families.hot, unless=("ignores the load",))
def placer_relieves_a_hot_expert(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Where one expert has all the load and there is a spare slot, more than one device serves it."""
    balancer.fresh()
    placed = settled(balancer, case, case.load)
    for layer, (load, slots) in enumerate(zip(case.load, placed, strict=True)):
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


@check("placer", families.some_idle, unless=("ignores the load", "limits replicas"))
def placer_wastes_no_slot(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """No slot is left to a spare replica of an idle expert, or empty, where a loaded expert there would lower the peak.

    That is one that its device does not hold, and that has fewer replicas than there are devices. An empty slot is
    judged by the expert with the largest load per replica alone: greedy counts reach no other before it, though they
    may find no device for a replica of one that is smaller. Judged on loads with a few heavy experts.
    """
    balancer.fresh()
    width = case.num_slots // case.num_devices
    for layer, (load, slots) in enumerate(zip(case.load, settled(balancer, case, case.load), strict=True)):
        problem = layer_problem(balancer, case, load)
        replicas = np.bincount(slots[slots >= 0], minlength=len(load))
        share = np.where(replicas < case.num_devices, load / replicas, 0)
        heaviest = np.flatnonzero(share == share.max())
        spare = (slots >= 0) & ((load == 0) & (replicas > 1))[slots]
        for slot in np.flatnonzero(spare | (slots < 0)).tolist():
            device, able = slot // width, np.flatnonzero(share > 0) if spare[slot] else heaviest[: len(heaviest) == 1]
            for expert in np.setdiff1d(able, slots[device * width : (device + 1) * width]):
                other = slots.copy()
                other[slot] = expert
                if (less := peak_of(problem, other)) < (peak := peak_of(problem, slots)):
                    idle = f"has a spare replica of expert {slots[slot]}, which has no load"
                    raise Failure(
                        f"in layer {layer} a slot of device {device} {idle if spare[slot] else 'is empty'}; one of "
                        f"expert {expert} there would lower the peak from {number(peak)} to {number(less)} tokens",
                        other.tolist(),
                    )


@check("placer", families.flat, unless=("ignores the load", "random"))
def placer_is_no_worse_with_more_slots(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """One more slot on every device raises no peak above what packing the heaviest first keeps at most.

    That is the mean and the heaviest replica: greedy packings are not monotone, and may rise up to there. With "exact"
    declared the peak may not rise at all.
    """
    wider = replace(case, num_slots=case.num_slots + case.num_devices)
    machine = wider.num_slots, wider.num_groups, wider.num_nodes, wider.num_devices
    if not balancer.takes(case.load, *machine):
        return
    before = fresh_peaks(balancer, case, case.load)
    balancer.fresh()
    placed = asked(balancer, wider, case.load)
    after, replicas = peaks(balancer, wider, placed, case.load), replicas_of(placed, wider)
    for layer, load in enumerate(case.load):
        kept = Fraction(0)
        if "exact" not in balancer.capabilities:
            shares = (Fraction(*pair) for pair in zip(load.tolist(), replicas[layer].tolist(), strict=True))
            kept = Fraction(int(load.sum()), case.num_devices) + max(shares)
        if after[layer] > max(before[layer], kept):
            raise Failure(
                f"with {wider.num_slots} slots in place of {case.num_slots} the peak of layer {layer} is "
                f"{number(after[layer])} tokens, not {number(before[layer])}"
            )


@check("placer", families.grouped_on_one_node, unless=("ignores the load",))
def placer_ignores_groups_on_one_node(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """On one node groups bind nothing: the peak stays within twice the bound without them."""
    balancer.fresh()
    hold_to_bound(balancer, case, settled(balancer, case, case.load), case.load)


@check("placer", families.huge, unless=("ignores the load",))
def placer_takes_huge_loads(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """Loads beyond 2^31 do not wrap around: the peak stays within twice the bound."""
    balancer.fresh()
    hold_to_bound(balancer, case, settled(balancer, case, case.load), case.load)


@check("placer", families.flat, needs=("exact",))
def placer_is_as_exact_as_it_says(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """No placement is known that has a lower peak, for placers that declare "exact"."""
    placed = place(balancer, case)
    apart = "shares devices" not in balancer.capabilities
    for layer, (load, slots) in enumerate(zip(case.load, placed, strict=True)):
        given = layer_problem(balancer, case, load)
        problem = PlacementProblem(load, given.num_slots, given.num_devices, given.split, distinct=apart)
        best, peak = solve(problem), peak_of(given, slots)
        if best.objective is not None and best.physical_to_logical is not None and best.objective < peak:
            raise Failure(
                f"in layer {layer} the fullest device has {number(peak)} tokens, where {number(best.objective)} can "
                "be had",
                best.physical_to_logical.tolist(),
            )
