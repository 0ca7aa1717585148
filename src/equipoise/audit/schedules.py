"""Schedulers against the certified optimum: how evenly the load of a fixed placement can be served, and is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from equipoise.audit.devices import (
    Cluster,
    DeviceAudit,
    balancedness,
    certified_schedule,
    clusters_for,
    fitting,
    mean_of,
    relative,
    timed,
    worst_of,
)
from equipoise.audit.rows import DeviceRow
from equipoise.executors import in_order
from equipoise.problems import SchedulingProblem, TrafficProblem
from equipoise.problems.scheduling import hosts_of
from equipoise.problems.traffic import node_costs
from equipoise.reference.scheduling.ranges import route_by_ranges
from equipoise.roles import Schedule
from equipoise.solution import Solution
from equipoise.solvers.solve import solve
from equipoise.targets import Target
from equipoise.traces import LoadInstance


@dataclass(frozen=True)
class ScheduleRow(DeviceRow):
    """One scheduler on one instance, in tokens.

    ``optimum`` is the least peak of whole tokens on the same placement; ``balancedness`` the mean over the peak.
    ``traffic`` is the cost of moving tokens (0 at home, 1 within a node, 4 between nodes), ``least_traffic`` the least
    at the scheduler's own peak; both only where it is known on which device tokens start. A scheduler that returns a
    split and no flows is routed by ranges (MicroMoE). ``evidence`` is "certified" if every optimum is.
    """

    placement: str
    peak: int | None = None
    optimum: int | None = None
    mean: Fraction | None = None
    excess: int | None = None
    relative_excess: float | None = None
    balancedness: float | None = None
    best_balancedness: float | None = None
    traffic: int | None = None
    least_traffic: int | None = None
    seconds: float | None = None

    @property
    def gaps(self) -> dict[str, float]:
        """The excess of the peak over the certified optimum."""
        return {"excess": self.relative_excess or 0.0}


@dataclass(frozen=True)
class ScheduleSummary:
    """One scheduler over all instances; ``worst`` names the instance with the largest relative excess."""

    method: str
    instances: int
    errors: int
    certified: int
    optimal: int
    mean_excess: float
    max_excess: float
    mean_relative_excess: float
    max_relative_excess: float
    mean_balancedness: float
    min_balancedness: float
    mean_best_balancedness: float
    mean_relative_traffic: float | None
    mean_seconds: float
    worst: str


def audit_schedulers(
    targets: Sequence[Target],
    instances: Sequence[LoadInstance],
    placer: Target,
    *,
    slots: int | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    groups: int | None = None,
    progress: Callable[[LoadInstance], None] | None = None,
    executor: Executor | None = None,
) -> DeviceAudit[ScheduleRow]:
    """Hold schedulers against the certified optimum of every instance, on the placement that ``placer`` makes for it.

    Sizes are as in :meth:`equipoise.audit.devices.Cluster.of`; instances are judged in ``executor``, None: here.

    Raises
    ------
    TargetError
        If the placer breaks; a scheduler that breaks is a row.
    """
    clusters = clusters_for(instances, slots=slots, devices=devices, nodes=nodes, groups=groups)
    rows: list[ScheduleRow] = []
    judged = in_order(partial(_judged, targets, placer, clusters), instances, executor)
    for instance, found in zip(instances, judged, strict=True):
        rows += found
        if progress is not None:
            progress(instance)
    rows.sort(key=lambda row: [target.name for target in targets].index(row.method))
    return DeviceAudit(rows, clusters)


def _judged(
    targets: Sequence[Target], placer: Target, clusters: dict[int, Cluster], instance: LoadInstance
) -> list[ScheduleRow]:
    cluster = clusters[len(instance.total)]
    fitting(cluster, instance)
    placed = cluster.place(placer, instance.total)
    hosts = hosts_of(placed, len(instance.total), cluster.devices)
    sources = instance.load if instance.load.ndim == 2 else None
    problem = SchedulingProblem(instance.total if sources is None else None, hosts, source_load=sources)
    best = certified_schedule(problem)
    return [_judge(target, placer.name, instance, cluster, problem, best) for target in targets]


def summarise_schedules(rows: Sequence[ScheduleRow]) -> list[ScheduleSummary]:
    """Return one line per scheduler, in the order of the rows."""
    return [
        _summary(name, [row for row in rows if row.method == name]) for name in dict.fromkeys(r.method for r in rows)
    ]


def _judge(
    target: Target, placement: str, instance: LoadInstance, cluster: Cluster, problem: SchedulingProblem, best: Solution
) -> ScheduleRow:
    about = (target.name, instance.name, problem.num_experts, cluster.slots, cluster.devices, placement)
    schedule, seconds, error = timed(target.schedule, instance.load, problem.hosts)
    if schedule is None or best.objective is None:
        return ScheduleRow(*about, error=error)
    peak, optimum = int(schedule.split.sum(axis=0).max()), int(best.objective)
    mean = Fraction(problem.total, cluster.devices)
    traffic, least = _traffic(problem, schedule, peak, cluster.nodes)
    evidences = {best.evidence, *(() if least is None else (least.evidence,))}
    return ScheduleRow(
        *about,
        evidence="certified" if evidences == {"certified"} else "claimed",
        peak=peak,
        optimum=optimum,
        mean=mean,
        excess=peak - optimum,
        relative_excess=relative(peak, optimum),
        balancedness=balancedness(mean, peak),
        best_balancedness=balancedness(mean, optimum),
        traffic=traffic,
        least_traffic=None if least is None or least.objective is None else int(least.objective),
        seconds=seconds,
    )


def _traffic(
    problem: SchedulingProblem, schedule: Schedule, peak: int, nodes: int
) -> tuple[int | None, Solution | None]:
    """Return what a schedule moves, and the solution that moves least at the same peak."""
    if problem.source_load is None:
        return None, None
    flows = schedule.flows
    if flows is None:
        flows = route_by_ranges(problem.source_load, schedule.split, nodes)
    cost = node_costs(problem.num_devices, nodes)
    return int((flows.sum(axis=1) * cost).sum()), solve(TrafficProblem.at_peak(problem, peak, cost))


def _summary(name: str, rows: list[ScheduleRow]) -> ScheduleSummary:
    good = [row for row in rows if row.error is None]
    worst = max(good, key=lambda row: row.relative_excess or 0.0, default=None)
    moved = [relative(row.traffic, row.least_traffic) for row in good if row.traffic is not None and row.least_traffic]

    def over(key: str) -> list[float]:
        return [float(getattr(row, key)) for row in good]

    return ScheduleSummary(
        name,
        len(rows),
        len(rows) - len(good),
        sum(row.evidence == "certified" for row in good),
        sum(row.excess == 0 for row in good),
        mean_of(over("excess")),
        worst_of(over("excess")),
        mean_of(over("relative_excess")),
        worst_of(over("relative_excess")),
        mean_of(over("balancedness")),
        float(np.min(over("balancedness"))) if good else float("nan"),
        mean_of(over("best_balancedness")),
        mean_of(moved) if moved else None,
        mean_of(over("seconds")),
        worst.instance if worst is not None else "",
    )
