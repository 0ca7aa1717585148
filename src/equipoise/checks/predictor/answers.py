"""A predictor answers every history with loads: finite, not negative, with the total and the zeros that there were."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.predictor import families
from equipoise.roles.predictor import PredictorCase

Reals = npt.NDArray[np.float64]


def forecast(
    balancer: Balancer, case: PredictorCase, *, history: npt.NDArray[Any] | None = None, horizon: int | None = None
) -> Reals:
    """Return the forecast ``[horizon, E]`` of a fresh predictor, with another history or horizon if told so."""
    balancer.fresh()
    families.prepare(balancer, case)
    given: Reals = balancer.ask(case.history if history is None else history, horizon or case.horizon)
    return given


def compare(given: Reals, wanted: Reals, case: PredictorCase, when: str) -> None:
    """Fail at the first load that is off by more than a millionth of the largest load seen."""
    wrong = families.off(given, wanted, float(np.abs(case.history).max(initial=0)))
    if wrong.any():
        step, expert = np.argwhere(wrong)[0].tolist()
        numbers = f"{given[step, expert]:.6g}, not {wanted[step, expert]:.6g}"
        raise Failure(f"{when}, the load of expert {expert} in step {step} is {numbers}", better=wanted.tolist())


@check("predictor", families.one_step)
def predictor_takes_a_history_of_one_step(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """One step is a history: right after a start, nothing else is known (variances of one step are NaN)."""
    forecast(balancer, case)


@check("predictor", families.no_load, unless=("smooths",))
def predictor_forecasts_no_load_after_none(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """Without any token so far the forecast is zero: shares of nothing must not become NaN."""
    given = forecast(balancer, case)
    compare(given, np.zeros_like(given), case, "after steps without tokens")


@check("predictor", families.falling)
def predictor_forecasts_no_negative_load(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """Falling loads end at zero: an extrapolated line must be cut there."""
    forecast(balancer, case)


@check("predictor", families.equal_totals, unless=("changes totals",))
def predictor_conserves_the_total(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """If every step has the same number of tokens, so has every step of the forecast (rounding and clipping lose some).

    Unless the predictor declares "changes totals".
    """
    given = forecast(balancer, case).sum(axis=1)
    total = float(case.history[0].sum())
    wrong = families.off(given, np.full(case.horizon, total), total)
    if wrong.any():
        step = int(np.argmax(wrong))
        raise Failure(f"step {step} of the forecast has {given[step]:.6g} tokens; every step so far had {total:.6g}")


@check("predictor", families.constant)
def predictor_keeps_a_constant_series(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """What has never changed is forecast to stay (a moving average that starts at zero does not)."""
    given = forecast(balancer, case)
    compare(given, np.tile(case.history[:1], (case.horizon, 1)), case, "after the same step again and again")


@check("predictor", families.idle_expert, unless=("smooths",))
def predictor_gives_idle_experts_no_load(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """An expert without any token so far gets none, unless the predictor declares "smooths"."""
    given = forecast(balancer, case)
    idle = ~case.history.any(axis=0)
    wanted = np.where(idle, 0.0, given)
    compare(given, wanted, case, "after steps in which the expert had no token")


@check("predictor", families.far_ahead)
def predictor_stays_within_the_total_far_ahead(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """Of as many tokens in every step, no expert is forecast more than all, however far ahead; nor less than none.

    The total stays, unless "changes totals" is declared. A level with a trend leaves the range of shares in a few steps
    if nothing bounds it (dynamo issues 14493 and 14513: forecasts below zero, and their product above it).
    """
    given, total = forecast(balancer, case), float(case.history[0].sum())
    largest = given.max(axis=1)
    if (over := (largest > total) & families.off(largest, np.full(case.horizon, total), total)).any():
        step = int(np.argmax(over))
        expert = int(given[step].argmax())
        load = f"{largest[step]:.6g} tokens of expert {expert}"
        raise Failure(f"step {step} of the forecast has {load}; every step so far had {total:.6g} of all")
    sums = given.sum(axis=1)
    lost = families.off(sums, np.full(case.horizon, total), total)
    if lost.any() and "changes totals" not in balancer.capabilities:
        step = int(np.argmax(lost))
        raise Failure(f"step {step} of the forecast has {sums[step]:.6g} tokens; every step so far had {total:.6g}")
