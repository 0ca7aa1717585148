"""Predictors compared with what happened: relative errors beside the noise that nobody can predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from equipoise.audits.contender import Contender
from equipoise.audits.data import AXES
from equipoise.audits.forecast_value import VALUE
from equipoise.audits.measures import MEAN, Measure, Row
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.audits.training import Lessons, asked, origins_of, runs_alike, taught
from equipoise.errors import InvalidProblem, TargetError
from equipoise.series import Errors, forecast_errors, noise_floor, transient
from equipoise.traces import LoadSeries

HORIZONS = (1, 10, 100, 1000, 2000)
"""Steps ahead: those of arXiv 2404.16914 are 1,000 and 2,000."""

ORIGINS = 4
"""Steps of a series after which forecasts are made."""


@dataclass(frozen=True, eq=False)
class _Case:
    """A series cut at an origin, and the noise floor at each horizon that fits."""

    series: LoadSeries
    origin: int
    state: str
    floors: dict[int, Errors]


def judge(contenders: Sequence[Contender], unit: list[Any], options: Options, shared: Any) -> list[Row]:
    """Ask once at every origin of every series of a run, and judge at every horizon.

    The origins of a series are evenly spaced; before the first there is at least as much history, and after the last
    as much truth, as the longest horizon that fits a series twice. A predictor is called once per origin, for that
    horizon; shorter horizons are the beginning of its forecast. One that is trained learns from the next run with as
    many experts, never from the run that it is tested on.
    """
    lessons: Lessons = shared["series"]
    cases = {one.name: list(_cases(one, sorted(set(options["horizon"])), options["origins"])) for one in unit}
    rows: list[Row] = []
    for contender in contenders:
        obstacle = taught(contender, unit[0], lessons)
        rows += [row for one in unit for case in cases[one.name] for row in _rows(contender, case, obstacle)]
    return rows


def _cases(series: LoadSeries, horizons: Sequence[int], count: int) -> Iterator[_Case]:
    fitting, origins = origins_of(len(series.loads), horizons, count)
    moving = transient(series.loads)
    for origin in origins:
        truth = series.loads[origin:]
        floors = {horizon: noise_floor(truth[:horizon], series.top_k) for horizon in fitting}
        yield _Case(series, origin, "transient" if moving[origin - 1] else "stable", floors)


def _rows(contender: Contender, case: _Case, obstacle: TargetError | None) -> Iterator[Row]:
    loads, origin = case.series.loads, case.origin
    before = contender.seconds
    forecast, broke = asked(contender, loads[:origin], max(case.floors, default=1), obstacle)
    for horizon, floor in case.floors.items():
        about = {"series": case.series.name, "experts": loads.shape[1], "generated": case.series.generated}
        about |= {"origin": origin, "horizon": horizon, "state": case.state}
        row = Row(contender.name, f"{case.series.name} after {origin}, horizon {horizon}", about)
        values = {f"floor_{name}": value for name, value in asdict(floor).items()}
        if forecast is None:
            yield replace(row, values=values, error=str(broke), kind=broke.kind if broke else None)
            continue
        found = asdict(forecast_errors(forecast[:horizon], loads[origin : origin + horizon]))
        values |= {f"error_{name}": value for name, value in found.items()}
        if case.state == "stable":
            values |= {f"stable_{name}": value for name, value in values.items()}
        values["stable"] = int(case.state == "stable")  # its mean is a share
        values |= {"beyond_floor": found["step"] - floor.step, "seconds": contender.seconds - before}
        yield replace(row, values=values, compared_with="noise floor", warnings=contender.warnings)


def shared(instances: Sequence[LoadSeries], options: Options) -> dict[str, Any]:
    """Return the series to learn from, and what is said of every one: its length, and when it settles.

    Raises
    ------
    InvalidProblem
        If no horizon fits any series twice.
    """
    shortest, longest = min(options["horizon"]), max(len(one.loads) for one in instances)
    if 2 * shortest > longest:
        raise InvalidProblem("--horizon", str(shortest), f"half of the longest series: up to {longest // 2} steps")
    return {"series": Lessons(tuple(instances)), "states": [_state(one) for one in instances]}


def _state(series: LoadSeries) -> dict[str, Any]:
    moving = transient(series.loads)
    steps, experts = series.loads.shape
    first = None if moving.all() else int(moving.argmin())
    about = {"series": series.name, "generated": series.generated, "steps": steps, "experts": experts}
    return {**about, "transient": float(moving.mean()), "first_stable": first}


def _legend(audit: Any) -> str:
    states = audit.shared["states"]
    shortest = min(audit.options["horizon"])
    first = [row for row in audit.rows if row.balancer == audit.rows[0].balancer and row["horizon"] == shortest]
    stable = f"{sum(row['state'] == 'stable' for row in first)} of {len(first)} at horizon {shortest}"
    made = sum(state["generated"] for state in states)
    parts = [f"stable: forecasts made in the stable state ({stable})."]
    if made:
        parts.append(f"{made} of {len(states)} series are generated, not measured.")
    for horizon in sorted(audit.options["horizon"]):
        short = sum(state["steps"] < 2 * horizon for state in states)
        if short:
            parts.append(f"Horizon {horizon} is left out on {short} of {len(states)} series, which are too short.")
    return " ".join(parts)


def _beside_floor(name: str, title: str, words: str, noun: str = "") -> Measure:
    """Return the measure of an error, with the floor beside it."""
    floor = name.replace("error", "floor")
    return _WithFloor(f"{name}", "share", aggregates=(MEAN,), title=title, words=words, noun=noun, floor=floor)


@dataclass(frozen=True)
class _WithFloor(Measure):
    """An error, shown over the noise floor of the same forecasts."""

    def summarise(self, rows: Sequence[Row]) -> dict[str, float | int | None]:
        both = [row for row in rows if row.numbers([self.name])]
        return {f"mean_{name}": MEAN.of(both, name) for name in (self.name, self.floor)}

    def cell(self, summary: dict[str, Any]) -> str:
        found = [Measure(name, "share", aggregates=(MEAN,)).cell(summary) for name in (self.name, self.floor)]
        return " / ".join(found) if found[0] != "-" else "-"


AUDIT = RoleAudit(
    role="predictor",
    data="series",
    measures=(
        Measure("beyond_floor", "share", words="error per step beyond its floor"),
        _beside_floor(
            "error_step",
            "per step",
            "relative L1 error of every step of the horizon, experts weighted by load, and the noise floor: what is "
            "expected of one who knows the true shares, from sampling alone",
            "error per step",
        ),
        _beside_floor("error_mean", "of mean", "the same of the horizon's mean load"),
        _beside_floor("stable_error_step", "stable: per step", "over forecasts made in the stable state"),
        _beside_floor("stable_error_mean", "stable: of mean", "likewise"),
        _beside_floor("error_step_unweighted", "per step, unweighted", "every expert counts the same"),
        _beside_floor("error_mean_unweighted", "of mean, unweighted", "likewise"),
        Measure(
            "seconds",
            "seconds",
            aggregates=(MEAN,),
            title="seconds",
            words="of a call up to the longest horizon, on this machine",
        ),
        Measure("stable", "share", "neither", (), words="forecasts made in the stable state, as the history shows it"),
        Measure("error_step", "share", aggregates=(), gap="step"),
        Measure("error_step_unweighted", "share", aggregates=(), gap="step_unweighted"),
        Measure("error_mean", "share", aggregates=(), gap="mean"),
        Measure("error_mean_unweighted", "share", aggregates=(), gap="mean_unweighted"),
    ),
    judge=judge,
    units=runs_alike,
    shared=shared,
    about=lambda shared: {"states": shared["states"]},
    options=(
        Option("horizon", int, "Steps ahead; may be repeated.", HORIZONS, least=1, several=True),
        Option("origins", int, "Forecasts per series.", ORIGINS, least=1),
        AXES,
    ),
    group_by=("horizon",),
    condensed=("error_step", "error_mean"),
    reading="A noise floor is an expectation and proves nothing: on one series an error may lie below it. A horizon "
    "counts on the series that it fits twice, so that long ones stand for fewer series than short ones. Series called "
    "generated were made, not measured.",
    legend=_legend,
    variants={"value": VALUE},
)
