"""What a forecast is worth: experts placed on it, and every step that followed scheduled exactly on that placement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from equipoise.audits.cluster import (
    Cluster,
    Integers,
    certified_schedule,
    in_json,
    placed_by,
    sizes_in_words,
    word_of,
)
from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES
from equipoise.audits.measures import LEAST, MEAN, Measure, Row, Values, balancedness, relative
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.audits.training import Lessons, asked, origins_of, runs_alike, taught
from equipoise.errors import InvalidProblem
from equipoise.problems import SchedulingProblem
from equipoise.problems.scheduling import hosts_of
from equipoise.reference.placement.floors import round_robin
from equipoise.traces import LoadSeries
from equipoise.traces.instance import evenly

TRUTH, WINDOW, NOTHING = "the truth (hindsight)", "the last window", "nothing"
"""What experts are placed on beside forecasts: the steps to come, as many steps before, and no load at all."""

HORIZON, SCORED = 100, 10
"""Steps that one placement serves, and how many of them are scheduled, evenly spaced."""

PLACER = "micromoe"


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Place on forecasts, on the truth, on the last window and on nothing, and serve what followed as well as can be.

    A placement sees the sum of the loads it is made for, and each scored step is split over its replicas by the
    certified optimum of whole tokens. "nothing" puts expert ``p mod E`` into slot p.
    """
    horizon = horizon_of(options)
    rows, scenes = [], []
    for one in unit:
        for origin in origins_of(len(one.loads), [horizon], options["origins"])[1]:
            cluster = shared["clusters"][one.loads.shape[1]]
            scenes.append(_Scene.of(one, origin, horizon, cluster, options["placement"]))
    for contender in contenders:
        obstacle = taught(contender, unit[0], shared["series"])
        for scene in scenes:
            before = contender.seconds
            forecast, broke = asked(contender, scene.series.loads[: scene.origin], horizon, obstacle)
            if forecast is None:
                blank = scene.blank(contender.name)
                rows.append(replace(blank, error=str(broke), kind=broke.kind if broke else None))
                continue
            row = scene.placed_on(contender.name, np.rint(forecast.sum(axis=0)).astype(np.int64))
            row.values["seconds"] = contender.seconds - before
            rows.append(replace(row, warnings=contender.warnings))
    return rows + [row for scene in scenes for row in scene.floors()]


def horizon_of(options: Options) -> int:
    """Return the one horizon: the steps that a placement serves.

    Raises
    ------
    InvalidProblem
        If several are asked for.
    """
    if len(options["horizon"]) > 1:
        raise InvalidProblem("--horizon", f"given {len(options['horizon'])} times", "once with --value")
    return int(options["horizon"][0])


def shared(instances: Sequence[LoadSeries], options: Options) -> dict[str, Any]:
    """Return the series to learn from and a cluster for every number of experts that occurs.

    Raises
    ------
    InvalidProblem
        If no series has twice as many steps as the horizon.
    """
    horizon, longest = horizon_of(options), max(len(one.loads) for one in instances)
    if 2 * horizon > longest:
        raise InvalidProblem("--horizon", str(horizon), f"half of the longest series: up to {longest // 2} steps")
    experts = dict.fromkeys(one.loads.shape[1] for one in instances)
    return {"series": Lessons(tuple(instances)), "clusters": {count: Cluster.of(count) for count in experts}}


def least_peak(load: Integers, placed: Integers, devices: int) -> tuple[int, str]:
    """Return the certified least peak of whole tokens on a placement ``[P]``, and the evidence for it."""
    best = certified_schedule(SchedulingProblem(load, hosts_of(placed, len(load), devices)))
    return int(best.objective or 0), word_of(best)


@dataclass(frozen=True, eq=False)
class _Scene:
    """One origin of one series: what follows, and how well the truth as a forecast does."""

    series: LoadSeries
    origin: int
    horizon: int
    steps: Integers
    cluster: Cluster
    placer: str
    hindsight: tuple[int, str]

    @classmethod
    def of(cls, series: LoadSeries, origin: int, horizon: int, cluster: Cluster, placer: str) -> _Scene:
        truth = series.loads[origin : origin + horizon]
        steps = truth[evenly(horizon, SCORED)]
        best = _served(steps, placed_by(placer, cluster, truth.sum(axis=0)), cluster)
        return cls(series, origin, horizon, steps, cluster, placer, best)

    def floors(self) -> list[Row]:
        """Return what placing on the truth, on the last window and on nothing gives."""
        window = self.series.loads[self.origin - self.horizon : self.origin].sum(axis=0)
        blind = round_robin(self.steps.shape[1], self.cluster.slots)
        return [
            self._judged(TRUTH, self.hindsight),
            self.placed_on(WINDOW, window),
            self._judged(NOTHING, _served(self.steps, blind, self.cluster)),
        ]

    def blank(self, name: str) -> Row:
        """Return the row of something to place on, nothing measured."""
        about = {"series": self.series.name, "experts": self.steps.shape[1], "generated": self.series.generated}
        about |= {"origin": self.origin, "horizon": self.horizon, "scored": len(self.steps)}
        return Row(name, f"{self.series.name} after {self.origin}", about)

    def placed_on(self, name: str, load: Integers) -> Row:
        """Return what placing on a load gives."""
        return self._judged(name, _served(self.steps, placed_by(self.placer, self.cluster, load), self.cluster))

    def _judged(self, name: str, served: tuple[int, str]) -> Row:
        peak, word = served
        mean = Fraction(int(self.steps.sum()), self.cluster.devices)
        values: Values = {
            "peak": peak,
            "mean": mean,
            "balancedness": balancedness(mean, peak),
            "over_mean": relative(peak, mean),
            "beyond_hindsight": relative(peak, self.hindsight[0]),
        }
        form = f"the placement of {self.placer} on the truth"
        return replace(self.blank(name), values=values, compared_with=form, evidence={"peak": word})


def _served(steps: Integers, placed: Integers, cluster: Cluster) -> tuple[int, str]:
    answers = [least_peak(step, placed, cluster.devices) for step in steps]
    words = {word for _, word in answers}
    return sum(peak for peak, _ in answers), "certified" if words == {"certified"} else "claimed"


VALUE = RoleAudit(
    role="predictor",
    variant="value",
    summary="place on the forecast, and schedule exactly what followed.",
    data="series",
    measures=(
        Measure(
            "beyond_hindsight",
            "share",
            title="beyond hindsight",
            noun="excess over hindsight",
            words="peak beyond that of the same placer on the sum of the steps to come",
        ),
        Measure("balancedness", "ratio", "more", (MEAN, LEAST), "balancedness", "mean over peak load of the devices"),
        Measure("over_mean", "ratio", aggregates=(), gap="peak"),
        Measure("peak", "tokens", aggregates=()),
        Measure("mean", "tokens", "neither", ()),
        Measure("seconds", "seconds", aggregates=(MEAN,)),
    ),
    judge=judge,
    units=runs_alike,
    shared=shared,
    about=lambda shared: in_json(shared["clusters"]),
    options=(
        Option("horizon", int, "Steps that one placement serves.", (HORIZON,), least=1, several=True),
        Option("origins", int, "Placements per series.", 1, least=1),
        Option("placement", str, "Placer that places on forecasts.", PLACER, role="placer"),
        AXES,
    ),
    legend=lambda audit: (
        f"Experts are placed by {audit.options['placement']} on what the row says, for "
        f"{horizon_of(audit.options)} steps; {SCORED} of these, evenly spaced, are served by the certified best "
        f"split of whole tokens. {sizes_in_words(audit.shared['clusters'])}."
    ),
    beside=(TRUTH, WINDOW, NOTHING),
)
