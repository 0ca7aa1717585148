"""What stands on the page, in order: sections of panels, each with its legend, its words and its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.audit.stream import FIXED_BIAS, LAST_PRICES
from equipoise.study.forecasts import PREDICTOR
from equipoise.study.report import charts, tables, words
from equipoise.study.report.forecasts import forecast_sections
from equipoise.study.report.ink import INK, MUTED, marker
from equipoise.study.report.kill_matrix import Matrix, kill_section
from equipoise.study.report.layout import Key, Panel, Section, line_keys, method_keys
from equipoise.study.report.tables import Table
from equipoise.study.report.training import TrainingRun, training_section
from equipoise.study.rows import Row
from equipoise.study.run import Study
from equipoise.study.summary import comparisons, summaries

SHAPES = {"-": "line", "--": "dashed", ":": "dotted"}


@dataclass(frozen=True)
class Extra:
    """What others made: training runs' loads, and which check catches which faulty balancer."""

    training: list[TrainingRun] | None = None
    kill_matrix: dict[str, Matrix] | None = None


def sections(study: Study, exhibits: dict[str, dict[str, Any]], extra: Extra) -> list[Section]:
    """Return the sections that there is something to show in."""
    found: list[Section] = []
    roles = study.description.parts
    if "router" in roles:
        found += [_overview(study, "router")]
        found += list(_frontiers(study, exhibits.get("frontier", {})))
        found += list(_against_skew(study))
        found += list(_streams(study, exhibits.get("stream", {})))
    if extra.training is not None:
        found.append(training_section(extra.training))
    found += list(_heat(exhibits.get("heat", {})))
    found += [_overview(study, role) for role in ("scheduler", "placer") if role in roles]
    found += list(_devices(exhibits.get("devices", {})))
    if PREDICTOR in roles:
        found += forecast_sections(study)
    if set(roles) != {PREDICTOR}:
        found.append(_model(study))
    if extra.kill_matrix is not None:
        found.append(kill_section(extra.kill_matrix))
    return found


def _overview(study: Study, role: str) -> Section:
    methods = list(study.description.parts[role].methods)
    baseline = study.description.baseline_of(role)
    compared = {one.method: one for one in comparisons(study, role) if one.pairs}
    panels = []
    for title, attribute, percent, unit in (
        ("Gap", "gap", True, "difference in gap"),
        ("MaxVio", "max_vio", False, "difference in MaxVio"),
    ):
        intervals = {name: (methods.index(name), getattr(one, attribute)) for name, one in compared.items()}
        told = "; ".join(f"{name} {tables.interval(i, percent=percent)}" for name, (_, i) in intervals.items())
        label = f"{title} of every method minus that of {baseline}, with 95 % intervals: {told}"
        if intervals:
            svg = charts.forest(f"{role} {title}", intervals, label, percent=percent, x_label=f"{unit} from {baseline}")
            panels.append(Panel(f"{title}, minus {baseline}'s", svg))
    return Section(
        role,
        words.ROLES[role],
        words.GAPS[role],
        panels=panels,
        notes=[words.MEANS, words.PAIRS] if role == next(iter(study.description.parts)) else [words.AS_ABOVE],
        shown=[tables.summary_table(study, role)],
        folded=[
            (f"Compared with {baseline}, in numbers", tables.comparison_table(study, role)),
            ("Every instance: gap / MaxVio, means over seeds", tables.instance_table(study, role)),
        ],
    )


def _frontiers(study: Study, curves: dict[str, Any]) -> Iterator[Section]:
    methods = list(study.description.parts["router"].methods)
    panels, told = [], []
    for name, curve in curves.items():
        rows = [row for row in study.of("router") if row.instance == name and row.failure is None]
        rows = [row for row in rows if row.seed == min(row.seed for row in rows)]
        dots = [
            (methods.index(row.method), row.imbalance or 1.0, _relative_score(row), row.held_against == "exactly K")
            for row in rows
        ]
        label = f"Score against peak load on {name}: the exact frontier with {len(dots)} methods"
        panels.append(Panel(name, charts.frontier(name, curve["points"], dots, label)))
        told += [[name, methods[index], f"{peak:.3f}", f"{score:.2%}"] for index, peak, score, _ in dots]
    if panels:
        yield Section(
            "frontier",
            "The exact frontier",
            "Score over that of the certified balanced optimum, against peak over mean load. No router that gives "
            "every token K experts can be above the line or left of it; what a method loses is its distance to the "
            "line. Hollow: held against another form (expert choice lets tokens go without experts), which the line "
            "does not bind.",
            legend=[Key("exact frontier", "--ink", "line"), *method_keys(methods)],
            panels=panels,
            folded=[
                ("The dots in numbers", Table(["instance", "method", "peak / mean", "score"], told, frozenset({0, 1})))
            ],
        )


def _relative_score(row: Row) -> float:
    return (row.found_value or 0.0) / row.balanced_value if row.balanced_value else 1.0


def _against_skew(study: Study) -> Iterator[Section]:
    methods = list(study.description.parts["router"].methods)
    rows = [row for row in study.of("router") if row.source == "generated" and row.failure is None]
    families = dict.fromkeys((row.gate, row.tokens, row.experts, row.top_k) for row in rows)
    panels, told = [], []
    for family in families:
        own = [row for row in rows if (row.gate, row.tokens, row.experts, row.top_k) == family]
        skews = sorted({row.skew or 0.0 for row in own})
        if len(skews) < 2:
            continue
        title = f"{family[0]}, {family[1]} x {family[2]}, K = {family[3]}"
        values = {m: [_gaps(own, m, skew) for skew in skews] for m in methods}
        panels.append(_gap_panel(title, methods, values, skews, [f"{skew:g}" for skew in skews], "skew of popularity"))
        told += [[title, f"{skew:g}", *(_mean_gap(values[m][at]) for m in methods)] for at, skew in enumerate(skews)]
    for gate, skew in dict.fromkeys((row.gate, row.skew) for row in rows):
        own = [row for row in rows if (row.gate, row.skew) == (gate, skew)]
        sizes = sorted({(row.experts or 0, row.tokens or 0) for row in own})
        if len(sizes) < 3:
            continue
        title = f"{gate}, skew {skew:g}, growing"
        values = {m: [_gaps([r for r in own if (r.experts, r.tokens) == s], m, skew) for s in sizes] for m in methods}
        names = [f"{tokens}x{experts}" for experts, tokens in sizes]
        panels.append(_gap_panel(title, methods, values, list(range(len(sizes))), names, "tokens x experts"))
        told += [[title, name, *(_mean_gap(values[m][at]) for m in methods)] for at, name in enumerate(names)]
    zero = [m for m in methods if all(row.gap == 0 for row in rows if row.method == m)]
    if panels:
        yield Section(
            "skew",
            "Gap against skew and size",
            "Generated batches: logits are skew times a standard normal popularity of the expert, plus standard normal "
            "noise. Lines are means over seeds, bands from the least to the largest.",
            legend=method_keys(methods),
            panels=panels,
            notes=[f"At zero throughout, hence one line: {', '.join(zero)}."] if zero else [],
            folded=[("The lines in numbers", Table(["batches", "at", *methods], told, frozenset({0})))],
        )


def _gaps(rows: list[Row], method: str, skew: float | None) -> list[float]:
    return [row.gap or 0.0 for row in rows if row.method == method and row.skew == skew]


def _mean_gap(values: list[float]) -> str:
    return tables.share(sum(values) / len(values)) if values else "failed"


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
    label = f"Gap against {x_label}, {title}, from {ticks[0]} to {ticks[-1]}: {told}"
    svg = charts.lines(title, x, means, label, x_label=x_label, linear_to=0.01, bands=bands, ticks=x, tick_labels=ticks)
    return Panel(title, svg)


def _streams(study: Study, streams: dict[str, Any]) -> Iterator[Section]:
    methods = list(study.description.parts["router"].methods)
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
            f"{name} {tables.number(value)}" for name, value in averages.items()
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
        told += [[run, name, tables.number(value)] for name, value in averages.items()]
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
            folded=[("Means over the steps", Table(["run", "router", "AvgMaxVio"], told, frozenset({0, 1})))],
        )


def _heat(maps: dict[str, Any]) -> Iterator[Section]:
    panels, told = [], []
    for run, heat in maps.items():
        load = np.array(heat["load"])
        label = (
            f"Load of {len(load)} experts over {heat['steps']} training steps of {run}; the most loaded expert is at "
            f"{load.max():.2f} times the mean at its highest and {load[:, -1].max():.2f} at the end"
        )
        light, dark = (charts.heat(run, heat["load"], heat["steps"], label, dark=dark) for dark in (False, True))
        panels.append(Panel(run, light, dark))
        told.append([run, f"{load.max():.3f}", f"{load[:, -1].max():.3f}", f"{load[:, -1].min():.3f}"])
    if panels:
        head = ["run", "highest load / mean", "highest at the end", "lowest at the end"]
        yield Section(
            "heat",
            "Who carries the load",
            "Tokens of every expert at every training step of the recorded runs, over the mean; experts are sorted by "
            "their load over the whole run, steps averaged where there are more than fit.",
            panels=panels,
            scale=True,
            folded=[("In numbers", Table(head, told))],
        )


def _devices(records: dict[str, Any]) -> Iterator[Section]:
    panels, told = [], []
    for name, record in records.items():
        peaks = {key: max(values) for key, values in record["loads"].items()}
        label = f"Device loads on {name}, peak over mean: " + "; ".join(f"{k} {v:.3f}" for k, v in peaks.items())
        panels.append(Panel(name, charts.devices(name, record["loads"], label)))
        sizes = f"{record['slots']} slots on {record['devices']} devices"
        told.append([name, sizes, *(f"{peaks[key]:.4f}" for key in ("before", "placed", "scheduled"))])
    if panels:
        head = ["record", "sizes", "one home each", "EPLB, shared evenly", "EPLB, certified best split"]
        yield Section(
            "devices",
            "Devices before and after",
            "Load over the mean. Bars: every expert has one home, in order. Then EPLB's replicas and placement, "
            "sharing evenly, and the same placement with the certified best split of whole tokens. The broken line is "
            "the mean, below which no peak can be.",
            legend=[
                Key("one home each", "--rule", "bar"),
                *(
                    Key(label, f"--c{charts.DEVICES[key]}", marker(charts.DEVICES[key]))
                    for key, label in (("placed", "EPLB, shared evenly"), ("scheduled", "EPLB, certified best split"))
                ),
            ],
            panels=panels,
            folded=[("Peaks over the mean", Table(head, told, frozenset({0, 1})))],
        )


def _model(study: Study) -> Section:
    model, panels = study.description.time, []
    rows: list[list[str]] = []
    for role in (role for role in study.description.parts if role != PREDICTOR):
        times = {}
        for index, one in enumerate(summaries(study, role)):
            good = [row for row in study.of(role) if row.method == one.method and row.failure is None]
            if good:
                both = [(model.compute(row.imbalance or 1.0), model.transfer(row.imbalance or 1.0)) for row in good]
                compute, transfer = (model.layers * sum(pair[at] for pair in both) / len(both) for at in (0, 1))
                times[one.method] = (index, compute, transfer)
                rows.append(
                    [words.ROLES[role], one.method, f"{compute:.3f}", f"{transfer:.3f}", f"{compute + transfer:.3f}"]
                )
        if times:
            told = "; ".join(f"{name} {compute + transfer:.3f}" for name, (_, compute, transfer) in times.items())
            even = f"{model.step(1.0):.3f} in perfect balance"
            label = f"Estimated seconds a step of {words.ROLES[role].lower()}, {even}: {told}"
            panels.append(Panel(words.ROLES[role], charts.step_times(role, times, model.step(1.0), label)))
    head = ["role", "method", "matrix products (s)", "transfer (s)", "step (s)"]
    return Section(
        "time",
        "What it may cost: an estimate",
        f"{words.MODEL} Full colour: matrix products; pale: transfer. Broken line: perfect balance, "
        f"{model.step(1.0):.3f} s. Change the parameters under [time] in the description.",
        panels=panels,
        notes=[words.FORMULA],
        folded=[
            ("The model's parameters", tables.model_table(model)),
            ("In numbers", Table(head, rows, frozenset({0, 1}))),
        ],
    )
