"""Predictors at production sizes: thousands of steps, hundreds of experts, loads beyond 2^31 and 2^40."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.production import Sizes, production
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.predictor import families
from equipoise.checks.predictor.answers import compare, forecast
from equipoise.roles.predictor import PredictorCase

EXPERTS = (8, 33, 64, 128, 129, 256, 257, 384, 896, 1100)
STEPS = (1, 31, 33, 64, 127, 129, 255, 257, 1000, 1025, 2049, 4097, 8192)
LADDER = tuple((steps, experts, 64, bits) for steps in STEPS for experts in EXPERTS for bits in (8, 25, 32, 41))
"""S, E, horizon and the bits of the largest load."""

SAME = 4
"""Experts whose loads are different; the others have the loads of one of them."""


def _entries(sizes: Sizes) -> int:
    return sizes[0] * sizes[1]


@production(LADDER, _entries, 20_000, families.constant.admits)
def constant_for_long(sizes: Sizes, random: np.random.RandomState) -> PredictorCase:
    """The same step again and again."""
    steps, experts, horizon, bits = sizes
    step = np.floor(2.0 ** (bits * random.random_sample(experts))).astype(np.int64)
    step[-1] = 2**bits - 1
    return PredictorCase(np.tile(step, (steps, 1)), horizon)


def _has_doubles(case: PredictorCase) -> bool:
    return case.history.shape[1] <= SAME or np.array_equal(case.history[:, SAME:], case.history[:, :-SAME])


@production(LADDER, _entries, 20_000, _has_doubles)
def experts_alike(sizes: Sizes, random: np.random.RandomState) -> PredictorCase:
    """Random loads of a few experts, over and over."""
    steps, experts, horizon, bits = sizes
    loads = random.poisson(100, (steps, SAME)) * 2 ** max(0, bits - 8)
    return PredictorCase(loads[:, np.arange(experts) % SAME], horizon)


@check("predictor", constant_for_long)
def predictor_keeps_a_constant_series_at_production_size(
    balancer: Balancer, case: PredictorCase, settings: Settings
) -> None:
    """What has not changed in thousands of steps is forecast to stay, for every expert and loads beyond 2^40.

    Sums of 32 bits wrap around, and float32 stops counting at 2^24.
    """
    given = forecast(balancer, case)
    compare(given, np.tile(case.history[:1], (case.horizon, 1)), case, "after the same step again and again")


@check("predictor", experts_alike, unless=("random", "depends on expert order"))
def predictor_treats_experts_alike_at_production_size(
    balancer: Balancer, case: PredictorCase, settings: Settings
) -> None:
    """Of hundreds of experts, those with the same loads in every step get the same forecast."""
    given = forecast(balancer, case)
    wrong = families.off(given, given[:, np.arange(given.shape[1]) % SAME], float(case.history.max(initial=0)))
    if wrong.any():
        step, expert = np.argwhere(wrong)[0].tolist()
        numbers = f"{given[step, expert]:.6g}, that of expert {expert % SAME} {given[step, expert % SAME]:.6g}"
        raise Failure(f"in step {step} the load of expert {expert} is {numbers}, with the same loads so far")
