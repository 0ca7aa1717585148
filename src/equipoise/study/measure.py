"""One case, some methods: rows, one per method and horizon, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from equipoise.audit import audit_placers, audit_predictors, audit_schedulers, summarise_forecasts
from equipoise.audit import judge as router
from equipoise.errors import EquipoiseError, OracleError, TargetNotFound
from equipoise.problems import AssignmentProblem
from equipoise.study.cases import Case
from equipoise.study.outside import Outside
from equipoise.study.rows import Row
from equipoise.targets import Target, find
from equipoise.traces import Instance, LoadSeries

NO_SEARCH = 0.0
"""Placements are held against bounds that take no search: those do not depend on how fast a machine is."""


@dataclass(frozen=True)
class Task:
    """A case with the methods that are to be tried on it.

    Attributes
    ----------
    keys
        Of the rows that are wanted, by method and horizon; None is the horizon of all but predictors.
    codes
        Hash of each method's code.
    settings
        What decides a row beside the case: ``passes`` of routers, ``placement`` of schedulers, sizes of the cluster,
        ``horizons`` and ``origins`` of predictors.
    seconds
        Time limit of a method.
    """

    case: Case
    keys: dict[str, dict[int | None, str]]
    codes: dict[str, str]
    settings: dict[str, Any]
    seconds: float


def measure(task: Task) -> list[Row]:
    """Return the rows of a task; failures of methods and of the oracle are rows like others."""
    blank = {method: _blank(task, method) for method in task.keys}
    try:
        instance = task.case.build()
    except EquipoiseError as error:
        rows = [row for own in blank.values() for row in own.values()]
        return [replace(row, failure="no instance", words=str(error)) for row in rows]
    tried = {method: Tried(method, task.case.role, task.seconds) for method in task.keys}
    try:
        if isinstance(instance, LoadSeries):
            return list(_predictors(task, instance, blank, tried))
        return list(_balancers(task, instance, {method: own[None] for method, own in blank.items()}, tried))
    finally:
        for one in tried.values():
            one.give_back()


def _balancers(task: Task, instance: Any, blank: dict[str, Row], tried: dict[str, Tried]) -> Iterator[Row]:
    sides: dict[str, Any] = {"router": _routers, "scheduler": _schedulers, "placer": _placers}
    if isinstance(instance, Instance):
        tokens, experts, top_k = *instance.scores.shape, instance.top_k
    else:
        tokens, experts, top_k = int(instance.total.sum()), len(instance.total), None
    sized = {name: replace(row, tokens=tokens, experts=experts, top_k=top_k) for name, row in blank.items()}
    yield from sides[task.case.role](task, instance, sized, tried)


def _blank(task: Task, method: str) -> dict[int | None, Row]:
    case = task.case
    gate, skew = case.made_of.get("gate"), case.made_of.get("skew")
    about = (case.role, method, case.instance, case.seed, case.source, task.codes[method], gate, skew)
    return {horizon: Row(key, *about, horizon=horizon) for horizon, key in task.keys[method].items()}


def _routers(task: Task, instance: Any, blank: dict[str, Row], tried: dict[str, Tried]) -> Iterator[Row]:
    optima = router.Optima(AssignmentProblem(instance.scores, instance.top_k))
    for method, row in blank.items():
        of_method = tried[method]
        try:
            passes = task.settings["passes"] if of_method.stateful else 1
            judged = router.judge(of_method.target, instance, optima, passes)
            if judged.error is not None or judged.score is None or judged.equal_peak_optimum is None:
                yield of_method.failed(row, judged.error)
                continue
            lower = upper = judged.equal_peak_optimum
            if judged.held_against != "no token rows":
                curve = optima.exactly_k if judged.held_against == "exactly K" else optima.at_most_k
                solution = curve.at(judged.peak or 0).solution
                lower, upper = solution.lower or lower, solution.upper or upper
            yield replace(
                row,
                **_exact("found", judged.score),
                **_exact("certified_lower", lower),
                **_exact("certified_upper", upper),
                **_exact("balanced", judged.balanced_optimum),
                evidence=judged.evidence,
                held_against=judged.held_against,
                gap=judged.relative_regret,
                imbalance=None if judged.max_vio is None else 1 + judged.max_vio,
                min_vio=judged.min_vio,
                excess_peak=judged.excess_peak,
                seconds=of_method.seconds,
            )
        except OracleError as error:
            yield replace(row, failure="no certified optimum", words=str(error))


def _schedulers(task: Task, instance: Any, blank: dict[str, Row], tried: dict[str, Tried]) -> Iterator[Row]:
    targets = [one.target for one in tried.values()]
    sizes = {key: value for key, value in task.settings.items() if key != "placement"}
    try:
        judged = audit_schedulers(targets, [instance], find(task.settings["placement"], "placer"), **sizes).rows
    except EquipoiseError as error:
        yield from (replace(row, failure="no certified optimum", words=str(error)) for row in blank.values())
        return
    for row, of_method, one in zip(blank.values(), tried.values(), judged, strict=True):
        if one.error is not None or one.peak is None or one.optimum is None:
            yield of_method.failed(row, one.error)
            continue
        yield replace(
            row,
            **_exact("found", Fraction(one.peak)),
            **_exact("certified_lower", Fraction(one.optimum)),
            **_exact("certified_upper", Fraction(one.optimum)),
            evidence=one.evidence,
            held_against=f"least peak on the placement of {one.placement}",
            gap=one.relative_excess,
            imbalance=_imbalance(Fraction(one.peak), one.mean),
            seconds=of_method.seconds,
        )


def _placers(task: Task, instance: Any, blank: dict[str, Row], tried: dict[str, Tried]) -> Iterator[Row]:
    targets = [one.target for one in tried.values()]
    try:
        judged = audit_placers(targets, {"study": [instance]}, time_limit=NO_SEARCH, **task.settings).rows
    except EquipoiseError as error:
        yield from (replace(row, failure="no certified bound", words=str(error)) for row in blank.values())
        return
    for row, of_method, one in zip(blank.values(), tried.values(), judged, strict=True):
        if one.error is not None or one.even_peak is None or one.even_bound is None:
            yield of_method.failed(row, one.error)
            continue
        yield replace(
            row,
            **_exact("found", one.even_peak),
            **_exact("certified_lower", one.even_bound),
            **(_exact("certified_upper", one.even_bound) if one.even_optimal else {}),
            evidence=one.evidence,
            held_against=f"{one.held_against} placements, replicas share evenly",
            gap=one.even_excess,
            imbalance=_imbalance(one.even_peak, one.mean),
            seconds=of_method.seconds,
        )


def _predictors(
    task: Task, series: LoadSeries, blank: dict[str, dict[int | None, Row]], tried: dict[str, Tried]
) -> Iterator[Row]:
    targets = [one.target for one in tried.values()]
    rows = audit_predictors(targets, [series], lessons=task.case.lessons(), **task.settings).rows
    for method, own in blank.items():
        of_method, judged = tried[method], [one for one in rows if one.method == method]
        broken = next((one for one in judged if one.errors is None), None)
        for horizon, row in own.items():
            sized = replace(row, experts=series.loads.shape[1])
            if broken is not None:
                yield of_method.failed(sized, broken.error or broken.unable, unable=broken.unable is not None)
                continue
            [mean] = summarise_forecasts([one for one in judged if one.horizon == horizon])
            yield replace(
                sized,
                forecasts=mean.forecasts,
                stable=mean.stable,
                error=mean.errors.step,
                floor=mean.floor.step,
                mean_error=mean.errors.mean,
                mean_floor=mean.floor.mean,
                held_against="noise floor",
                seconds=of_method.seconds,
            )


class Tried:
    """A method as a target, and how it failed if it did."""

    def __init__(self, method: str, role: str, seconds: float) -> None:
        self.outside: Outside | None = None
        self._refused: str | None = None
        try:
            self.outside = Outside(method, role, seconds)
            self.target = Target(method, self.outside)
        except TargetNotFound as error:
            self._refused = str(error)
            self.target = Target(method, _raising(error))

    @property
    def seconds(self) -> float:
        """Of all its calls."""
        return 0.0 if self.outside is None else self.outside.seconds

    @property
    def stateful(self) -> bool:
        """Whether it remembers earlier calls."""
        return self.outside is not None and self.outside.stateful

    def give_back(self) -> None:
        """Leave its process to the next case."""
        if self.outside is not None:
            self.outside.give_back()

    def failed(self, row: Row, words: str | None, *, unable: bool = False) -> Row:
        """Return the row of a failure: as its process told it, or else as the judge did."""
        if self._refused is not None:
            return replace(row, failure="cannot be made", words=self._refused)
        misbehaviour = None if self.outside is None else self.outside.failure
        if misbehaviour is None:
            kind = "unable" if unable else "gives no answer of its role"
            return replace(row, failure=kind, words=words, seconds=self.seconds)
        return replace(row, failure=misbehaviour.kind, words=misbehaviour.message, seconds=self.seconds)


def _raising(error: Exception) -> Any:
    def call(*arguments: Any) -> Any:
        raise error

    return call


def _exact(name: str, value: Fraction | None) -> dict[str, Any]:
    return {} if value is None else {name: str(value), f"{name}_value": float(value)}


def _imbalance(peak: Fraction, mean: Fraction | None) -> float:
    return float(peak / mean) if mean else 1.0
