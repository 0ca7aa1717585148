"""Replication and placement: which expert goes into which slot of which device."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems.scheduling import SchedulingProblem

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False)
class PlacementProblem:
    r"""Put every expert into at least one of P slots so that the fullest of G devices has as little load as possible.

    Slot p lies on device ``p // (P / G)``; a slot may stay empty (-1). With ``r_e`` slots for expert e the peak is

    .. math:: \text{even: } \max_g \sum_{p \text{ on } g} w_{e(p)} / r_{e(p)}, \qquad
              \text{free: the optimum } m^* \text{ of } \texttt{SchedulingProblem(fractional=True)}

    Source: EPLB (DeepSeek, 2025) balances the even form; the free form is what a scheduler such as MicroMoE
    (arXiv 2511.16947) can make of a placement. The optimum over placements is our definition.

    Parameters
    ----------
    load
        Array-like, shape (E,): tokens per expert.
    num_slots, num_devices
        P and G; G divides P, and ``P >= E``.
    split
        "even" (replicas share equally) or "free" (tokens are scheduled optimally afterwards).
    num_groups, num_nodes
        Hierarchical form: experts come in contiguous groups; all replicas of a group stay on one node (a contiguous
        block of devices), and every node has ``num_groups / num_nodes`` groups. One node: no constraint.
    distinct
        Whether the replicas of an expert must lie on different devices.

    Raises
    ------
    InvalidProblem
        Naming the argument, what was given and what is allowed; fewer slots than experts are refused here.
    """

    load: Integers
    num_slots: int
    num_devices: int
    split: str
    num_groups: int
    num_nodes: int
    distinct: bool

    def __init__(
        self,
        load: npt.ArrayLike,
        num_slots: int,
        num_devices: int,
        split: str = "even",
        num_groups: int = 1,
        num_nodes: int = 1,
        distinct: bool = True,
    ) -> None:
        array = whole_numbers(load, "load", (None,), 0, 2**50)
        experts = len(array)
        if not experts:
            raise InvalidProblem("load", "empty", "at least one expert")
        nodes = _divisor("num_nodes", num_nodes)
        devices = _divisor("num_devices", num_devices)
        slots = _divisor("num_slots", num_slots)
        groups = _divisor("num_groups", num_groups or 1)
        for field, number, unit, why in (
            ("num_slots", slots, devices, "devices"),
            ("num_devices", devices, nodes, "nodes"),
            ("load", experts, groups, "groups"),
        ):
            if number % unit:
                raise InvalidProblem(field, f"{number}", f"a multiple of the {unit} {why}")
        if nodes > 1 and groups % nodes:
            raise InvalidProblem("num_groups", f"{groups}", f"a multiple of the {nodes} nodes, or one node")
        if slots < experts:
            raise InvalidProblem("num_slots", f"{slots}", f"at least one for each of {experts} experts")
        if split not in ("even", "free"):
            raise InvalidProblem("split", repr(split)[:80], "'even' or 'free'")
        fields = (array, slots, devices, split, groups, nodes, bool(distinct))
        for name, value in zip(type(self).__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def num_experts(self) -> int:
        """E."""
        return len(self.load)

    @property
    def slots_per_device(self) -> int:
        """P / G."""
        return self.num_slots // self.num_devices

    @property
    def most_replicas(self) -> int:
        """Most slots that one expert can have while every other has one."""
        spare = self.num_slots // self.num_nodes - self.num_experts // self.num_nodes + 1
        return min(spare, self.num_devices // self.num_nodes) if self.distinct else spare

    @property
    def size(self) -> int:
        """Number of unknowns of the integer program."""
        each = self.most_replicas if self.split == "even" else 2
        return self.num_experts * self.num_devices * each

    def group_of(self, expert: int) -> int:
        """Group of an expert."""
        return expert // (self.num_experts // self.num_groups)

    def node_of(self, device: int) -> int:
        """Node of a device."""
        return device // (self.num_devices // self.num_nodes)

    def counts(self, physical_to_logical: Integers) -> Integers:
        """``[E, G]``: how many slots of each device hold each expert."""
        counts = np.zeros((self.num_experts, self.num_devices), np.int64)
        device = np.arange(self.num_slots) // self.slots_per_device
        used = physical_to_logical >= 0
        np.add.at(counts, (physical_to_logical[used], device[used]), 1)
        return counts

    def schedule(self, physical_to_logical: Integers) -> SchedulingProblem:
        """Return the scheduling problem that a placement leaves."""
        return SchedulingProblem(self.load, self.counts(physical_to_logical) > 0, fractional=True)

    def violation(self, physical_to_logical: npt.ArrayLike) -> str | None:
        """Say which constraint a placement ``[P]`` breaks first; None if it is feasible."""
        slots = np.asarray(physical_to_logical)
        if slots.dtype.kind not in "iu" or slots.shape != (self.num_slots,):
            return f"it is {slots.dtype} of shape {slots.shape}, not integers of shape ({self.num_slots},)"
        if slots.min() < -1 or slots.max() >= self.num_experts:
            return f"a slot names expert {slots.min() if slots.min() < -1 else slots.max()}, which does not exist"
        counts = self.counts(slots.astype(np.int64))
        if (missing := counts.sum(axis=1) == 0).any():
            return f"expert {int(np.argmax(missing))} is placed nowhere"
        if self.distinct and (counts > 1).any():
            expert, device = np.argwhere(counts > 1)[0].tolist()
            return f"expert {expert} is {counts[expert, device]} times on device {device}"
        return None if self.num_nodes == 1 else self._node_violation(counts)

    def _node_violation(self, counts: Integers) -> str | None:
        by_group = counts.reshape(self.num_groups, -1, self.num_nodes, self.num_devices // self.num_nodes)
        on_node = by_group.sum(axis=(1, 3)) > 0
        if (on_node.sum(axis=1) > 1).any():
            return f"group {int(np.argmax(on_node.sum(axis=1) > 1))} is on more than one node"
        most = self.num_groups // self.num_nodes
        if (on_node.sum(axis=0) > most).any():
            return f"node {int(np.argmax(on_node.sum(axis=0) > most))} has more than {most} groups"
        return None

    def even_peak(self, physical_to_logical: Integers) -> Fraction:
        """Peak of a feasible placement whose replicas share evenly, exactly."""
        counts = self.counts(physical_to_logical)
        shares = [Fraction(w, r) for w, r in zip(self.load.tolist(), counts.sum(axis=1).tolist(), strict=True)]
        columns = counts.T.tolist()
        return max(sum((n * s for n, s in zip(column, shares, strict=True) if n), Fraction(0)) for column in columns)

    def __repr__(self) -> str:
        nodes = f", groups={self.num_groups}, nodes={self.num_nodes}" if self.num_nodes > 1 else ""
        shared = "" if self.distinct else ", distinct=False"
        sizes = f"E={self.num_experts}, P={self.num_slots}, G={self.num_devices}"
        return f"PlacementProblem({sizes}, split={self.split!r}{nodes}{shared})"


def _divisor(field: str, given: Any) -> int:
    try:
        number = operator.index(given)
    except TypeError:
        number = 0
    if isinstance(given, bool) or number < 1:
        raise InvalidProblem(field, repr(given)[:80], "a positive whole number")
    return number
