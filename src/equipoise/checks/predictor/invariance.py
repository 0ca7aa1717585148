"""What must not matter: the unit of the loads, the order of the experts, the number type, how far one asks."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.predictor import families
from equipoise.checks.predictor.answers import compare, forecast
from equipoise.roles.predictor import PredictorCase

FACTOR = 1024


@check("predictor", families.any_history, unless=("random", "depends on scale"))
def predictor_scales_with_the_loads(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """1,024 times the tokens give 1,024 times the forecast (thresholds and offsets in tokens do not)."""
    plain = forecast(balancer, case)
    large = forecast(balancer, case, history=case.history * FACTOR)
    compare(large / FACTOR, plain, case, f"{FACTOR} times the tokens, divided again")


@check("predictor", families.any_history, unless=("random", "depends on expert order"))
def predictor_treats_experts_alike(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """Renaming the experts renames the forecast."""
    plain = forecast(balancer, case)
    renamed = forecast(balancer, case, history=np.ascontiguousarray(case.history[:, ::-1]))
    compare(renamed[:, ::-1], plain, case, "with the experts in reverse order")


@check("predictor", families.any_history, unless=("random",))
def predictor_ignores_the_number_type(balancer: Balancer, case: PredictorCase, settings: Settings) -> None:
    """The same loads as 8-bit, 64-bit and floating-point numbers give the same forecast (sums must not overflow)."""
    plain = forecast(balancer, case, history=case.history.astype(np.float64))
    for dtype in (np.int64, np.uint8) if case.history.max(initial=0) < 256 else (np.int64,):
        given = forecast(balancer, case, history=case.history.astype(dtype))
        compare(given, plain, case, f"given as {np.dtype(dtype)} and not as float64")


@check("predictor", families.any_history, unless=("random", "direct"))
def predictor_forecasts_further_without_second_thoughts(
    balancer: Balancer, case: PredictorCase, settings: Settings
) -> None:
    """A longer horizon begins with the shorter forecast, unless the predictor declares "direct"."""
    short = forecast(balancer, case)
    long = forecast(balancer, case, horizon=2 * case.horizon + 1)
    compare(long[: case.horizon], short, case, f"asked for {2 * case.horizon + 1} steps and not {case.horizon}")
