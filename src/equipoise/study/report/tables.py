"""The tables of a report, as text: the same in Markdown and on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from equipoise.audits.measures import Unit
from equipoise.audits.run import role_audit
from equipoise.study.rows import StudyRow
from equipoise.study.run import Study
from equipoise.study.statistics import Interval
from equipoise.study.steptime import StepTime
from equipoise.study.summary import (
    Failures,
    Quantity,
    Summary,
    comparisons,
    failures,
    groups,
    quantities,
    refusals,
    summaries,
    value_of,
)
from equipoise.tables import Table


def shown(value: float | None, unit: Unit) -> str:
    """Show a share with two decimals in percent, others with three; "-" for nothing."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.2%}" if unit == "share" else f"{value:.3f}"


def interval(value: Interval, unit: Unit) -> str:
    """Show a mean with the ends of its interval, if it has any."""
    form = "{:+.2%}" if unit == "share" else "{:+.3f}"
    if math.isnan(value.low):
        return "-" if math.isnan(value.mean) else form.format(value.mean)
    mean, low, high = (form.format(one) for one in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]"


def grouped_by(study: Study, role: str) -> list[tuple[int, str]]:
    """Return what rows of a role are grouped by, as far as it differs: its place in a group and its name."""
    found = list(groups(study, role))
    keys = role_audit(role).group_by
    return [(place, key) for place, key in enumerate(keys) if len({group[place] for group in found}) > 1]


def summary_table(study: Study, role: str) -> Table:
    """Return one line per method and group of a role."""
    keys, found = grouped_by(study, role), quantities(study, role)
    rows = summaries(study, role)
    beside = [one for one in found if one.floor]
    head = ["method", *(_title(key) for _, key in keys)]
    head += [title for one in found for title in [one.title, *([f"{one.title}: floor"] if one in beside else [])]]
    head += [f"worst {one.title}" for one in found if not one.estimated]
    head += [] if beside else ["at the bound"]
    refusing = any(one.refused for one in rows)
    head += ["failed", *["refused"] * refusing, *(rows[0].evidence if rows else ()), "worst instance"]
    return Table(head, [_summary(one, keys, found, refusing) for one in rows])


def _summary(one: Summary, keys: list[tuple[int, str]], found: list[Quantity], refusing: bool) -> list[str]:
    cells = [one.balancer, *(str(one.group[key]) for _, key in keys)]
    for quantity in found:
        condensed = one.quantities[quantity.name]
        values = [condensed.mean, *([condensed.floor] if quantity.floor else [])]
        cells += [shown(value, quantity.unit) for value in values]
    cells += [shown(one.quantities[each.name].worst, each.unit) for each in found if not each.estimated]
    cells += [] if any(each.floor for each in found) else [f"{one.zeros}/{one.answered}"]
    cells += [f"{one.failures}/{one.rows}", *[f"{one.refused}/{one.rows}"] * refusing]
    cells += [", ".join(f"{count} {word}" for word, count in words.items()) or "-" for words in one.evidence.values()]
    return [*cells, one.worst_instance if one.gap.worst > 0 else "-"]


def comparison_table(study: Study, role: str) -> Table:
    """Return every method of a role minus its baseline, group by group."""
    keys, found = grouped_by(study, role), quantities(study, role)
    counted = f"{found[0].title} better / equal / worse"
    head = ["method", *(_title(key) for _, key in keys), *(one.title for one in found), counted, "pairs"]
    rows = [
        [one.balancer, *(str(one.group[key]) for _, key in keys)]
        + [interval(one.differences[quantity.name], quantity.unit) for quantity in found]
        + [f"{one.better} / {one.equal} / {one.worse}", f"{one.pairs}/{one.possible}"]
        for one in comparisons(study, role)
    ]
    return Table(head, rows)


def failure_table(study: Study) -> Table:
    """Return what failed, in which way and how often; no rows if nothing did."""
    return Table(*_listed("failure", failures(study)))


def refusal_table(study: Study) -> Table:
    """Return what methods refuse, as they say themselves or the description says; no rows if nothing was."""
    return Table(*_listed("how", refusals(study)))


def _listed(title: str, found: list[Failures]) -> tuple[list[str], list[list[str]]]:
    head = ["role", "method", title, "rows", "first on", "in words"]
    rows = [
        [one.role, one.balancer, one.kind, f"{one.count}/{one.rows}", one.instance, " ".join(one.error.split())]
        for one in found
    ]
    return head, rows


def cells_of(study: Study, role: str) -> str:
    """Return what a cell of :func:`instance_table` says."""
    return f"{' / '.join(one.title for one in _in_cells(study, role))}, means over seeds."


def instance_table(study: Study, role: str) -> Table:
    """Return the quantities of every method on every instance, group by group, means over seeds."""
    keys, found, methods = grouped_by(study, role), _in_cells(study, role), study.description.parts[role].methods
    floors = any(one.floor for one in found)
    lines = []
    for instance in dict.fromkeys(row.instance for row in study.of(role)):
        for group, rows in groups(study, role).items():
            own = [[row for row in rows if (row.instance, row.balancer) == (instance, method)] for method in methods]
            if not any(own):
                continue
            places = [str(group[place]) for place, _ in keys]
            good = [row for several in own for row in several if row.error is None]
            floor = [_pair([mean(good, value_of(one.floor)) for one in found], found)] if floors else []
            lines.append([instance, *places, str(max(map(len, own))), *floor, *(_cell(one, found) for one in own)])
    beside = ["noise floor"] if floors else []
    return Table(["instance", *(_title(key) for _, key in keys), "seeds", *beside, *methods], lines)


def _in_cells(study: Study, role: str) -> list[Quantity]:
    return [one for one in quantities(study, role) if not one.estimated]


def _cell(rows: Sequence[StudyRow], found: Sequence[Quantity]) -> str:
    good = [row for row in rows if row.error is None]
    if not good:
        return "failed" if rows else "-"
    failed = f" ({len(rows) - len(good)} failed)" if len(good) < len(rows) else ""
    return _pair([mean(good, one.of) for one in found], found) + failed


def _pair(values: Sequence[float], found: Sequence[Quantity]) -> str:
    return " / ".join(shown(value, one.unit) for value, one in zip(values, found, strict=True))


def mean(rows: Sequence[StudyRow], of: Callable[[StudyRow], float | None]) -> float:
    """Return the mean of what ``of`` gives of rows; NaN for nothing."""
    values = [value for row in rows if (value := of(row)) is not None]
    return sum(values) / len(values) if values else math.nan


def _title(key: str) -> str:
    return key.replace("_", " ")


def model_table(model: StepTime) -> Table:
    """Return the parameters of the load-to-time model."""
    meanings = {
        "tokens": "tokens of a step, routed together",
        "top_k": "experts per token",
        "devices": "devices of the expert-parallel group",
        "tile": "tokens per tile of the grouped matrix product",
        "hidden": "model width",
        "width": "hidden width of an expert",
        "layers": "MoE layers",
        "teraflops": "sustained 10^12 operations a second per device",
        "gigabytes_per_second": "all-to-all bandwidth of a device, each way",
        "bytes_per_value": "bytes per value sent",
    }
    rows = [[name, str(getattr(model, name)), meaning] for name, meaning in meanings.items()]
    return Table(["parameter", "value", "meaning"], rows)
