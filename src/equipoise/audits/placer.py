"""Placers compared with proved bounds: replicas that share evenly, and the best split on the same placement.

A placement is made from one workload and scored on another, or on the same. Bounds are those of the scored loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from equipoise.audits.cluster import (
    SIZES,
    Cluster,
    Integers,
    certified_schedule,
    clusters_for,
    in_json,
    sizes_in_words,
    word_of,
)
from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES, STEPS, instances_of
from equipoise.audits.measures import LEAST, MEAN, TOTAL, Measure, Row, Values, balancedness, relative
from equipoise.audits.placer_moves import MOVES
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.errors import InvalidProblem, TargetError
from equipoise.problems import PlacementProblem
from equipoise.solution import Solution
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge as judge_claim
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.solve import solve
from equipoise.traces import LoadInstance

TIME_LIMIT = 2.0
"""Seconds to search for a placement, per instance and form; the bound alone takes no search."""

OWN = "its own"
"""The workload of a trace that no other is scored against."""


class Bounds:
    """Proved bounds of one instance's placements in both forms; each is worked out at most once."""

    def __init__(self, cluster: Cluster, load: Integers, time_limit: float | None) -> None:
        self.cluster, self.load, self.time_limit = cluster, load, time_limit
        self._known: dict[tuple[str, bool], Solution] = {}

    def of(self, split: str, grouped: bool) -> Solution:
        """Return a solution whose ``lower`` is proved."""
        if (split, grouped) not in self._known:
            problem = self.cluster.problem(self.load, split, grouped=grouped)
            self._known[split, grouped] = bounded(problem, self.time_limit)
        return self._known[split, grouped]


def bounded(problem: PlacementProblem, time_limit: float | None) -> Solution:
    """Solve within the limit, if any; if that finds nothing or may not search, bound by a greedy placement."""
    if time_limit != 0:
        solution = solve(problem, time_limit=time_limit)
        if solution.proof is not None:
            return solution
    return judge_claim(problem, Claim("feasible", answer=greedy_counts(problem), message="time limit"), "greedy")


def columns(instances: Sequence[LoadInstance], options: Options) -> list[list[LoadInstance]]:
    """Return the same layer of every workload, layer by layer.

    Raises
    ------
    InvalidProblem
        If the workloads do not have the same layers and experts.
    """
    series = [list(instances)]
    if options.get("against") is not None:
        series.append(instances_of(AUDIT, options["against"], options)[0])
    shapes = [[len(instance.total) for instance in one] for one in series]
    if any(shape != shapes[0] for shape in shapes):
        given = " and ".join(
            f"{len(shape)} layers of {'/'.join(map(str, sorted(set(shape))))} experts" for shape in shapes
        )
        raise InvalidProblem("--against", f"of {given}", "the same layers and experts in both records")
    return [list(column) for column in zip(*series, strict=True)]


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Place one layer of every workload, and score every placement on each."""
    cluster: Cluster = shared[len(unit[0].total)]
    bounds = [Bounds(cluster, instance.total, options["time_limit"]) for instance in unit]
    names = [OWN] if len(unit) == 1 else ["the trace", str(options["against"])]
    rows = []
    for contender in contenders:
        for workload, seen in zip(names, unit, strict=True):
            before = contender.seconds
            try:
                placed, error = cluster.place(contender, seen.total), None
            except TargetError as broken:
                placed, error = None, broken
            for scored_on, scored, bound in zip(names, unit, bounds, strict=True):
                row = _blank(contender, cluster, workload, seen, scored_on, scored)
                if placed is None or error is not None:
                    rows.append(replace(row, error=str(error), kind=error.kind if error else None))
                else:
                    rows.append(_row(row, contender.seconds - before, cluster, scored, placed, bound))
    return rows


def _blank(
    contender: Contender, cluster: Cluster, workload: str, seen: LoadInstance, scored_on: str, scored: LoadInstance
) -> Row:
    name = scored.name
    if workload != OWN:
        name = f"{scored.name} of {scored_on}" + (f", placed on {workload}" if workload != scored_on else "")
    sizes = {"experts": len(scored.total), "slots": cluster.slots, "devices": cluster.devices}
    about: Values = {**sizes, "placed_on": seen.name, "workload": workload, "scored_on": scored_on}
    return Row(contender.name, name, about, warnings=contender.warnings)


def _row(row: Row, seconds: float, cluster: Cluster, scored: LoadInstance, placed: Integers, bounds: Bounds) -> Row:
    asked = cluster.problem(scored.total, "even")
    grouped = asked.violation(placed) is None
    best = certified_schedule(asked.schedule(placed))
    even, free = bounds.of("even", grouped), bounds.of("free", grouped)
    mean, even_peak, split_peak = (
        Fraction(int(scored.total.sum()), cluster.devices),
        asked.even_peak(placed),
        best.objective,
    )
    if split_peak is None or even.lower is None or free.lower is None:
        raise AssertionError("a bound is always proved")
    values: Values = {
        "mean": mean,
        "even_peak": even_peak,
        "split_peak": split_peak,
        "even_bound": even.lower,
        "free_bound": free.lower,
        "even_excess": relative(even_peak, even.lower),
        "split_excess": relative(split_peak, free.lower),
        "even_over_mean": relative(even_peak, mean),
        "split_over_mean": relative(split_peak, mean),
        "imbalance": float(even_peak / mean) if mean else 1.0,
        "even_balancedness": balancedness(mean, even_peak),
        "split_balancedness": balancedness(mean, split_peak),
        "duplicates": int(np.maximum(0, asked.counts(placed) - 1).sum()),
        "seconds": seconds,
    }
    evidence = {"split": word_of(best), "even bound": word_of(even), "free bound": word_of(free)}
    form = "placements that keep groups on nodes" if grouped and cluster.nodes > 1 else "all placements"
    return replace(row, values=values, compared_with=form, evidence=evidence)


def _named(units: list[list[Any]], options: Options) -> dict[str, LoadInstance]:
    prefixes = ["", f"{options.get('against')}: "]
    return {prefix + one.name: one for unit in units for prefix, one in zip(prefixes, unit, strict=False)}


AUDIT = RoleAudit(
    role="placer",
    data="loads",
    measures=(
        Measure(
            "split_excess",
            "share",
            title="split beyond bound",
            noun="excess with the best split",
            words="peak with the certified best split on the placement, over the proved lower bound of all placements",
        ),
        Measure(
            "even_excess",
            "share",
            title="even beyond bound",
            noun="excess with an even split",
            words="peak with replicas that share evenly, over the proved lower bound of all such placements",
        ),
        Measure(
            "split_balancedness",
            "ratio",
            "more",
            (MEAN, LEAST),
            "split balancedness",
            "mean over peak load of the devices",
        ),
        Measure("even_balancedness", "ratio", "more", (MEAN, LEAST), "even balancedness", "the same, shared evenly"),
        Measure(
            "duplicates",
            "count",
            aggregates=(TOTAL,),
            title="duplicates",
            words="slots whose device holds the same expert already, in all",
        ),
        Measure("seconds", "seconds", aggregates=(MEAN,), title="seconds", words="of a call, on this machine"),
        Measure("even_over_mean", "ratio", aggregates=(), gap="even"),
        Measure("split_over_mean", "ratio", aggregates=(), gap="split"),
        Measure("mean", "tokens", "neither", ()),
        Measure("even_peak", "tokens", aggregates=()),
        Measure("split_peak", "tokens", aggregates=()),
        Measure("even_bound", "tokens", "neither", ()),
        Measure("free_bound", "tokens", "neither", ()),
        Measure("imbalance", "ratio", aggregates=()),
    ),
    judge=judge,
    units=columns,
    shared=clusters_for,
    about=in_json,
    named=_named,
    options=(
        Option("against", str, "Also score on this record, and place on it.", studied=False),
        STEPS,
        AXES,
        *SIZES,
        Option(
            "time_limit",
            float,
            "Seconds to search, per instance and form; 0: bounds without a search, the same on every machine.",
            TIME_LIMIT,
            least=0,
            compared=False,
            studied=False,
        ),
    ),
    group_by=("workload", "scored_on"),
    condensed=("even_excess", "imbalance"),
    reading="The bound may lie below the optimum, so that an excess is an upper limit of what was lost.",
    legend=lambda audit: f"{sizes_in_words(audit.shared)}.",
    variants={"moves": MOVES},
)
