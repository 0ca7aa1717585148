"""What stands on the page, in order: sections of panels, each with its legend, its words and its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.study.report import charts, floors, routers, tables, words
from equipoise.study.report.kill_matrix import Matrix, kill_section
from equipoise.study.report.layout import Key, Panel, Section
from equipoise.study.report.svg import marker
from equipoise.study.report.training import TrainingRun, training_section
from equipoise.study.run import Study
from equipoise.study.summary import IMBALANCE, comparisons, quantities
from equipoise.tables import Table


@dataclass(frozen=True)
class Extra:
    """What others made: training runs' loads, and which check catches which faulty balancer."""

    training: list[TrainingRun] | None = None
    kill_matrix: dict[str, Matrix] | None = None


def sections(study: Study, exhibits: dict[str, dict[str, Any]], extra: Extra) -> list[Section]:
    """Return the sections that there is something to show in."""
    found: list[Section] = []
    for role in study.description.parts:
        found.append(_overview(study, role))
        found += routers.sections(study, exhibits) if role == routers.ROUTER else []
        found += floors.sections(study, role)
    if extra.training is not None:
        found.append(training_section(extra.training))
    found += [*_heat(exhibits.get("heat", {})), *_devices(exhibits.get("devices", {})), *_model(study)]
    if extra.kill_matrix is not None:
        found.append(kill_section(extra.kill_matrix))
    return found


def _overview(study: Study, role: str) -> Section:
    first = role == next(iter(study.description.parts))
    baseline = study.description.baseline_of(role)
    return Section(
        role,
        words.heading(role),
        words.legend(study, role),
        panels=[] if tables.grouped_by(study, role) else list(_forests(study, role)),
        notes=[words.means(study, role), *([words.PAIRS] if first else [])],
        shown=[tables.summary_table(study, role)],
        folded=[
            (f"Compared with {baseline}, in numbers", tables.comparison_table(study, role)),
            (f"Every instance: {tables.cells_of(study, role)}", tables.instance_table(study, role)),
        ],
    )


def _forests(study: Study, role: str) -> Iterator[Panel]:
    """Yield a panel a quantity: every method minus the baseline."""
    methods = list(study.description.parts[role].methods)
    baseline = study.description.baseline_of(role)
    compared = {one.balancer: one for one in comparisons(study, role) if one.pairs}
    for quantity in (one for one in quantities(study, role) if not one.estimated):
        title, unit = quantity.title, quantity.unit
        intervals = {name: (methods.index(name), one.differences[quantity.name]) for name, one in compared.items()}
        told = "; ".join(f"{name} {tables.interval(interval, unit)}" for name, (_, interval) in intervals.items())
        label = f"{title} of every method minus that of {baseline}, with 95 % intervals: {told}"
        if intervals:
            x_label = f"difference in {title} from {baseline}"
            svg = charts.forest(f"{role} {title}", intervals, label, percent=unit == "share", x_label=x_label)
            yield Panel(f"{title[:1].upper()}{title[1:]}, minus {baseline}'s", svg)


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
            folded=[("Peaks over the mean", Table(head, told))],
        )


def _model(study: Study) -> Iterator[Section]:
    """Yield what imbalance may cost, if any role has one."""
    model, panels = study.description.time, []
    rows: list[list[str]] = []
    for role, part in study.description.parts.items():
        times = {}
        for index, method in enumerate(part.methods):
            loads = [value for row in study.of(role) if row.balancer == method for value in row.numbers([IMBALANCE])]
            if loads:
                both = [(model.compute(load), model.transfer(load)) for load in loads]
                compute, transfer = (model.layers * sum(pair[at] for pair in both) / len(both) for at in (0, 1))
                times[method] = (index, compute, transfer)
                seconds = [f"{value:.3f}" for value in (compute, transfer, compute + transfer)]
                rows.append([words.heading(role), method, *seconds])
        if times:
            told = "; ".join(f"{name} {compute + transfer:.3f}" for name, (_, compute, transfer) in times.items())
            even = f"{model.step(1.0):.3f} in perfect balance"
            label = f"Estimated seconds a step of {role}s, {even}: {told}"
            panels.append(Panel(words.heading(role), charts.step_times(role, times, model.step(1.0), label)))
    head = ["role", "method", "matrix products (s)", "transfer (s)", "step (s)"]
    if panels:
        yield Section(
            "time",
            "What it may cost: an estimate",
            f"{words.MODEL} Full colour: matrix products; pale: transfer. Broken line: perfect balance, "
            f"{model.step(1.0):.3f} s. Change the parameters under [time] in the description.",
            panels=panels,
            notes=[words.FORMULA],
            folded=[("The model's parameters", tables.model_table(model)), ("In numbers", Table(head, rows))],
        )
