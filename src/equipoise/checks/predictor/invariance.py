"""What must not matter: the unit of the loads, the order of the experts, the number type, how far one asks."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import PredictorCase
from equipoise.checks.predictor.view import any_history, compare, forecast, fresh
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject

FACTOR = 1024


@check("predictor", any_history, unless=("random", "depends on scale"))
def predictor_scales_with_the_loads(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """1,024 times the tokens give 1,024 times the forecast (thresholds and offsets in tokens do not)."""
    fresh(subject, case.history)
    plain = forecast(subject, case.history, case.horizon)
    fresh(subject, case.history)
    large = forecast(subject, case.history * FACTOR, case.horizon)
    compare(large / FACTOR, plain, case.history, f"{FACTOR} times the tokens, divided again")


@check("predictor", any_history, unless=("random", "depends on expert order"))
def predictor_treats_experts_alike(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """Renaming the experts renames the forecast."""
    fresh(subject, case.history)
    plain = forecast(subject, case.history, case.horizon)
    fresh(subject, case.history)
    renamed = forecast(subject, np.ascontiguousarray(case.history[:, ::-1]), case.horizon)
    compare(renamed[:, ::-1], plain, case.history, "with the experts in reverse order")


@check("predictor", any_history, unless=("random",))
def predictor_ignores_the_number_type(subject: Subject, case: PredictorCase, settings: Settings) -> None:
    """The same loads as 8-bit, 64-bit and floating-point numbers give the same forecast (sums must not overflow)."""
    fresh(subject, case.history)
    plain = forecast(subject, case.history.astype(np.float64), case.horizon)
    for dtype in (np.int64, np.uint8) if case.history.max(initial=0) < 256 else (np.int64,):
        fresh(subject, case.history)
        given = forecast(subject, case.history.astype(dtype), case.horizon)
        compare(given, plain, case.history, f"given as {np.dtype(dtype)} and not as float64")


@check("predictor", any_history, unless=("random", "direct"))
def predictor_forecasts_further_without_second_thoughts(
    subject: Subject, case: PredictorCase, settings: Settings
) -> None:
    """A longer horizon begins with the shorter forecast, unless the predictor declares "direct"."""
    fresh(subject, case.history)
    short = forecast(subject, case.history, case.horizon)
    fresh(subject, case.history)
    long = forecast(subject, case.history, 2 * case.horizon + 1)
    compare(long[: case.horizon], short, case.history, f"asked for {2 * case.horizon + 1} steps and not {case.horizon}")
