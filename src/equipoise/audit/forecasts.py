"""Predictors against what came: relative errors beside the noise that nobody can predict."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from equipoise.audit.devices import mean_of
from equipoise.audit.rows import SeriesRow
from equipoise.audit.run import environment
from equipoise.errors import InvalidProblem, TargetError, TargetUnable
from equipoise.series import Errors, forecast_errors, noise_floor, transient
from equipoise.targets import Target
from equipoise.traces import LoadSeries

HORIZONS = (1, 10, 100, 1000, 2000)
"""Steps ahead: those of arXiv 2404.16914 are 1,000 and 2,000."""

ORIGINS = 4
"""Steps of a series after which forecasts are made."""


@dataclass(frozen=True)
class ForecastRow(SeriesRow):
    """One forecast of one series, made after ``origin`` steps, up to one horizon.

    Attributes
    ----------
    state
        "stable" or "transient" at the origin, by :func:`equipoise.series.transient`, which sees the history alone.
    errors, floor
        Relative errors, and those expected of one who knows the true shares.
    seconds
        Of the call, which forecasts up to the longest horizon.
    """

    state: str
    floor: Errors
    errors: Errors | None = None
    seconds: float | None = None

    @property
    def gaps(self) -> dict[str, float]:
        """The four errors; infinite where there is no forecast."""
        return asdict(self.errors or Errors(math.inf, math.inf, math.inf, math.inf))


@dataclass(frozen=True)
class ForecastSummary:
    """One predictor at one horizon: means over its forecasts; ``stable`` are those made in the stable state.

    ``worst`` names the series and origin with the largest error per step over its floor.
    """

    method: str
    horizon: int
    forecasts: int
    failed: int
    stable: int
    errors: Errors
    floor: Errors
    stable_errors: Errors
    stable_floor: Errors
    mean_seconds: float
    worst: str


@dataclass(frozen=True)
class SeriesState:
    """One series: its length, the share of its steps that are transient, and the first step that is not."""

    instance: str
    generated: bool
    steps: int
    experts: int
    transient: float
    first_stable: int | None


@dataclass(frozen=True)
class ForecastAudit:
    """All rows, the state of every series, what was left out and why, and where it was made."""

    rows: list[ForecastRow]
    states: list[SeriesState]
    omitted: list[str]
    environment: dict[str, str] = field(default_factory=environment)


def audit_predictors(
    targets: Sequence[Target],
    series: Sequence[LoadSeries],
    *,
    horizons: Sequence[int] = HORIZONS,
    origins: int = ORIGINS,
    lessons: Sequence[LoadSeries] = (),
    progress: Callable[[LoadSeries], None] | None = None,
) -> ForecastAudit:
    """Hold forecasts against what came.

    The origins of a series are evenly spaced; before the first there is at least as much history, and after the last
    as much truth, as the longest horizon that fits a series twice. A predictor is called once per origin, for that
    horizon; shorter horizons are the beginning of its forecast. One that is trained learns from the next run with as
    many experts, never from the run that it is tested on.

    Parameters
    ----------
    horizons
        Steps ahead, 1 or more.
    origins
        How many per series.
    lessons
        More series to learn from, of which nothing is forecast.
    progress
        Called after every series and predictor.

    Raises
    ------
    InvalidProblem
        If a horizon is no positive number.
    """
    horizons = sorted(set(horizons))
    if not horizons or horizons[0] < 1:
        raise InvalidProblem("horizons", str(horizons), "one or more positive numbers of steps")
    rows: list[ForecastRow] = []
    cases = {one.name: list(_cases(one, horizons, origins)) for one in series}
    for target in targets:
        for one, obstacle in taught(target, series, lessons):
            rows += [row for case in cases[one.name] for row in _forecast(target, case, obstacle)]
            if progress is not None:
                progress(one)
    states = [state_of(one) for one in series]
    return ForecastAudit(rows, states, _omitted(series, horizons))


def origins_of(steps: int, horizons: Sequence[int], count: int) -> tuple[list[int], list[int]]:
    """Return the horizons that fit a series of so many steps twice, and its origins; none of either if none fits."""
    fitting = [horizon for horizon in horizons if 2 * horizon <= steps]
    if not fitting:
        return [], []
    spaced = np.linspace(steps - fitting[-1], fitting[-1], count)[::-1]
    return fitting, sorted({round(origin) for origin in spaced})


def state_of(series: LoadSeries) -> SeriesState:
    """Return what the detector says of a whole series."""
    moving = transient(series.loads)
    first = None if moving.all() else int(moving.argmin())
    steps, experts = series.loads.shape
    return SeriesState(series.name, series.generated, steps, experts, float(moving.mean()), first)


def summarise_forecasts(rows: Sequence[ForecastRow]) -> list[ForecastSummary]:
    """Return one line per predictor and horizon, in the order of the rows."""
    groups: dict[tuple[str, int], list[ForecastRow]] = {}
    for row in rows:
        groups.setdefault((row.method, row.horizon), []).append(row)
    methods = list(dict.fromkeys(row.method for row in rows))
    ordered = sorted(groups, key=lambda key: (methods.index(key[0]), key[1]))
    return [_summary(*key, groups[key]) for key in ordered]


def trained_on(series: Sequence[LoadSeries], run: str, experts: int) -> list[LoadSeries]:
    """Return the series of the next run, in alphabetical order and round, with as many experts; none if there is none.

    Generated series are taught by generated ones only, recorded ones by recorded ones.
    """
    alike = [one for one in series if one.loads.shape[1] == experts]
    generated = {one.run: one.generated for one in alike}
    runs = sorted(name for name in generated if generated[name] == generated.get(run))
    if len(runs) < 2:
        return []
    chosen = runs[(runs.index(run) + 1) % len(runs)]
    return [one for one in alike if one.run == chosen]


def taught(
    target: Target, series: Sequence[LoadSeries], lessons: Sequence[LoadSeries] = ()
) -> Iterator[tuple[LoadSeries, TargetError | None]]:
    """Yield every series once the predictor has learnt what it needs for it, with what stands against that, if any."""
    ready, obstacle = None, None
    for one in sorted(series, key=lambda one: (one.run, one.loads.shape[1])):  # one lesson for all that share both
        if target.trainable and ready != (one.run, one.loads.shape[1]):
            ready, obstacle = (one.run, one.loads.shape[1]), _teach(target, one, [*series, *lessons])
        yield one, obstacle


def asked(
    target: Target, history: npt.NDArray[np.int64], horizon: int, obstacle: TargetError | None
) -> tuple[npt.NDArray[np.float64] | None, float | None, TargetError | None]:
    """Return the forecast and the seconds it took, or what stands against it."""
    if obstacle is not None:
        return None, None, obstacle
    started = time.perf_counter()
    try:
        forecast = target.predict(history, horizon)
    except TargetError as broke:
        return None, None, broke
    return forecast, time.perf_counter() - started, None


def reasons(broke: TargetError | None) -> tuple[str | None, str | None]:
    """Return ``error`` and ``unable`` of a row: one of them at most."""
    words = None if broke is None else str(broke)
    return (None, words) if isinstance(broke, TargetUnable) else (words, None)


def _teach(target: Target, one: LoadSeries, series: Sequence[LoadSeries]) -> TargetError | None:
    """Train for the run of a series; return what stands against it, if anything does."""
    experts = one.loads.shape[1]
    others = trained_on(series, one.run, experts)
    if not others:
        return TargetUnable(f"{target.name} is trained on another run with {experts} experts, and there is none")
    try:
        target.train([other.loads for other in others])
    except TargetError as broke:
        return broke
    return None


@dataclass(frozen=True, eq=False)
class _Case:
    """A series cut at an origin, and the noise floor at each horizon that fits."""

    series: LoadSeries
    origin: int
    state: str
    floors: dict[int, Errors]


def _cases(series: LoadSeries, horizons: Sequence[int], count: int) -> Iterator[_Case]:
    fitting, origins = origins_of(len(series.loads), horizons, count)
    moving = transient(series.loads)
    for origin in origins:
        truth = series.loads[origin:]
        floors = {horizon: noise_floor(truth[:horizon], series.top_k) for horizon in fitting}
        yield _Case(series, origin, "transient" if moving[origin - 1] else "stable", floors)


def _forecast(target: Target, case: _Case, obstacle: TargetError | None) -> Iterator[ForecastRow]:
    """Ask once, unless something stands against it, and judge at every horizon."""
    loads, origin = case.series.loads, case.origin
    forecast, seconds, broke = asked(target, loads[:origin], max(case.floors, default=1), obstacle)
    about = (target.name, case.series.name, loads.shape[1], case.series.generated, origin)
    error, unable = reasons(broke)
    for horizon, floor in case.floors.items():
        errors = forecast_errors(forecast[:horizon], loads[origin : origin + horizon]) if forecast is not None else None
        yield ForecastRow(*about, horizon, case.state, floor, errors, seconds, error=error, unable=unable)


def _omitted(series: Sequence[LoadSeries], horizons: Sequence[int]) -> list[str]:
    sentences = []
    for horizon in horizons:
        short = [one for one in series if len(one.loads) < 2 * horizon]
        if short:
            which = f"{len(short)} of {len(series)} series, which have fewer than {2 * horizon} steps"
            sentences.append(f"horizon {horizon} is left out on {which}")
    return sentences


def _summary(method: str, horizon: int, rows: list[ForecastRow]) -> ForecastSummary:
    good = [row for row in rows if row.errors is not None]
    stable = [row for row in good if row.state == "stable"]

    def beyond(row: ForecastRow) -> float:
        return row.errors.step - row.floor.step if row.errors is not None else 0.0

    worst = max(good, key=beyond, default=None)
    return ForecastSummary(
        method,
        horizon,
        len(good),
        len(rows) - len(good),
        len(stable),
        _mean([row.errors for row in good if row.errors is not None]),
        _mean([row.floor for row in good]),
        _mean([row.errors for row in stable if row.errors is not None]),
        _mean([row.floor for row in stable]),
        mean_of([row.seconds for row in good if row.seconds is not None]),
        f"{worst.instance} after {worst.origin}" if worst is not None else "",
    )


def _mean(errors: Sequence[Errors]) -> Errors:
    return Errors(
        mean_of([one.step for one in errors]),
        mean_of([one.step_unweighted for one in errors]),
        mean_of([one.mean for one in errors]),
        mean_of([one.mean_unweighted for one in errors]),
    )
