"""A predictor's forecast depends on the history that it is given, and leaves everything else alone."""

from __future__ import annotations

from equipoise.checks.cases import PredictorCase
from equipoise.checks.failure import Failure
from equipoise.checks.predictor.view import any_history, compare, forecast, fresh, read
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@check("predictor", any_history, unless=("random",))
def predictor_is_deterministic(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """The same history gives the same forecast every time it is started afresh, unless it declares "random"."""
    fresh(subject, case.history)
    first = forecast(subject, case.history, case.horizon)
    fresh(subject, case.history)
    compare(forecast(subject, case.history, case.horizon), first, case.history, "asked again")


@check("predictor", any_history, unless=("random", "stateful"))
def predictor_depends_on_the_history_alone(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """What it was asked before does not matter, unless it declares "stateful": replay and audits rely on it."""
    fresh(subject, case.history)
    plain = forecast(subject, case.history, case.horizon)
    fresh(subject, case.history)
    forecast(subject, case.history[::-1] + 1, case.horizon + 1)
    compare(forecast(subject, case.history, case.horizon), plain, case.history, "asked about another history before")


@check("predictor", any_history)
def predictor_leaves_its_input_alone(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """The history is the caller's record: it must not be written into."""
    fresh(subject, case.history)
    reply = subject.call(case.history, case.horizon)
    read(reply, case.history, case.horizon)
    if reply.changed_input:
        raise Failure("it writes into the history")


@check("predictor", any_history)
def predictor_returns_memory_of_its_own(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """The forecast is no view of the history: the next step would be written into both."""
    fresh(subject, case.history)
    reply = subject.call(case.history, case.horizon)
    read(reply, case.history, case.horizon)
    if reply.aliased_input:
        raise Failure("its forecast shares memory with the history")
