"""Placers over time: a placement for every window of a series, what moves from one to the next, and what it gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from equipoise.audits.cluster import SIZES, Cluster, Integers, in_json, one_by_one, sizes_in_words
from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES
from equipoise.audits.measures import MEAN, MOST, TOTAL, Measure, Row, Values, relative
from equipoise.audits.replanning import experts_moved
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.errors import InvalidProblem, TargetError
from equipoise.solvers.migration.relabel import relabel
from equipoise.solvers.migration.rounds import transfers
from equipoise.solvers.placement.bounds import best_bound
from equipoise.traces import LoadSeries

PLACEMENTS = 4
"""That are made anew, after the first one."""


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Place on every window of one series, one after the other, and score each placement on the window after it."""
    [series] = unit
    cluster: Cluster = shared[series.loads.shape[1]]
    windows = [part.sum(axis=0) for part in np.array_split(series.loads, options["placements"] + 2)]
    return [row for contender in contenders for row in _rows(contender, series, windows, cluster)]


def _rows(contender: Contender, series: LoadSeries, windows: list[Integers], cluster: Cluster) -> Iterator[Row]:
    old: Integers | None = None
    for step, (seen, scored) in enumerate(pairwise(windows)):
        about: Values = {"series": series.name, "experts": len(seen), "placement": step, "generated": series.generated}
        row = Row(contender.name, f"{series.name}, placement {step}", about, warnings=contender.warnings)
        before = contender.seconds
        try:
            new = cluster.place(contender, seen)
        except TargetError as error:
            yield replace(row, error=str(error), kind=error.kind)
            continue
        if old is not None:
            yield _moved(row, cluster, scored, old, new, contender.seconds - before)
        old = new


def _moved(row: Row, cluster: Cluster, scored: Integers, old: Integers, new: Integers, seconds: float) -> Row:
    problem = cluster.problem(scored, "even")
    grouped = problem.violation(new) is None
    problem = cluster.problem(scored, "even", grouped=grouped)
    nearest = relabel(new, old, cluster.devices, cluster.nodes)
    plan = transfers(old, nearest.physical_to_logical, cluster.devices)
    bound = best_bound(problem).value
    peak, kept = problem.even_peak(new), problem.even_peak(old)
    values: Values = {
        "moved": (moved := experts_moved(old, new, cluster.devices)),
        "fewest": nearest.moved,
        "spared": 1 - nearest.moved / moved if moved else 0.0,
        "rounds": len(plan.rounds),
        "even_excess": relative(peak, bound),
        "kept_excess": relative(kept, bound),
        "even_peak": peak,
        "kept_peak": kept,
        "even_bound": bound,
        "seconds": seconds,
    }
    sources = plan.solution is None or plan.solution.evidence == "certified"
    evidence = {"bound": "bounded"}
    for what, proved in (("least moves", nearest.fewest), ("least rounds", sources)):
        evidence[what] = "certified" if proved else "claimed"
    return replace(row, values=values, compared_with="relabelling of devices", evidence=evidence)


def shared(instances: Sequence[LoadSeries], options: Options) -> dict[int, Cluster]:
    """Return a cluster for every number of experts that occurs.

    Raises
    ------
    InvalidProblem
        If a series has fewer steps than windows.
    """
    shortest, needed = min(len(one.loads) for one in instances), options["placements"] + 2
    if shortest < needed:
        raise InvalidProblem(
            "--placements", str(options["placements"]), f"up to {shortest - 2}: a step for each window"
        )
    sizes = {option.name: options.get(option.name) for option in SIZES}
    return {experts: Cluster.of(experts, **sizes) for experts in dict.fromkeys(one.loads.shape[1] for one in instances)}


MOVES = RoleAudit(
    role="placer",
    variant="moves",
    summary="place on one window of a series after the other, and count what moves.",
    data="series",
    measures=(
        Measure(
            "spared",
            "share",
            title="spared",
            noun="needless moves",
            gap="spared",
            words="of the moves, those that numbering the devices otherwise would spare",
        ),
        Measure(
            "moved",
            "count",
            aggregates=(MEAN, MOST, TOTAL),
            title="moved",
            words="experts copied to a device that did not hold them, from one placement to the next: mean, most, all",
        ),
        Measure(
            "fewest",
            "count",
            aggregates=(MEAN, MOST, TOTAL),
            title="fewest",
            words="the same after relabelling: no numbering of the devices moves fewer (certified)",
        ),
        Measure(
            "rounds",
            "count",
            title="rounds",
            words="of transfer, after relabelling: a device sends one expert a round, and receives one, at most; no "
            "choice of sources needs fewer (certified)",
        ),
        Measure(
            "even_excess",
            "share",
            title="beyond bound",
            noun="excess on the window that follows",
            gap="even",
            words="peak on the window that follows, with replicas that share evenly, over a proved bound",
        ),
        Measure(
            "kept_excess",
            "share",
            title="if kept",
            better="neither",
            words="the same if the placement before had stayed: what moving gained",
        ),
        Measure("even_peak", "tokens", aggregates=()),
        Measure("kept_peak", "tokens", "neither", ()),
        Measure("even_bound", "tokens", "neither", ()),
        Measure("seconds", "seconds", aggregates=(MEAN,)),
    ),
    judge=judge,
    units=one_by_one,
    shared=shared,
    about=in_json,
    options=(
        Option("placements", int, "Placements made anew on a series, after the first one.", PLACEMENTS, least=1),
        AXES,
        *SIZES,
    ),
    condensed=("even_excess", "moved"),
    legend=lambda audit: f"{sizes_in_words(audit.shared)}. Loads of a series are added up in windows of equal length.",
)
