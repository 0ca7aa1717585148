"""Placers against proved bounds: with replicas that share evenly, and with the best split on the same placement.

A placement is made from one workload and scored on another, or on the same. Bounds are those of the scored loads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from equipoise.audit.devices import (
    Cluster,
    DeviceAudit,
    Integers,
    balancedness,
    certified_schedule,
    clusters_for,
    mean_of,
    relative,
    timed,
    worst_of,
)
from equipoise.audit.rows import DeviceRow
from equipoise.errors import InvalidProblem
from equipoise.executors import in_order
from equipoise.problems import PlacementProblem
from equipoise.solution import PROVED, Solution
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.solve import solve
from equipoise.targets import Target
from equipoise.traces import LoadInstance

TIME_LIMIT = 2.0
"""Seconds to search for a placement, per instance and form; the bound alone takes no search."""


@dataclass(frozen=True)
class PlacementRow(DeviceRow):
    """One placement on one instance; peaks in tokens, exact.

    Attributes
    ----------
    placed_on, instance
        Where the loads come from that the placer saw, and those that the placement is scored on.
    even_peak, split_peak
        Peak with replicas that share evenly, and the certified optimum of the split (tokens may be divided).
    even_bound, free_bound
        Proved lower bounds of either over all placements, replicas that share a device included;
        ``even_optimal`` and ``free_optimal`` say whether the bound is known to be reached.
    held_against
        "grouped" if the placement keeps groups on nodes as asked, or "flat" if not: the bounds of the flat form.
    duplicates
        Slots whose device has the same expert in another slot.
    evidence
        "certified" if the split's optimum and both bounds carry accepted certificates.
    """

    placed_on: str
    workload: str
    scored_on: str
    held_against: str = "grouped"
    mean: Fraction | None = None
    even_peak: Fraction | None = None
    split_peak: Fraction | None = None
    even_bound: Fraction | None = None
    even_optimal: bool | None = None
    free_bound: Fraction | None = None
    free_optimal: bool | None = None
    even_excess: float | None = None
    split_excess: float | None = None
    even_balancedness: float | None = None
    split_balancedness: float | None = None
    duplicates: int | None = None
    seconds: float | None = None

    @property
    def where(self) -> str:
        """Names of the instance, of its workload, and of the one that the placer saw if that is another."""
        seen = "" if self.workload == self.scored_on else f", placed on {self.workload}"
        return f"{self.instance} of {self.scored_on}{seen}"

    @property
    def gaps(self) -> dict[str, float]:
        """Peaks over the mean, less one; the mean is a bound that no search can move."""
        peaks = {"even": self.even_peak, "split": self.split_peak}
        return {name: relative(peak or 0, self.mean or 0) for name, peak in peaks.items()}


@dataclass(frozen=True)
class PlacementSummary:
    """One placer, placed on one workload and scored on one; ``worst`` has the largest excess with the best split."""

    method: str
    workload: str
    scored_on: str
    instances: int
    errors: int
    certified: int
    mean_even_excess: float
    max_even_excess: float
    mean_split_excess: float
    max_split_excess: float
    mean_even_balancedness: float
    min_even_balancedness: float
    mean_split_balancedness: float
    min_split_balancedness: float
    duplicates: int
    mean_seconds: float
    worst: str


class Bounds:
    """Proved bounds of one instance's placements in both forms; each is worked out at most once."""

    def __init__(self, cluster: Cluster, load: Integers, time_limit: float | None) -> None:
        self.cluster, self.load, self.time_limit = cluster, load, time_limit
        self._known: dict[tuple[str, bool], Solution] = {}

    def of(self, split: str, grouped: bool) -> Solution:
        """Return a solution whose certificate proves its ``lower``."""
        if (split, grouped) not in self._known:
            problem = self.cluster.problem(self.load, split, grouped=grouped)
            self._known[split, grouped] = bounded(problem, self.time_limit)
        return self._known[split, grouped]


def bounded(problem: PlacementProblem, time_limit: float | None) -> Solution:
    """Solve within the limit, if any; if that finds nothing or may not search, bound by a greedy placement."""
    if time_limit != 0:
        solution = solve(problem, time_limit=time_limit)
        if solution.proof is not None and solution.physical_to_logical is not None:
            return solution
    return judge(problem, Claim("feasible", answer=greedy_counts(problem), message="time limit"), "greedy")


def audit_placers(
    targets: Sequence[Target],
    workloads: Mapping[str, Sequence[LoadInstance]],
    *,
    slots: int | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    groups: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    progress: Callable[[LoadInstance], None] | None = None,
    executor: Executor | None = None,
) -> DeviceAudit[PlacementRow]:
    """Score every placement on every workload: one gives the plain audit, more the cross table.

    Parameters
    ----------
    workloads
        Instances by the name of their workload; the n-th of each belong together (the same layer).
    slots, devices, nodes, groups
        As in :meth:`equipoise.audit.devices.Cluster.of`.
    time_limit
        Seconds to search for a placement at the bound, per instance and form; None: as long as it takes; 0: no search,
        which makes bounds independent of how fast the machine is.
    progress
        Called after every instance that was scored.
    executor
        Where instances are judged; None: here.

    Raises
    ------
    InvalidProblem
        If the workloads do not have the same layers and experts.
    """
    series = list(workloads.values())
    shapes = [[len(instance.total) for instance in one] for one in series]
    if any(shape != shapes[0] for shape in shapes):
        given = " and ".join(
            f"{len(shape)} layers of {'/'.join(map(str, sorted(set(shape))))} experts" for shape in shapes
        )
        raise InvalidProblem("workloads", given, "the same layers and experts in each")
    clusters = clusters_for(series[0], slots=slots, devices=devices, nodes=nodes, groups=groups)
    rows: list[PlacementRow] = []
    columns = list(zip(*series, strict=True))
    work = partial(_judged, targets, list(workloads), clusters, time_limit)
    for column, judged in zip(columns, in_order(work, columns, executor), strict=True):
        rows += judged
        if progress is not None:
            for instance in column:
                progress(instance)
    rows.sort(key=lambda row: [target.name for target in targets].index(row.method))
    return DeviceAudit(rows, clusters)


def _judged(
    targets: Sequence[Target],
    workloads: Sequence[str],
    clusters: dict[int, Cluster],
    time_limit: float | None,
    column: Sequence[LoadInstance],
) -> list[PlacementRow]:
    """Every placer on one layer: placed on each workload, scored on each."""
    rows = []
    cluster = clusters[len(column[0].total)]
    bounds = [Bounds(cluster, instance.total, time_limit) for instance in column]
    for target in targets:
        for workload, seen in zip(workloads, column, strict=True):
            placed, seconds, error = timed(cluster.place, target, seen.total)
            for scored_on, scored, bound in zip(workloads, column, bounds, strict=True):
                sizes = (len(scored.total), cluster.slots, cluster.devices)
                about = (target.name, scored.name, *sizes, seen.name, workload, scored_on)
                if placed is None:
                    rows.append(PlacementRow(*about, error=error))
                else:
                    rows.append(_judge(about, cluster, scored, placed, bound, seconds))
    return rows


def summarise_placements(rows: Sequence[PlacementRow]) -> list[PlacementSummary]:
    """Return one line per placer and pair of workloads, in the order of the rows."""
    groups: dict[tuple[str, str, str], list[PlacementRow]] = {}
    for row in rows:
        groups.setdefault((row.method, row.workload, row.scored_on), []).append(row)
    return [_summary(*names, members) for names, members in groups.items()]


def _judge(
    about: tuple[str, str, int, int, int, str, str, str],
    cluster: Cluster,
    scored: LoadInstance,
    placed: Integers,
    bounds: Bounds,
    seconds: float,
) -> PlacementRow:
    asked = cluster.problem(scored.total, "even")
    grouped = asked.violation(placed) is None
    best = certified_schedule(asked.schedule(placed))
    even, free = bounds.of("even", grouped), bounds.of("free", grouped)
    mean, even_peak, split_peak = (
        Fraction(int(scored.total.sum()), cluster.devices),
        asked.even_peak(placed),
        best.objective,
    )
    if split_peak is None or even.lower is None or free.lower is None:  # not after a certificate
        raise AssertionError("a certificate states its bounds")
    certified = best.evidence == "certified" and even.proof is not None and free.proof is not None
    return PlacementRow(
        *about,
        evidence="certified" if certified else "claimed",
        held_against="grouped" if grouped else "flat",
        mean=mean,
        even_peak=even_peak,
        split_peak=split_peak,
        even_bound=even.lower,
        even_optimal=even.evidence in PROVED,
        free_bound=free.lower,
        free_optimal=free.evidence in PROVED,
        even_excess=relative(even_peak, even.lower),
        split_excess=relative(split_peak, free.lower),
        even_balancedness=balancedness(mean, even_peak),
        split_balancedness=balancedness(mean, split_peak),
        duplicates=int(np.maximum(0, asked.counts(placed) - 1).sum()),
        seconds=seconds,
    )


def _summary(method: str, workload: str, scored_on: str, rows: list[PlacementRow]) -> PlacementSummary:
    good = [row for row in rows if row.error is None]
    worst = max(good, key=lambda row: row.split_excess or 0.0, default=None)

    def over(key: str) -> list[float]:
        return [float(getattr(row, key)) for row in good]

    def least(key: str) -> float:
        return min(over(key), default=float("nan"))

    return PlacementSummary(
        method,
        workload,
        scored_on,
        len(rows),
        len(rows) - len(good),
        sum(row.evidence == "certified" for row in good),
        mean_of(over("even_excess")),
        worst_of(over("even_excess")),
        mean_of(over("split_excess")),
        worst_of(over("split_excess")),
        mean_of(over("even_balancedness")),
        least("even_balancedness"),
        mean_of(over("split_balancedness")),
        least("split_balancedness"),
        sum(row.duplicates or 0 for row in good),
        mean_of(over("seconds")),
        worst.instance if worst is not None else "",
    )
