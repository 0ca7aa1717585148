"""How good a forecast must be where nothing but noise is left to predict."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import PredictorCase
from equipoise.checks.failure import Failure
from equipoise.checks.predictor.view import forecast, fresh
from equipoise.checks.registry import check, family
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject
from equipoise.series import forecast_errors, noise_floor, transient

STEPS, HORIZON = 128, 64

SLACK = 0.1
"""By how much a forecast may be worse than repeating the last step: both are measured on the same 64 steps."""


def _stationary(case: PredictorCase) -> bool:
    steps = case.history
    fits = case.horizon == HORIZON and len(steps) == STEPS + HORIZON and steps.dtype.kind in "iu"
    return bool(fits and np.ptp(steps.sum(axis=1)) == 0 and not transient(steps, tolerance=0.0)[-1])


@family(_stationary)
def stationary() -> st.SearchStrategy[PredictorCase]:
    """Draws around the same shares; the last 64 steps are what the forecast of the others is held against."""
    return strategies.stationary_histories(steps=st.just(STEPS + HORIZON)).map(lambda h: PredictorCase(h, HORIZON))


@check("predictor", stationary, unless=("random",))
def predictor_is_no_worse_than_the_last_step(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """On draws around the same shares it errs at most 10 % more than repeating the last step.

    With ``max_gap`` it must come so close to the noise floor: the error per step over that of the true shares, less 1.
    """
    known, truth = case.history[: -case.horizon], case.history[-case.horizon :]
    fresh(subject, case.history)
    error = forecast_errors(forecast(subject, known, case.horizon), truth).step
    mean = np.tile(known.mean(axis=0), (case.horizon, 1))
    if settings.max_gap is None:
        bound, what = forecast_errors(np.tile(known[-1], (case.horizon, 1)), truth).step, "repeating the last step"
        limit = (1 + SLACK) * bound
    else:
        bound, what = noise_floor(truth).step, "the noise floor"
        limit = (1 + settings.max_gap) * bound
    if error > limit + 1e-9:
        given = f"its error per step on draws around the same shares is {error:.2%}; {what}: {bound:.2%}"
        raise Failure(f"{given}; the mean: {forecast_errors(mean, truth).step:.2%}", better=mean[:1].tolist())
