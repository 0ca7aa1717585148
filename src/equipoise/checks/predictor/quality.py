"""How good a forecast must be where nothing but noise is left to predict."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.predictor import families
from equipoise.checks.predictor.answers import forecast
from equipoise.roles.predictor import PredictorCase
from equipoise.series import forecast_errors, noise_floor

SLACK = 0.1
"""By how much a forecast may be worse than repeating a step: both are measured on the same 64 steps."""

STEPS = 32
"""Steps that are repeated: the last alone may be a lucky one, close to the mean."""


@check("predictor", families.stationary, unless=("random",))
def predictor_is_no_worse_than_the_last_step(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """On draws around the same shares it errs at most 10 % more than repeating the last step, or a step on average.

    With ``max_gap`` it must come so close to the noise floor: the error per step over that of the true shares, less 1.
    """
    known, truth = case.history[: -case.horizon], case.history[-case.horizon :]
    error = forecast_errors(forecast(balancer, case, history=known), truth).step
    mean = np.tile(known.mean(axis=0), (case.horizon, 1))
    if settings.max_gap is None:
        repeated = [forecast_errors(np.tile(step, (case.horizon, 1)), truth).step for step in known[-STEPS:]]
        bound, what = max(repeated[-1], sum(repeated) / len(repeated)), "repeating a step"
        limit = (1 + SLACK) * bound
    else:
        bound, what = noise_floor(truth).step, "the noise floor"
        limit = (1 + settings.max_gap) * bound
    if error > limit + 1e-9:
        given = f"its error per step on draws around the same shares is {error:.2%}; {what}: {bound:.2%}"
        raise Failure(f"{given}; the mean: {forecast_errors(mean, truth).step:.2%}", better=mean[:1].tolist())
