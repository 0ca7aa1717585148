"""A predictor answers every history with loads: finite, not negative, with the total and the zeros that there were."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import PredictorCase
from equipoise.checks.failure import Failure
from equipoise.checks.predictor.view import any_history, compare, forecast, fresh, horizons
from equipoise.checks.registry import check, family
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@family(lambda case: len(case.history) == 1)
def one_step() -> st.SearchStrategy[PredictorCase]:
    """S = 1."""
    return st.builds(PredictorCase, strategies.load_histories(steps=st.just(1)), horizons)


@family(lambda case: not case.history.any())
def no_load() -> st.SearchStrategy[PredictorCase]:
    """No tokens at all."""
    return st.builds(PredictorCase, strategies.load_histories(loads=st.just(0)), horizons)


@family(lambda case: len(case.history) > 1 and bool((np.diff(case.history, axis=0) <= 0).all()))
def falling() -> st.SearchStrategy[PredictorCase]:
    """Loads that fall step by step, and a horizon beyond the point where a line would cross zero."""
    falls = strategies.load_histories(steps=st.integers(2, 6)).map(lambda loads: -np.sort(-loads, axis=0))
    return st.builds(PredictorCase, falls, st.integers(2, 30))


@family(lambda case: len(case.history) > 0 and np.ptp(case.history.sum(axis=1)) == 0)
def equal_totals() -> st.SearchStrategy[PredictorCase]:
    """Every step has as many tokens."""
    return st.builds(PredictorCase, strategies.stationary_histories(), horizons)


@family(lambda case: len(case.history) > 0 and bool((case.history == case.history[0]).all()))
def constant() -> st.SearchStrategy[PredictorCase]:
    """The same step again and again."""
    repeated = st.tuples(strategies.load_histories(steps=st.just(1)), st.integers(1, 12))
    return st.builds(PredictorCase, repeated.map(lambda pair: np.repeat(pair[0], pair[1], axis=0)), horizons)


@family(lambda case: bool((~case.history.any(axis=0)).any() and case.history.any()))
def idle_expert() -> st.SearchStrategy[PredictorCase]:
    """The first expert never gets a token; others do."""

    def idle(case: PredictorCase) -> PredictorCase:
        loads = case.history.copy()
        loads[:, 0] = 0
        return PredictorCase(loads, case.horizon)

    cases: st.SearchStrategy[PredictorCase] = equal_totals()
    return cases.map(idle)


@check("predictor", any_history)
def predictor_answers(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """Every history gets one finite load per step of the horizon and expert."""
    fresh(subject, case.history)
    forecast(subject, case.history, case.horizon)


@check("predictor", one_step)
def predictor_takes_a_history_of_one_step(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """One step is a history: right after a start, nothing else is known (variances of one step are NaN)."""
    fresh(subject, case.history)
    forecast(subject, case.history, case.horizon)


@check("predictor", no_load, unless=("smooths",))
def predictor_forecasts_no_load_after_none(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """Without any token so far the forecast is zero: shares of nothing must not become NaN."""
    fresh(subject, case.history)
    given = forecast(subject, case.history, case.horizon)
    compare(given, np.zeros_like(given), case.history, "after steps without tokens")


@check("predictor", falling)
def predictor_forecasts_no_negative_load(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """Falling loads end at zero: an extrapolated line must be cut there."""
    fresh(subject, case.history)
    forecast(subject, case.history, case.horizon)


@check("predictor", equal_totals, unless=("changes totals",))
def predictor_conserves_the_total(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """If every step has the same number of tokens, so has every step of the forecast (rounding and clipping lose some).

    Unless the predictor declares "changes totals".
    """
    fresh(subject, case.history)
    given = forecast(subject, case.history, case.horizon).sum(axis=1)
    total = float(case.history[0].sum())
    off = np.abs(given - total) > 1e-6 * max(1.0, total)
    if off.any():
        step = int(np.argmax(off))
        raise Failure(f"step {step} of the forecast has {given[step]:.6g} tokens; every step so far had {total:.6g}")


@check("predictor", constant)
def predictor_keeps_a_constant_series(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """What has never changed is forecast to stay (a moving average that starts at zero does not)."""
    fresh(subject, case.history)
    given = forecast(subject, case.history, case.horizon)
    compare(given, np.tile(case.history[:1], (case.horizon, 1)), case.history, "after the same step again and again")


@check("predictor", idle_expert, unless=("smooths",))
def predictor_gives_idle_experts_no_load(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """An expert without any token so far gets none, unless the predictor declares "smooths"."""
    fresh(subject, case.history)
    given = forecast(subject, case.history, case.horizon)
    idle = ~case.history.any(axis=0)
    wanted = np.where(idle, 0.0, given)
    compare(given, wanted, case.history, "after steps in which the expert had no token")
