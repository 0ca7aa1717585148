"""Predictors in a report: their tables, and error against horizon beside the noise floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from equipoise.study.forecasts import PREDICTOR, common_horizon, horizon_comparisons, horizon_summaries
from equipoise.study.report import charts, words
from equipoise.study.report.layout import Key, Panel, Section, method_keys
from equipoise.study.report.tables import Table, interval, share
from equipoise.study.rows import Row
from equipoise.study.run import Study

CELLS = "Error per step / of the mean, means over seeds."

MEASURES = (
    ("error", "floor", "per step", "Error against horizon: every step"),
    ("mean_error", "mean_floor", "of the mean", "Error against horizon: the horizon's mean"),
)


def summary_table(study: Study) -> Table:
    """Return one line per horizon and predictor."""
    head = ["predictor", "horizon", "per step", "noise floor", "of the mean", "noise floor", "worst per step"]
    rows = [
        [
            one.method,
            str(one.horizon),
            *map(share, (one.error, one.floor, one.mean_error, one.mean_floor, one.worst_error)),
            f"{one.stable}/{one.forecasts}",
            f"{one.failures}/{one.rows}",
            one.worst_instance or "-",
        ]
        for one in horizon_summaries(study)
    ]
    return Table([*head, "stable", "failed", "worst series"], rows, frozenset({0, len(head) + 2}))


def comparison_table(study: Study) -> Table:
    """Return every predictor minus the baseline at every horizon."""
    rows = [
        [
            one.method,
            str(one.horizon),
            interval(one.error, percent=True),
            interval(one.mean_error, percent=True),
            f"{one.better} / {one.equal} / {one.worse}",
            f"{one.pairs}/{one.possible}",
        ]
        for one in horizon_comparisons(study)
    ]
    return Table(["predictor", "horizon", "per step", "of the mean", "better / equal / worse", "pairs"], rows)


def instance_table(study: Study) -> Table:
    """Return the errors of every predictor on every series at every horizon, means over seeds."""
    methods = study.description.parts[PREDICTOR].methods
    cells: dict[tuple[str, int | None], list[Row]] = {}
    for row in study.of(PREDICTOR):
        cells.setdefault((row.instance, row.horizon), []).append(row)
    found = []
    for (instance, horizon), rows in cells.items():
        floor = _mean(rows, "floor"), _mean(rows, "mean_floor")
        of_methods = [[row for row in rows if row.method == method] for method in methods]
        found.append([instance, str(horizon), str(len(of_methods[0])), _pair(*floor), *map(_cell, of_methods)])
    return Table(["series", "horizon", "seeds", "noise floor", *methods], found)


def besides(study: Study) -> str:
    """Say how many rows are predictors', which nothing certifies."""
    count = len(study.of(PREDICTOR))
    return f", {count} of predictors beside a noise floor" if count else ""


def lead(study: Study) -> str:
    """Say which predictors err least, at the horizon that most series have."""
    horizon = common_horizon(study)
    own = [one for one in horizon_summaries(study) if one.horizon == horizon and one.rows > one.failures]
    told = ", ".join(f"{one.method} {share(one.error)}" for one in sorted(own, key=lambda one: one.error)) or "none"
    floor = f" (noise floor {share(own[0].floor)})" if own else ""
    return f"{words.ROLES[PREDICTOR]} by their error per step over {horizon} steps{floor}: {told}."


def forecast_sections(study: Study) -> list[Section]:
    """Return the overview of predictors, and their errors against the horizon, per step and of the mean."""
    baseline = study.description.baseline_of(PREDICTOR)
    overview = Section(
        PREDICTOR,
        words.ROLES[PREDICTOR],
        words.GAPS[PREDICTOR],
        notes=[words.FORECASTS],
        shown=[summary_table(study)],
        folded=[
            (f"Compared with {baseline}, in numbers", comparison_table(study)),
            (f"Every series. {CELLS}", instance_table(study)),
        ],
    )
    return [overview, *_against_horizon(study)]


def _against_horizon(study: Study) -> Iterator[Section]:
    methods = study.description.parts[PREDICTOR].methods
    families: dict[str, list[Row]] = {}
    for row in study.of(PREDICTOR):
        families.setdefault(_family(row), []).append(row)
    for error, floor, named, title in MEASURES:
        panels, told = [], []
        shown = [getattr(row, name) for rows in families.values() for row in rows for name in (error, floor)]
        limits = charts.around([value for value in shown if value is not None])
        for name, rows in families.items():
            curves = _curves(rows, list(methods), error, floor)
            if curves.lines:
                label = f"Error {named} of forecasts on {name}, {_told(curves, methods)}"
                panels.append(Panel(name, charts.horizons(f"{error} {name}", curves, limits, label)))
                told += [[name, *line] for line in _numbers(curves, len(methods))]
        if panels:
            yield Section(
                f"horizon-{error.replace('_', '-')}",
                title,
                f"Relative error {named}, against the steps ahead. Lines are means over the layers of a run or the "
                "seeds of a generated series, bands from the least to the largest. The line without markers is the "
                "noise floor; no forecast can be expected in the shade below it. Errors have one scale in all panels.",
                legend=[Key("noise floor", "--ink", "line"), *method_keys(methods)],
                panels=panels,
                folded=[("The lines in numbers", Table(["series", "horizon", "noise floor", *methods], told))],
            )


def _curves(rows: list[Row], methods: list[str], error: str, floor: str) -> charts.Curves:
    """Return a family's lines; a method that failed on all series of a horizon has none."""
    ahead = sorted({row.horizon or 0 for row in rows})
    lines: dict[int, list[float]] = {}
    bands: dict[int, tuple[list[float], list[float]]] = {}
    for index, method in enumerate(methods):
        at = [[row for row in rows if (row.method, row.horizon) == (method, horizon)] for horizon in ahead]
        values = [[getattr(row, error) for row in own if row.failure is None] for own in at]
        if all(values):
            lines[index] = [sum(own) / len(own) for own in values]
            bands[index] = ([min(own) for own in values], [max(own) for own in values])
    floors = [_mean([row for row in rows if row.horizon == horizon], floor) for horizon in ahead]
    return charts.Curves(ahead, floors, lines, bands)


def _told(curves: charts.Curves, methods: Sequence[str]) -> str:
    last = "; ".join(f"{methods[index]} {share(values[-1])}" for index, values in curves.lines.items())
    span = f"{curves.ahead[0]} to {curves.ahead[-1]} steps ahead"
    return f"{span}; at the end: noise floor {share(curves.floor[-1])}; {last}"


def _numbers(curves: charts.Curves, methods: int) -> Iterator[list[str]]:
    for at, horizon in enumerate(curves.ahead):
        errors = [share(curves.lines[index][at]) if index in curves.lines else "-" for index in range(methods)]
        yield [str(horizon), share(curves.floor[at]), *errors]


def _family(row: Row) -> str:
    """Name what a panel shows: a generated series with all its seeds, or a run with all its layers."""
    if row.source == "generated":
        return row.instance
    return row.instance.rpartition("/layer")[0] or "layers of the file"


def _mean(rows: list[Row], name: str) -> float:
    values = [getattr(row, name) for row in rows if row.failure is None]
    return sum(values) / len(values) if values else float("nan")


def _cell(rows: list[Row]) -> str:
    failed = sum(row.failure is not None for row in rows)
    if failed == len(rows):
        return "failed"
    return _pair(_mean(rows, "error"), _mean(rows, "mean_error")) + (f" ({failed} failed)" if failed else "")


def _pair(step: float, mean: float) -> str:
    return f"{share(step)} / {share(mean)}"
