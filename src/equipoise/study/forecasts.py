"""The predictors of a study condensed: one line per method and horizon, and its comparison with the baseline."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.study.rows import Row
from equipoise.study.run import Study
from equipoise.study.statistics import Interval, shifted_geometric_mean
from equipoise.study.summary import GAP_SHIFT, difference, paired, signs

PREDICTOR = "predictor"


@dataclass(frozen=True)
class HorizonSummary:
    """One predictor at one horizon; failures are counted and part of no mean.

    Attributes
    ----------
    rows, failures
        Series on which the horizon fits, seeds counted one by one, and how many of them failed.
    forecasts, stable
        Over all series, and those made in the stable state.
    error, floor
        Relative L1 error per step and its noise floor: shifted geometric means over series and seeds.
    mean_error, mean_floor
        The same of the horizon's mean.
    worst_error, worst_instance
        The largest error per step and where.
    """

    role: str
    method: str
    horizon: int
    rows: int
    failures: int
    forecasts: int
    stable: int
    error: float
    floor: float
    mean_error: float
    mean_floor: float
    worst_error: float
    worst_instance: str


@dataclass(frozen=True)
class HorizonComparison:
    """A predictor minus the baseline at one horizon, on the same series and seeds; negative is better.

    ``pairs`` of ``possible`` count: both must have an answer. ``better``, ``equal`` and ``worse``: by error per step.
    """

    role: str
    method: str
    baseline: str
    horizon: int
    pairs: int
    possible: int
    error: Interval
    mean_error: Interval
    better: int
    equal: int
    worse: int


def horizons(study: Study) -> list[int]:
    """Return the horizons that fit a series at least."""
    return sorted({row.horizon for row in study.of(PREDICTOR) if row.horizon is not None})


def horizon_summaries(study: Study) -> list[HorizonSummary]:
    """Return one line per horizon and predictor."""
    if PREDICTOR not in study.description.parts:
        return []
    methods = study.description.parts[PREDICTOR].methods
    return [_summary(study, method, horizon) for horizon in horizons(study) for method in methods]


def horizon_comparisons(study: Study) -> list[HorizonComparison]:
    """Return every predictor against the baseline at every horizon."""
    if PREDICTOR not in study.description.parts:
        return []
    baseline = study.description.baseline_of(PREDICTOR)
    methods = [method for method in study.description.parts[PREDICTOR].methods if method != baseline]
    return [_comparison(study, method, baseline, horizon) for horizon in horizons(study) for method in methods]


def common_horizon(study: Study) -> int:
    """Return the longest of the horizons that fit the most series."""
    rows = study.of(PREDICTOR)
    counts = {horizon: sum(row.horizon == horizon for row in rows) for horizon in horizons(study)}
    return max(counts, key=lambda horizon: (counts[horizon], horizon))


def _summary(study: Study, method: str, horizon: int) -> HorizonSummary:
    rows = [row for row in study.of(PREDICTOR) if (row.method, row.horizon) == (method, horizon)]
    good = [row for row in rows if row.failure is None]
    worst = max(good, key=_error, default=None)

    def mean(column: str) -> float:
        return shifted_geometric_mean([getattr(row, column) or 0.0 for row in good], GAP_SHIFT)

    return HorizonSummary(
        PREDICTOR,
        method,
        horizon,
        len(rows),
        len(rows) - len(good),
        sum(row.forecasts or 0 for row in good),
        sum(row.stable or 0 for row in good),
        mean("error"),
        mean("floor"),
        mean("mean_error"),
        mean("mean_floor"),
        float("nan") if worst is None else _error(worst),
        "" if worst is None else worst.instance,
    )


def _comparison(study: Study, method: str, baseline: str, horizon: int) -> HorizonComparison:
    rows = [row for row in study.of(PREDICTOR) if row.horizon == horizon]
    possible, both = paired(rows, method, baseline)
    return HorizonComparison(
        PREDICTOR,
        method,
        baseline,
        horizon,
        len(both),
        possible,
        difference(both, _error),
        difference(both, lambda row: row.mean_error or 0.0),
        *signs(both, _error),
    )


def _error(row: Row) -> float:
    return row.error or 0.0
