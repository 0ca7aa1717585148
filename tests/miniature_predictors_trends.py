"""Faulty predictors of loads that rise or fall, near and far ahead; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_predictors import held, mean
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def slope_of(history):
    return (history[-1] - history[0].astype(float)) / max(1, len(history) - 1)


def kept(ahead, history):
    """Forecasts cut at zero and scaled to the last total."""
    ahead, total = np.maximum(ahead, 0), float(history[-1].sum())
    sums = ahead.sum(axis=1, keepdims=True)
    return np.where(sums > 0, ahead / np.where(sums > 0, sums, 1) * total, held(history[-1], len(ahead)))


@faulty("predictor_turns_no_trend_around")
def slope_with_the_wrong_sign(history, horizon):
    return kept(history[-1] - np.arange(1, horizon + 1)[:, None] * slope_of(history), history)


@faulty("predictor_turns_no_trend_around")
def newest_first(history, horizon):
    """Takes the history for one that begins with now."""
    return kept(history[0] + np.arange(1, horizon + 1)[:, None] * slope_of(history[::-1]), history)


@faulty("predictor_turns_no_trend_around")
def size_of_the_slope_alone(history, horizon):
    return history[-1] + np.abs(slope_of(history)) * np.arange(1, horizon + 1)[:, None]


slope_with_the_wrong_sign.capabilities = size_of_the_slope_alone.capabilities = ("changes totals",)


@faulty("predictor_turns_no_trend_around")
def squares_that_lose_the_sign(history, horizon):
    ahead = np.arange(1, horizon + 1)[:, None] * slope_of(history) ** 2
    return kept(history[-1] + ahead, history)


@faulty("predictor_turns_no_trend_around")
def bounces_off_zero(history, horizon):
    """The size of a load below zero."""
    ahead = history[-1] + np.arange(1, horizon + 1)[:, None] * slope_of(history)
    ahead = np.abs(ahead)
    return ahead / np.maximum(ahead.sum(axis=1, keepdims=True), 1e-12) * history[-1].sum()


@faulty("predictor_stays_within_the_total_far_ahead")
class ExtrapolatesWithoutBound:
    capabilities = ("changes totals",)

    def __call__(self, history, horizon):
        return np.maximum(0, history[-1] + np.arange(1, horizon + 1)[:, None] * slope_of(history))


@faulty("predictor_stays_within_the_total_far_ahead")
class GrowsByAFactor:
    capabilities = ("changes totals",)

    def __call__(self, history, horizon):
        factor = np.clip((history[-1] + 1.0) / (history[0] + 1.0), 0.5, 2)
        return np.minimum(history[-1] * factor ** np.arange(1, horizon + 1)[:, None], 1e300)


@faulty("predictor_stays_within_the_total_far_ahead")
def falls_below_zero(history, horizon):  # dynamo issue 14493
    """A trend that is bounded near by, and nowhere else."""
    far = np.maximum(np.arange(horizon) - 30, 0)[:, None]
    return history[-1] + far * slope_of(history)


@faulty("predictor_stays_within_the_total_far_ahead")
def loses_a_little_in_every_step(history, horizon):
    return held(mean(history), horizon) * (1 - 1e-8) ** (np.arange(1, horizon + 1)[:, None] ** 3)


@faulty("predictor_sees_the_newest_step")
def one_step_late(history, horizon):
    return held(history[-2] if len(history) > 1 else history[-1], horizon)


@faulty("predictor_sees_the_newest_step")
def mean_without_the_newest(history, horizon):
    return held(mean(history[:-1] if len(history) > 1 else history), horizon)


@faulty("predictor_sees_the_newest_step")
def first_step(history, horizon):
    return held(history[0], horizon)


@faulty("predictor_sees_the_newest_step")
def shares_of_the_step_before(history, horizon):
    before = history[-2] if len(history) > 1 else history[-1]
    return held(before, horizon) if before.sum() == 0 else held(before / before.sum() * history[0].sum(), horizon)


@faulty("predictor_is_no_worse_than_the_last_step")
def one_step_of_the_past(history, horizon):
    """Any step is as good as another, on average: but not beside the means."""
    return held(history[len(history) // 3], horizon)


@faulty("predictor_is_no_worse_than_the_last_step")
def last_step_and_half_its_change(history, horizon):
    before = history[-2] if len(history) > 1 else history[-1]
    return kept(held(history[-1] + 0.5 * (history[-1] - before.astype(float)), horizon), history)
