"""Traffic: where each device's tokens go, once it is fixed how many every device may serve."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems.assignment import AssignmentProblem
from equipoise.problems.scheduling import SchedulingProblem

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False)
class TrafficProblem:
    r"""Serve every token within the devices' limits at the least total cost of moving it.

    .. math:: \min \sum_{s,e,g} c_{sg} f_{seg} \quad \text{s.t.} \quad \sum_{g \in H(e)} f_{seg} = \text{source}_{se},
              \quad \sum_{s,e} f_{seg} \le \text{limit}_g, \quad f \ge 0 \text{ integral}

    A transportation problem, hence integral. Our definition of the second stage of MicroMoE (arXiv 2511.16947), which
    prefers local tokens by a rule (:mod:`equipoise.reference.scheduling.ranges`) and not by an optimum.

    Parameters
    ----------
    source_load
        Array-like, shape (G, E): tokens per expert that start on each device.
    hosts
        Array-like, shape (E, G), as in :class:`equipoise.SchedulingProblem`.
    limit
        Array-like, shape (G,): tokens a device may serve.
    cost
        Array-like, shape (G, G): whole numbers, what a token pays from its device to the one that serves it; see
        :func:`node_costs`.

    Raises
    ------
    InvalidProblem
        Naming the argument, what was given and what is allowed.
    """

    source_load: Integers
    hosts: npt.NDArray[np.bool_]
    limit: Integers
    cost: Integers

    def __init__(
        self, source_load: npt.ArrayLike, hosts: npt.ArrayLike, limit: npt.ArrayLike, cost: npt.ArrayLike
    ) -> None:
        schedule = SchedulingProblem(source_load=source_load, hosts=hosts)
        devices = schedule.num_devices
        fields = {
            "source_load": schedule.source_load,
            "hosts": schedule.hosts,
            "limit": whole_numbers(limit, "limit", (devices,), 0, 2**53),
            "cost": whole_numbers(cost, "cost", (devices, devices), 0, 2**20),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def at_peak(cls, problem: SchedulingProblem, peak: Fraction | int, cost: npt.ArrayLike) -> Self:
        """Return the second stage of ``problem``: every device may serve up to ``floor(peak * v) - b`` tokens.

        Raises
        ------
        InvalidProblem
            If ``problem`` does not say where its tokens start, or a device has more than ``peak`` anyway.
        """
        if problem.source_load is None:
            raise InvalidProblem("problem", "without source_load", "a problem that says where its tokens start")
        room = [int(Fraction(peak) * speed // 1) for speed in problem.speed.tolist()] - problem.base_load
        return cls(problem.source_load, problem.hosts, room, cost)

    @property
    def num_experts(self) -> int:
        """E."""
        return len(self.hosts)

    @property
    def num_devices(self) -> int:
        """G."""
        return int(self.hosts.shape[1])

    @property
    def size(self) -> int:
        """Number of unknowns f[s, e, g]."""
        return int(((self.source_load > 0) @ self.hosts.astype(np.int64)).sum())

    def __repr__(self) -> str:
        tokens = int(self.source_load.sum())
        return f"TrafficProblem(E={self.num_experts}, G={self.num_devices}, tokens={tokens})"


def placement_by_links(source_load: npt.ArrayLike, cost: npt.ArrayLike, slots: npt.ArrayLike) -> AssignmentProblem:
    r"""Put every expert on one device so that its tokens travel as cheaply as possible: a linear assignment.

    .. math:: \min \sum_{e} \sum_s c_{s g(e)} \, \text{source}_{se} \quad \text{s.t.} \quad
              |\{e : g(e) = g\}| \le \text{slots}_g

    The "tokens" of the problem returned are experts, its "experts" devices, and its score is the cost, negative.
    Devices can end up with unequal loads: with a limit on them it would be a generalised assignment, which is hard.
    Source: SGLang PR 37923 (rank costs times source traffic).

    Parameters
    ----------
    source_load
        Array-like, shape (G, E): tokens per expert that start on each device.
    cost
        Array-like, shape (G, G): what a token pays from its device to the one that serves it.
    slots
        Experts that a device can hold: a number, or array-like, shape (G,).

    Raises
    ------
    InvalidProblem
        Naming the argument; also if the slots do not hold all experts.
    """
    source = whole_numbers(source_load, "source_load", (None, None), 0, 2**31)
    links = whole_numbers(cost, "cost", (len(source), len(source)), 0, 2**20)
    return AssignmentProblem(-(source.T @ links), top_k=1, capacity=slots)


def node_costs(num_devices: int, num_nodes: int, intra: int = 1, inter: int = 4) -> Integers:
    """Return ``[G, G]``: 0 on the same device, ``intra`` within a node, ``inter`` between nodes; nodes are contiguous.

    The ratio 1 : 4 is our default, about NVLink to InfiniBand per device; give your own.
    """
    if num_nodes < 1 or num_devices % num_nodes:
        raise InvalidProblem("num_nodes", repr(num_nodes), f"a divisor of the {num_devices} devices")
    node = np.arange(num_devices) // (num_devices // num_nodes)
    cost = np.where(node[:, None] == node, intra, inter)
    np.fill_diagonal(cost, 0)
    return frozen(cost)
