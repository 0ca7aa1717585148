"""Routers' own pages: the exact frontier, regret against skew and size, MaxVio over the steps of recorded runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from equipoise.audits.router import BALANCED_AT, FIXED_BIAS, LAST_PRICES
from equipoise.study.report import charts, tables
from equipoise.study.report.layout import Key, Panel, Section, line_keys, method_keys
from equipoise.study.report.svg import INK, MUTED
from equipoise.study.rows import StudyRow
from equipoise.study.run import Study
from equipoise.study.summary import Summary, quantities
from equipoise.tables import Table

ROUTER = "router"

SHAPES = {"-": "line", "--": "dashed", ":": "dotted"}

ALIKE = f" of those with K experts a token and MaxVio at most {BALANCED_AT:g}"
"""Which routers the head of the page ranks."""


def alike(study: Study, ranked: list[Summary]) -> list[Summary]:
    """Return the summaries of routers that are balanced and serve every token alike."""
    relaxed = {row.balancer for row in study.of(ROUTER) if row.compared_with == "no token rows"}
    return [one for one in ranked if one.quantities["max_vio"].mean <= BALANCED_AT and one.balancer not in relaxed]


def sections(study: Study, exhibits: dict[str, dict[str, Any]]) -> Iterator[Section]:
    """Yield the pages that there is something to show on."""
    yield from _frontiers(study, exhibits.get("frontier", {}))
    yield from _against_skew(study)
    yield from _streams(study, exhibits.get("stream", {}))


def _frontiers(study: Study, curves: dict[str, Any]) -> Iterator[Section]:
    methods = list(study.description.parts[ROUTER].methods)
    panels, told = [], []
    for name, curve in curves.items():
        rows = [row for row in study.of(ROUTER) if row.instance == name and row.error is None]
        rows = [row for row in rows if row.seed == min(row.seed for row in rows)]
        dots = [(methods.index(row.balancer), row["imbalance"], _relative_score(row), _bound(row)) for row in rows]
        label = f"Score against peak load on {name}: the exact frontier with {len(dots)} methods"
        panels.append(Panel(name, charts.frontier(name, curve["points"], dots, label)))
        told += [[name, methods[index], f"{peak:.3f}", f"{score:.2%}"] for index, peak, score, _ in dots]
    if panels:
        yield Section(
            "frontier",
            "The exact frontier",
            "Score over that of the certified balanced optimum, against peak over mean load. No router that gives "
            "every token K experts can be above the line or left of it; what a method loses is its distance to the "
            "line. Hollow: compared with another form (expert choice lets tokens go without experts), which the line "
            "does not bind.",
            legend=[Key("exact frontier", "--ink", "line"), *method_keys(methods)],
            panels=panels,
            folded=[("The dots in numbers", Table(["instance", "method", "peak / mean", "score"], told))],
        )


def _relative_score(row: StudyRow) -> float:
    return next(iter(row.numbers(["score_ratio"])), 1.0)


def _bound(row: StudyRow) -> bool:
    return row.compared_with == "exactly K"


def _against_skew(study: Study) -> Iterator[Section]:
    methods = list(study.description.parts[ROUTER].methods)
    rows = [row for row in study.of(ROUTER) if row.source == "generated" and row.error is None]
    gap = quantities(study, ROUTER)[0]
    panels: list[Panel] = []
    told: list[list[str]] = []

    def add(title: str, own: list[StudyRow], keys: tuple[str, ...], names: dict[Any, str], x: Any, label: str) -> None:
        found: dict[tuple[str, Any], list[float]] = {}
        for row in own:
            found.setdefault((row.balancer, tuple(row[key] for key in keys)), []).append(gap.of(row) or 0.0)
        values = {m: [found.get((m, place), []) for place in names] for m in methods}
        panels.append(_gap_panel(title, methods, values, x, list(names.values()), label))
        told.extend([title, name, *(_mean_gap(values[m][i]) for m in methods)] for i, name in enumerate(names.values()))

    for family, own in _families(rows, "gate", "tokens", "experts", "top_k").items():
        skews = sorted({row["skew"] for row in own})
        if len(skews) > 1:
            title = f"{family[0]}, {family[1]} x {family[2]}, K = {family[3]}"
            add(title, own, ("skew",), {(skew,): f"{skew:g}" for skew in skews}, skews, "skew of popularity")
    for (gate, skew), own in _families(rows, "gate", "skew").items():
        sizes = sorted({(row["experts"], row["tokens"]) for row in own})
        if len(sizes) > 2:
            names = {(experts, tokens): f"{tokens}x{experts}" for experts, tokens in sizes}
            places = range(len(sizes))
            add(f"{gate}, skew {skew:g}, growing", own, ("experts", "tokens"), names, places, "tokens x experts")
    zero = [m for m in methods if all(gap.of(row) == 0 for row in rows if row.balancer == m)]
    if panels:
        yield Section(
            "skew",
            "Regret against skew and size",
            "Generated batches: logits are skew times a standard normal popularity of the expert, plus standard normal "
            "noise. Lines are means over seeds, bands from the least to the largest.",
            legend=method_keys(methods),
            panels=panels,
            notes=[f"At zero throughout, hence one line: {', '.join(zero)}."] if zero else [],
            folded=[("The lines in numbers", Table(["batches", "at", *methods], told))],
        )


def _families(rows: list[StudyRow], *keys: str) -> dict[tuple[Any, ...], list[StudyRow]]:
    found: dict[tuple[Any, ...], list[StudyRow]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def _mean_gap(values: list[float]) -> str:
    return tables.shown(sum(values) / len(values), "share") if values else "failed"


def _gap_panel(
    title: str, methods: list[str], values: dict[str, list[list[float]]], x: Any, ticks: list[str], x_label: str
) -> Panel:
    nan = float("nan")
    means = {i: [sum(v) / len(v) if v else None for v in values[m]] for i, m in enumerate(methods)}
    bands = {
        i: ([min(v, default=nan) for v in values[m]], [max(v, default=nan) for v in values[m]])
        for i, m in enumerate(methods)
    }
    told = "; ".join(f"{m} {_mean_gap(values[m][0])} to {_mean_gap(values[m][-1])}" for m in methods)
    label = f"Regret against {x_label}, {title}, from {ticks[0]} to {ticks[-1]}: {told}"
    svg = charts.lines(title, x, means, label, x_label=x_label, linear_to=0.01, bands=bands, ticks=x, tick_labels=ticks)
    return Panel(title, svg)


def _streams(study: Study, streams: dict[str, Any]) -> Iterator[Section]:
    methods = list(study.description.parts[ROUTER].methods)
    comparators = {len(methods): (MUTED, "--", LAST_PRICES), len(methods) + 1: (INK, ":", FIXED_BIAS)}
    panels, told = [], []
    for run, stream in streams.items():
        series = {index: stream["max_vio"][method] for index, method in enumerate(methods)}
        series |= {index: stream["max_vio"][name] for index, (_, _, name) in comparators.items()}
        averages = {
            name: np.mean([v for v in values if v is not None] or [np.nan])
            for name, values in stream["max_vio"].items()
        }
        label = f"MaxVio over {len(stream['steps'])} recorded steps of {run}; means: " + "; ".join(
            f"{name} {tables.shown(value, 'ratio')}" for name, value in averages.items()
        )
        svg = charts.lines(
            f"stream {run}",
            stream["steps"],
            series,
            label,
            x_label="training step",
            linear_to=0.1,
            percent=False,
            styles={index: (colour, dashes) for index, (colour, dashes, _) in comparators.items()},
            marked=False,
        )
        panels.append(Panel(run, svg))
        told += [[run, name, tables.shown(value, "ratio")] for name, value in averages.items()]
    if panels:
        extra = [Key(name, "--muted" if c == MUTED else "--ink", SHAPES[d]) for c, d, name in comparators.values()]
        yield Section(
            "stream",
            "MaxVio over steps",
            "Consecutive recorded training batches of one layer, each routed once, in order. The router only sees "
            "scores; the model was trained with its own balancing, which the run's name says. The broken lines are "
            "comparators: the exact prices of the batch before, which know the past alone, and the best bias that "
            "never changes, chosen in hindsight.",
            legend=line_keys(methods) + extra,
            panels=panels,
            folded=[("Means over the steps", Table(["run", "router", "AvgMaxVio"], told))],
        )
