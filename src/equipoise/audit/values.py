"""What a forecast is worth: experts placed on it, and every step that came scheduled exactly on that placement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from equipoise.audit.devices import (
    Cluster,
    Integers,
    balancedness,
    certified_schedule,
    mean_of,
    relative,
)
from equipoise.audit.forecasts import asked, origins_of, reasons, taught
from equipoise.audit.rows import SeriesRow
from equipoise.audit.run import environment
from equipoise.errors import InvalidProblem, TargetError
from equipoise.problems import SchedulingProblem
from equipoise.problems.scheduling import hosts_of
from equipoise.reference.placement.floors import round_robin
from equipoise.targets import Target
from equipoise.traces import LoadSeries
from equipoise.traces.instance import evenly

TRUTH, WINDOW, NOTHING = "the truth (hindsight)", "the last window", "nothing"
"""What experts are placed on beside forecasts: the steps to come, as many steps before, and no load at all."""

HORIZON, SCORED = 100, 10
"""Steps that one placement serves, and how many of them are scheduled, evenly spaced."""


@dataclass(frozen=True)
class ValueRow(SeriesRow):
    """One placement, made at ``origin`` for the next ``horizon`` steps; tokens, exact.

    Attributes
    ----------
    method
        What was placed on: a predictor's name, or one of the constants of this module.
    scored
        Steps that were scheduled.
    peak, mean
        Sums over these steps of the certified least peak of whole tokens, and of the mean load of a device, below
        which no placement can get.
    balancedness
        ``mean / peak``.
    beyond_hindsight
        Peak beyond that of the same placer on the truth, relatively; negative where the placer did better on less.
    """

    scored: int
    evidence: str = "none"
    peak: int | None = None
    mean: Fraction | None = None
    balancedness: float | None = None
    beyond_hindsight: float | None = None

    @property
    def gaps(self) -> dict[str, float]:
        """Peak over mean, less one; infinite where nothing was placed on."""
        return {"peak": math.inf if self.peak is None else relative(self.peak, self.mean or 0)}


@dataclass(frozen=True)
class ValueSummary:
    """What was placed on, over all series and origins; ``worst`` is furthest beyond hindsight."""

    method: str
    placements: int
    failed: int
    certified: int
    mean_balancedness: float
    min_balancedness: float
    mean_beyond_hindsight: float
    max_beyond_hindsight: float
    worst: str


@dataclass(frozen=True)
class ValueAudit:
    """All rows, the sizes by experts, and where they were made."""

    rows: list[ValueRow]
    clusters: dict[int, Cluster]
    placer: str
    horizon: int
    environment: dict[str, str] = field(default_factory=environment)

    @property
    def certified(self) -> bool:
        """Whether every schedule is certified optimal."""
        return all(row.evidence == "certified" for row in self.rows if row.peak is not None)


def audit_values(
    targets: Sequence[Target],
    series: Sequence[LoadSeries],
    placer: Target,
    *,
    horizon: int = HORIZON,
    origins: int = 1,
    scored: int = SCORED,
    progress: Callable[[LoadSeries], None] | None = None,
) -> ValueAudit:
    """Place on forecasts, on the truth, on the last window and on nothing, and serve what came as well as can be.

    Origins and training are those of :func:`equipoise.audit.forecasts.audit_predictors`; a cluster's sizes are the
    defaults of :meth:`equipoise.audit.devices.Cluster.of`. A placement sees the sum of the loads it is made for, and
    each scored step is split over its replicas by the certified optimum of whole tokens. "nothing" puts expert
    ``p mod E`` into slot p.

    Raises
    ------
    InvalidProblem
        If no series has twice as many steps as the horizon.
    TargetError
        If the placer breaks; a predictor that breaks is a row.
    """
    long = [one for one in series if len(one.loads) >= 2 * horizon]
    if not long:
        raise InvalidProblem("horizon", str(horizon), f"half of the longest series: {_longest(series) // 2} steps")
    clusters = {experts: Cluster.of(experts) for experts in dict.fromkeys(one.loads.shape[1] for one in long)}
    scenes = {
        one.name: [
            _Scene.of(one, origin, horizon, scored, clusters[one.loads.shape[1]], placer)
            for origin in origins_of(len(one.loads), [horizon], origins)[1]
        ]
        for one in long
    }
    rows = [row for found in scenes.values() for scene in found for row in scene.floors()]
    for target in targets:
        for one, obstacle in taught(target, series):
            for scene in scenes.get(one.name, []):
                forecast, _, broke = asked(target, one.loads[: scene.origin], horizon, obstacle)
                load = None if forecast is None else np.rint(forecast.sum(axis=0)).astype(np.int64)
                rows.append(scene.row(target.name, load, broke))
            if progress is not None:
                progress(one)
    names = [TRUTH, *(target.name for target in targets), WINDOW, NOTHING]
    rows.sort(key=lambda row: names.index(row.method))
    return ValueAudit(rows, clusters, placer.name, horizon)


def least_peak(load: Integers, placed: Integers, devices: int) -> tuple[int, str]:
    """Return the certified least peak of whole tokens on a placement ``[P]``, and the evidence for it."""
    best = certified_schedule(SchedulingProblem(load, hosts_of(placed, len(load), devices)))
    return int(best.objective or 0), best.evidence


def summarise_values(rows: Sequence[ValueRow]) -> list[ValueSummary]:
    """Return one line for each thing that was placed on, in the order of the rows."""
    names = dict.fromkeys(row.method for row in rows)
    return [_summary(name, [row for row in rows if row.method == name]) for name in names]


@dataclass(frozen=True, eq=False)
class _Scene:
    """One origin of one series: what comes, and how well the truth as a forecast does."""

    series: LoadSeries
    origin: int
    horizon: int
    steps: Integers
    cluster: Cluster
    placer: Target
    hindsight: tuple[int, str]

    @classmethod
    def of(cls, series: LoadSeries, origin: int, horizon: int, scored: int, cluster: Cluster, placer: Target) -> _Scene:
        truth = series.loads[origin : origin + horizon]
        steps = truth[evenly(horizon, scored)]
        best = _served(steps, cluster.place(placer, truth.sum(axis=0)), cluster)
        return cls(series, origin, horizon, steps, cluster, placer, best)

    def floors(self) -> list[ValueRow]:
        """Return what placing on the truth, on the last window and on nothing gives."""
        window = self.series.loads[self.origin - self.horizon : self.origin].sum(axis=0)
        blind = round_robin(self.steps.shape[1], self.cluster.slots)
        return [
            self._judged(TRUTH, self.hindsight),
            self.row(WINDOW, window),
            self._judged(NOTHING, _served(self.steps, blind, self.cluster)),
        ]

    def row(self, method: str, load: Integers | None, broke: TargetError | None = None) -> ValueRow:
        """Return what placing on a load gives; or why there is none."""
        if load is None:
            error, unable = reasons(broke)
            return ValueRow(*self._about(method), error=error, unable=unable)
        return self._judged(method, _served(self.steps, self.cluster.place(self.placer, load), self.cluster))

    def _judged(self, method: str, served: tuple[int, str]) -> ValueRow:
        peak, evidence = served
        mean = Fraction(int(self.steps.sum()), self.cluster.devices)
        return ValueRow(
            *self._about(method),
            evidence,
            peak=peak,
            mean=mean,
            balancedness=balancedness(mean, peak),
            beyond_hindsight=relative(peak, self.hindsight[0]),
        )

    def _about(self, method: str) -> tuple[str, str, int, bool, int, int, int]:
        one = self.series
        return method, one.name, one.loads.shape[1], one.generated, self.origin, self.horizon, len(self.steps)


def _served(steps: Integers, placed: Integers, cluster: Cluster) -> tuple[int, str]:
    answers = [least_peak(step, placed, cluster.devices) for step in steps]
    certified = all(evidence == "certified" for _, evidence in answers)
    return sum(peak for peak, _ in answers), "certified" if certified else "claimed"


def _longest(series: Sequence[LoadSeries]) -> int:
    return max((len(one.loads) for one in series), default=0)


def _summary(method: str, rows: list[ValueRow]) -> ValueSummary:
    good = [row for row in rows if row.beyond_hindsight is not None and row.balancedness is not None]
    beyond = [row.beyond_hindsight or 0.0 for row in good]
    worst = good[int(np.argmax(beyond))] if good else None
    even = [row.balancedness or 0.0 for row in good]
    return ValueSummary(
        method,
        len(good),
        len(rows) - len(good),
        sum(row.evidence == "certified" for row in good),
        mean_of(even),
        min(even, default=float("nan")),
        mean_of(beyond),
        max(beyond, default=float("nan")),
        f"{worst.instance} after {worst.origin}" if worst is not None else "",
    )
