"""Measures that have a floor, against what rows are grouped by: a predictor's error against the steps ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from equipoise.audits.run import role_audit
from equipoise.study.report import charts
from equipoise.study.report.layout import Key, Panel, Section, method_keys
from equipoise.study.report.tables import mean, shown
from equipoise.study.rows import StudyRow
from equipoise.study.run import Study
from equipoise.study.summary import Quantity, quantities, value_of
from equipoise.tables import Table


def sections(study: Study, role: str) -> Iterator[Section]:
    """Yield a page a quantity that has a floor, if rows are grouped by one number."""
    methods = study.description.parts[role].methods
    keys = role_audit(role).group_by
    rows = [row for row in study.of(role) if len(keys) == 1 and isinstance(row.about.get(keys[0]), int)]
    families: dict[str, list[StudyRow]] = {}
    for row in rows:
        families.setdefault(_family(row), []).append(row)
    for quantity in (one for one in quantities(study, role) if one.floor and rows):
        key, panels, told = keys[0], [], []
        limits = charts.around([value for row in rows for value in row.numbers([quantity.name, quantity.floor])])
        for name, own in families.items():
            curves = _curves(own, methods, key, quantity)
            if curves.lines:
                label = f"Error {quantity.title} on {name}, {_told(curves, methods, key)}"
                panels.append(Panel(name, charts.horizons(f"{quantity.name} {name}", curves, limits, label)))
                told += [[name, *line] for line in _numbers(curves, len(methods))]
        if panels:
            yield Section(
                f"{key}-{quantity.name.replace('_', '-')}",
                f"Error {quantity.title} against the {key}",
                f"Relative error {quantity.title}, against the steps ahead. Lines are means over the layers of a run "
                "or the seeds of a generated series, bands from the least to the largest. The line without markers is "
                "the noise floor; no forecast can be expected in the shade below it. Errors have one scale in all "
                "panels.",
                legend=[Key("noise floor", "--ink", "line"), *method_keys(methods)],
                panels=panels,
                folded=[("The lines in numbers", Table(["instance", key, "noise floor", *methods], told))],
            )


def _curves(rows: Sequence[StudyRow], methods: Sequence[str], key: str, quantity: Quantity) -> charts.Curves:
    """Return a family's lines; a method that failed on all instances of a group has none."""
    ahead = sorted({int(row[key]) for row in rows})
    lines: dict[int, list[float]] = {}
    bands: dict[int, tuple[list[float], list[float]]] = {}
    for index, method in enumerate(methods):
        own = [row for row in rows if row.balancer == method]
        values = [[value for row in own if row[key] == at for value in row.numbers([quantity.name])] for at in ahead]
        if all(values):
            lines[index] = [sum(found) / len(found) for found in values]
            bands[index] = ([min(found) for found in values], [max(found) for found in values])
    floor = [mean([row for row in rows if row[key] == at], value_of(quantity.floor)) for at in ahead]
    return charts.Curves(ahead, floor, lines, bands)


def _told(curves: charts.Curves, methods: Sequence[str], key: str) -> str:
    last = "; ".join(f"{methods[index]} {shown(values[-1], 'share')}" for index, values in curves.lines.items())
    span = f"{key} {curves.ahead[0]} to {curves.ahead[-1]}"
    return f"{span}; at the end: noise floor {shown(curves.floor[-1], 'share')}; {last}"


def _numbers(curves: charts.Curves, methods: int) -> Iterator[list[str]]:
    for at, place in enumerate(curves.ahead):
        errors = [shown(curves.lines[index][at], "share") if index in curves.lines else "-" for index in range(methods)]
        yield [str(place), shown(curves.floor[at], "share"), *errors]


def _family(row: StudyRow) -> str:
    """Name what a panel shows: a generated series with all its seeds, or a run with all its layers."""
    if row.source == "generated":
        return row.instance
    return row.instance.rpartition("/layer")[0] or "layers of the file"
