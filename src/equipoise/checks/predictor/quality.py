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
"""By how much a forecast that is no mean of the past may be worse than the worst one: models that are fitted."""


@check("predictor", families.stationary, unless=("random", "seasonal"))
def predictor_is_no_worse_than_the_last_step(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """On draws around the same shares it errs at most 10 % more than the worst mean of the last steps, of any number.

    The last step alone, which repeated errs most on average, is one of them. Every weighted mean of the past in which
    no step weighs more than a later one is a mixture of these means, and the error of a mixture is at most the largest
    among its parts (absolute values are convex): such a predictor is never flagged, however lucky the last step was.
    The 10 % are for models that fit a trend or use medians.

    With ``max_gap`` it must come so close to the noise floor: the error per step over that of the true shares, less 1.
    """
    known, truth = case.history[: -case.horizon], case.history[-case.horizon :]
    error = forecast_errors(forecast(balancer, case, history=known), truth).step
    mean = np.tile(known.mean(axis=0), (case.horizon, 1))
    if settings.max_gap is None:
        means = np.cumsum(known[::-1], axis=0) / np.arange(1, len(known) + 1)[:, None]
        bound = max(forecast_errors(np.tile(one, (case.horizon, 1)), truth).step for one in means)
        what = "the worst mean of the last steps"
        limit = (1 + SLACK) * bound
    else:
        bound, what = noise_floor(truth).step, "the noise floor"
        limit = (1 + settings.max_gap) * bound
    if error > limit + 1e-9:
        given = f"its error per step on draws around the same shares is {error:.2%}; {what}: {bound:.2%}"
        raise Failure(f"{given}; the mean: {forecast_errors(mean, truth).step:.2%}", better=mean[:1].tolist())


@check("predictor", families.trends, unless=("random", "seasonal"))
def predictor_turns_no_trend_around(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """An expert that falls at every step is not forecast above its last load, one that rises not below it.

    Unless the forecast lags behind, as averages do and what returns to a mean: it stays within the loads that the
    expert has had. A slope with the wrong sign leaves them a few steps ahead, as does a trend that turns. Judged where
    one expert falls, one rises, and all others and the total stay.
    """
    given = forecast(balancer, case)
    for expert, sign, what in zip(families.trend(case) or (), (1, -1), ("falls", "rises"), strict=False):
        loads = sign * case.history[:, expert].astype(np.float64)
        ahead, noise = sign * given[:, expert], 1e-6 * max(1.0, float(np.abs(loads).max()))
        wrong = ahead > loads[0] + noise
        if wrong.any():
            step, side = int(np.argmax(wrong)), "above" if sign == 1 else "below"
            raise Failure(
                f"expert {expert} {what} at every step, from {abs(loads[0]):g} to {abs(loads[-1]):g}, and is forecast "
                f"{side} both, with {given[step, expert]:.6g} in step {step}",
                better=np.tile(case.history[-1:], (case.horizon, 1)).tolist(),
            )


@check("predictor", families.two_steps, unless=("random", "depends on scale", "seasonal"))
def predictor_sees_the_newest_step(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """Of two steps the newer one matters: more tokens in it, or fewer, change the forecast of an expert.

    A history cut one step short forecasts what is over. A mean, a median and the last step alone all see both; one that
    "changes totals" may see one of the two, as the larger of the steps does.
    """
    plain, newest = forecast(balancer, case), case.history[-1].astype(np.int64)
    more, fewer = (newest + 1 + case.history.sum(axis=0), 3 * newest + 7), (0 * newest, newest // 2)
    seen = []
    for directions in (more, fewer):
        others = [forecast(balancer, case, history=np.stack([case.history[0], other])) for other in directions]
        largest = float(case.history.max(initial=0))
        seen.append(np.any([families.off(other, plain, largest).any(axis=0) for other in others], axis=0))
    seen[1] |= newest == 0
    enough = seen[0] | seen[1] if "changes totals" in balancer.capabilities else seen[0] & seen[1]
    if not enough.all():
        expert = int(np.argmin(enough))
        side = "more" if not seen[0][expert] else "fewer"
        loads = case.history[:, expert].tolist()
        raise Failure(
            f"the loads of expert {expert} were {loads}, and {side} tokens in place of the last do not matter"
        )
