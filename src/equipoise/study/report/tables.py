"""The tables of a report, as text: the same in Markdown and on the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from equipoise.study.rows import Row
from equipoise.study.run import Study
from equipoise.study.statistics import Interval
from equipoise.study.steptime import StepTime
from equipoise.study.summary import Comparison, MethodSummary, comparisons, failures, summaries


@dataclass(frozen=True)
class Table:
    """A head and rows of text; ``text_columns`` are aligned left, the others right."""

    head: list[str]
    rows: list[list[str]]
    text_columns: frozenset[int] = frozenset({0})

    def markdown(self) -> str:
        """Return the table in Markdown, one row a line."""
        align = ["---" if column in self.text_columns else "---:" for column in range(len(self.head))]
        lines = [self.head, align, *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def share(value: float) -> str:
    """Show a share with two decimals; "-" for nothing."""
    return "-" if math.isnan(value) else f"{value:.2%}"


def number(value: float) -> str:
    """Show three decimals; "-" for nothing."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def interval(value: Interval, *, percent: bool = False) -> str:
    """Show a mean with the ends of its interval, if it has any."""
    if math.isnan(value.mean):
        return "-"
    form = "{:+.2%}" if percent else "{:+.3f}"
    if math.isnan(value.low):
        return form.format(value.mean)
    mean, low, high = (form.format(one) for one in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]"


def summary_table(study: Study, role: str) -> Table:
    """Return one line per method of a role."""
    head = ["method", "gap", "MaxVio", "est. step (s)", "worst gap", "worst MaxVio", "at the bound", "certified"]
    return Table([*head, "failed", "worst instance"], [_summary(one) for one in summaries(study, role)], _ends(10))


def _summary(one: MethodSummary) -> list[str]:
    answered = one.rows - one.failures
    return [
        one.method,
        share(one.gap),
        number(one.max_vio),
        number(one.step_seconds),
        share(one.worst_gap),
        number(one.worst_max_vio),
        f"{one.optimal}/{answered}",
        f"{one.certified}/{answered}",
        f"{one.failures}/{one.rows}",
        one.worst_instance if one.worst_gap > 0 else "-",
    ]


def comparison_table(study: Study, role: str) -> Table:
    """Return every method of a role minus its baseline."""
    head = ["method", "gap", "MaxVio", "est. step (s)", "gap better / equal / worse", "pairs"]
    return Table(head, [_comparison(one) for one in comparisons(study, role)])


def _comparison(one: Comparison) -> list[str]:
    return [
        one.method,
        interval(one.gap, percent=True),
        interval(one.max_vio),
        interval(one.step_seconds),
        f"{one.better} / {one.equal} / {one.worse}",
        f"{one.pairs}/{one.possible}",
    ]


def failure_table(study: Study) -> Table:
    """Return what failed, in which way and how often; no rows if nothing did."""
    head = ["role", "method", "failure", "rows", "first on", "in words"]
    rows = [
        [one.role, one.method, one.failure, f"{one.count}/{one.rows}", one.instance, " ".join(one.words.split())]
        for one in failures(study)
    ]
    return Table(head, rows, frozenset({0, 1, 2, 4, 5}))


def instance_table(study: Study, role: str) -> Table:
    """Return gap and MaxVio of every method on every instance, means over seeds."""
    methods = study.description.parts[role].methods
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in study.of(role):
        cells.setdefault((row.instance, row.method), []).append(row)
    names = list(dict.fromkeys(instance for instance, _ in cells))
    rows = [[name, str(len(cells[name, methods[0]])), *(_cell(cells[name, m]) for m in methods)] for name in names]
    return Table(["instance", "seeds", *methods], rows)


def _cell(rows: list[Row]) -> str:
    good = [row for row in rows if row.failure is None]
    if not good:
        return "failed"
    gap = sum(row.gap or 0.0 for row in good) / len(good)
    vio = sum((row.imbalance or 1.0) - 1 for row in good) / len(good)
    return f"{share(gap)} / {number(vio)}" + (f" ({len(rows) - len(good)} failed)" if len(good) < len(rows) else "")


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
    return Table(["parameter", "value", "meaning"], rows, frozenset({0, 2}))


def _ends(columns: int) -> frozenset[int]:
    return frozenset({0, columns - 1})
