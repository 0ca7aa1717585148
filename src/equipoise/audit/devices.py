"""What audits of schedulers and placers share: the sizes of a cluster, certified peaks, and the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from equipoise.audit.rows import DeviceRow
from equipoise.audit.run import environment
from equipoise.errors import InvalidProblem, OracleError, TargetError
from equipoise.problems import PlacementProblem, SchedulingProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve
from equipoise.targets import Target
from equipoise.traces import LoadInstance

Integers = npt.NDArray[np.int64]
Number = Fraction | int


@dataclass(frozen=True)
class Cluster:
    """P slots on G devices; experts in groups that stay on one node, where there is more than one."""

    slots: int
    devices: int
    nodes: int = 1
    groups: int = 1

    @classmethod
    def of(
        cls,
        experts: int,
        slots: int | None = None,
        devices: int | None = None,
        nodes: int | None = None,
        groups: int | None = None,
    ) -> Self:
        """Return sizes for E experts; default: 8 devices up to 64 experts and 32 beyond, and E/8 spare slots or more.

        Raises
        ------
        InvalidProblem
            If the sizes do not fit together.
        """
        devices = (8 if experts <= 64 else 32) if devices is None else devices
        if slots is None:
            slots = -(-(experts + experts // 8) // max(1, devices)) * devices
        nodes = 1 if nodes is None else nodes
        cluster = cls(slots, devices, nodes, nodes if groups is None else groups)
        cluster.problem(np.zeros(experts, np.int64), "even")
        return cluster

    def problem(self, load: Integers, split: str, *, grouped: bool = True) -> PlacementProblem:
        """Return the placement problem in which replicas may share a device; without groups and nodes if told so."""
        groups, nodes = (self.groups, self.nodes) if grouped else (1, 1)
        return PlacementProblem(load, self.slots, self.devices, split, groups, nodes, distinct=False)

    def place(self, target: Target, load: Integers) -> Integers:
        """Return the placement ``[P]`` of one layer."""
        placed: Integers = target.place(load[None], self.slots, self.groups, self.nodes, self.devices)[0]
        return placed


Answer = TypeVar("Answer")
RowType = TypeVar("RowType", bound=DeviceRow)


@dataclass(frozen=True)
class DeviceAudit(Generic[RowType]):
    """All rows, the sizes by experts, and where they were made."""

    rows: list[RowType]
    clusters: dict[int, Cluster]
    environment: dict[str, str] = field(default_factory=environment)

    @property
    def certified(self) -> bool:
        """Whether every optimum and bound that was needed carries an accepted certificate."""
        return all(row.evidence == "certified" for row in self.rows if row.error is None)


def clusters_for(instances: Sequence[LoadInstance], **sizes: int | None) -> dict[int, Cluster]:
    """Return a cluster for every number of experts that occurs; see :meth:`Cluster.of`."""
    return {experts: Cluster.of(experts, **sizes) for experts in dict.fromkeys(len(i.total) for i in instances)}


def fitting(cluster: Cluster, instance: LoadInstance) -> None:
    """Refuse loads that start on another number of devices than there are."""
    if instance.load.ndim == 2 and len(instance.load) != cluster.devices:
        raise InvalidProblem("source_load", f"of {len(instance.load)} devices", f"{cluster.devices} devices")


def certified_schedule(problem: SchedulingProblem) -> Solution:
    """Solve; raise :class:`OracleError` if there is no split at all."""
    solution = solve(problem)
    if solution.objective is None:
        raise OracleError(f"{solution.solver} found no schedule: {solution.raw_status}")
    return solution


def relative(peak: Number, bound: Number) -> float:
    """``peak / bound - 1``: the peak beyond a bound; 0 for no load at all."""
    return float(Fraction(peak) / bound) - 1.0 if bound else 0.0 if not peak else float("inf")


def balancedness(mean: Fraction, peak: Number) -> float:
    """Mean load over peak load of the devices (as SGLang reports it); 1 for no load at all."""
    return float(mean / peak) if peak else 1.0


def timed(call: Callable[..., Answer], *arguments: Any) -> tuple[Answer | None, float, str | None]:
    """Return what a balancer returned, the seconds it took, and what broke instead."""
    started = time.perf_counter()
    try:
        answer = call(*arguments)
    except TargetError as broke:
        return None, time.perf_counter() - started, str(broke)
    return answer, time.perf_counter() - started, None


def mean_of(values: Sequence[float]) -> float:
    """Return the mean; NaN for none."""
    return float(np.mean(values)) if values else float("nan")


def worst_of(values: Sequence[float]) -> float:
    """Return the largest; NaN for none."""
    return max(values, default=float("nan"))
