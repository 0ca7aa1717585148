"""Devices: the sizes of a cluster, which audits of schedulers, placers and forecasts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise.audits.contender import CALL_SECONDS, Contender, contenders
from equipoise.audits.role_audit import Option, Options
from equipoise.balancers.find import Target
from equipoise.errors import InvalidProblem, OracleError, TargetError
from equipoise.problems import PlacementProblem, SchedulingProblem
from equipoise.solution import Solution
from equipoise.solvers.solve import solve
from equipoise.traces import LoadInstance

Integers = npt.NDArray[np.int64]

SIZES = (
    Option("slots", int, "P. [default: E + E/8, up to a multiple of the devices]", least=1),
    Option("devices", int, "G. [default: 8 up to 64 experts, else 32]", least=1),
    Option("nodes", int, "Nodes the devices stand in. [default: 1]", least=1),
    Option("groups", int, "Groups of experts. [default: as many as nodes]", least=1),
)


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

    def place(self, placer: Contender, load: Integers) -> Integers:
        """Return the placement ``[P]`` of one layer."""
        placed: Integers = placer.ask(load[None], self.slots, self.groups, self.nodes, self.devices)[0]
        return placed

    def __str__(self) -> str:
        nodes = f" in {self.nodes} nodes, {self.groups} groups" if self.nodes > 1 else ""
        return f"{self.slots} slots on {self.devices} devices{nodes}"


def clusters_for(instances: Sequence[LoadInstance], options: Options) -> dict[int, Cluster]:
    """Return a cluster for every number of experts that occurs; see :meth:`Cluster.of`."""
    sizes = {option.name: options.get(option.name) for option in SIZES}
    clusters = {experts: Cluster.of(experts, **sizes) for experts in dict.fromkeys(len(i.total) for i in instances)}
    for instance in instances:
        devices = clusters[len(instance.total)].devices
        if instance.load.ndim == 2 and len(instance.load) != devices:
            raise InvalidProblem("source_load", f"of {len(instance.load)} devices", f"{devices} devices")
    return clusters


def in_json(clusters: dict[int, Cluster]) -> dict[str, Any]:
    """Return the sizes by number of experts, for JSON."""
    return {"clusters": {str(experts): asdict(cluster) for experts, cluster in clusters.items()}}


def sizes_in_words(clusters: dict[int, Cluster]) -> str:
    """Return the sizes, for a legend."""
    return "; ".join(f"{experts} experts: {cluster}" for experts, cluster in clusters.items())


def one_by_one(instances: Sequence[Any], options: Options) -> list[list[Any]]:
    """Return a unit an instance."""
    return [[instance] for instance in instances]


def placed_by(name: str, cluster: Cluster, load: Integers) -> Integers:
    """Return the placement ``[P]`` that a placer makes for others to build on.

    Raises
    ------
    TargetError
        If the placer breaks; the sentence names it.
    TargetNotFound
        If there is none of this name.
    """
    with contenders([Target(name, name, role="placer")], CALL_SECONDS) as [placer]:
        try:
            return cluster.place(placer, load)
        except TargetError as error:
            raise TargetError(f"the placer {name} broke: {error}", error.kind) from error


def certified_schedule(problem: SchedulingProblem) -> Solution:
    """Solve; raise :class:`OracleError` if there is no split at all."""
    solution = solve(problem)
    if solution.objective is None:
        raise OracleError(f"{solution.solver} found no schedule: {solution.raw_status}")
    return solution


def word_of(solution: Solution) -> str:
    """Return the word of evidence for a row: "bounded" where a bound is proved and not met."""
    if solution.evidence != "claimed":
        return solution.evidence
    return "bounded" if solution.bound_proof is not None else "claimed"
