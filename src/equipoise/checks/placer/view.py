"""How the placer checks look at a placer: its answer as slots, and exactly how full that makes the fullest device."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.adapters.placements import Integers, read_placement
from equipoise.checks.cases import PlacerCase
from equipoise.errors import TargetError
from equipoise.isolation.host import Reply
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Subject
from equipoise.problems import PlacementProblem
from equipoise.solvers.solve import solve

SETTLING_CALLS = 10


@dataclass(frozen=True)
class Placed:
    """One answer: ``slots[L, P]`` holds experts, -1 for none; ``reply`` says how it was returned."""

    slots: Integers
    reply: Reply

    def replicas(self, experts: int) -> Integers:
        """``[L, E]``: in how many slots an expert is."""
        return np.stack([np.bincount(layer[layer >= 0], minlength=experts) for layer in self.slots])


def place(subject: Subject, case: PlacerCase, load: npt.NDArray[Any] | None = None) -> Placed:
    """Call the placer with the case's first load, or another; raise :class:`Misbehaviour` if it gives no placement."""
    load = case.load if load is None else load
    reply = subject.call(load, case.num_slots, case.num_groups, case.num_nodes, case.num_devices)
    try:
        return Placed(read_placement(reply.value, len(load), load.shape[1], case.num_slots), reply)
    except TargetError as error:
        better = [[slot % load.shape[1] for slot in range(case.num_slots)]] * len(load)
        raise Misbehaviour("gives no placement", str(error).replace("the placer", "it"), better) from error


def settled(subject: Subject, case: PlacerCase, load: npt.NDArray[Any] | None = None) -> Placed:
    """Return the placement after a placer that remembers has seen the load a few times; one call otherwise."""
    for _ in range(SETTLING_CALLS - 1 if "has reset" in subject.capabilities else 0):
        place(subject, case, load)
    return place(subject, case, load)


def layer_problem(subject: Subject, case: PlacerCase, load: npt.NDArray[Any]) -> PlacementProblem:
    """Return what a layer's load ``[E]`` asks of a placement, whatever the groups; replicas may share a device."""
    split = "free" if "free split" in subject.capabilities else "even"
    return PlacementProblem(load, case.num_slots, case.num_devices, split, distinct=False)


def peak_of(problem: PlacementProblem, slots: Integers) -> Fraction:
    """Return the load of the fullest device: replicas share evenly, or with the best split."""
    if problem.split == "even":
        return problem.even_peak(slots)
    best = solve(problem.schedule(slots)).objective
    assert best is not None
    return best


def peaks(subject: Subject, case: PlacerCase, placed: Placed, load: npt.NDArray[Any]) -> list[Fraction]:
    """Return the peak of every layer."""
    return [peak_of(layer_problem(subject, case, row), slots) for row, slots in zip(load, placed.slots, strict=True)]


def dealt(replicas: Integers, num_slots: int, num_devices: int) -> list[int]:
    """Deal ``replicas[E]`` to the devices in turn: up to G of an expert never meet."""
    experts = np.repeat(np.arange(len(replicas)), replicas)
    padded = np.concatenate([experts, np.full(num_slots - len(experts), -1)])
    return [int(expert) for expert in padded.reshape(-1, num_devices).T.ravel()]


def number(value: Fraction) -> str:
    """Return a load for a message: whole, or with six digits."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"
