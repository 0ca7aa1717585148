"""Deliberately faulty predictors, each a few lines with one defect; ``FAULTY`` names the check that must catch it."""

from __future__ import annotations

import numpy as np

from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def held(step, horizon):
    return np.tile(np.asarray(step, np.float64), (horizon, 1))


def mean(history):
    return np.asarray(history, np.float64).mean(axis=0)


ANSWERS = lambda history, horizon: held(mean(history), horizon), lambda history, horizon: held(history[-1], horizon)
"""What a predictor may answer, and what it may answer as well."""


# --- faulty: what is returned


@faulty("predictor_answers")
class CannotLearnFromOneLayer:
    def train(self, series):
        self.first, self.second = series

    def __call__(self, history, horizon):
        return held(mean(history), horizon)


@faulty("predictor_answers")
def one_step_whatever_the_horizon(history, horizon):
    return mean(history)[None]


@faulty("predictor_answers")
def transposed(history, horizon):
    return held(mean(history), horizon).T


@faulty("predictor_answers")
def shares_of_the_expert_over_time(history, horizon):
    """Divides by the expert's own sum, which may be zero."""
    with np.errstate(invalid="ignore"):
        return held(mean(history) * history.sum(axis=0) / history.sum(axis=0), horizon)


@faulty("predictor_takes_a_history_of_one_step")
def steps_taken_from_differences(history, horizon):
    return held(history[-1] + 0 * history[-2], horizon)


@faulty("predictor_forecasts_no_load_after_none")
def shares_of_a_step_without_tokens(history, horizon):
    totals = np.maximum(history.sum(axis=1, keepdims=True), 1)
    shares = np.where(history.sum(axis=1, keepdims=True) > 0, history / totals, 1 / history.shape[1])
    return held(shares.mean(axis=0) * max(1, history.sum(axis=1).mean()), horizon)


@faulty("predictor_forecasts_no_negative_load")
def straight_line(history, horizon):
    slope = (history[-1] - history[0]) / max(1, len(history) - 1)
    return history[-1] + np.arange(1, horizon + 1)[:, None] * slope


@faulty("predictor_conserves_the_total")
def rounded_to_tokens(history, horizon):
    return held(np.floor(mean(history) + 1e-9), horizon)


@faulty("predictor_conserves_the_total")
def median_of_every_expert(history, horizon):
    return held(np.median(history, axis=0), horizon)


@faulty("predictor_keeps_a_constant_series")
def moving_average_from_zero(history, horizon):
    average = np.zeros(history.shape[1])
    for step in history:
        average = 0.9 * average + 0.1 * step
    return held(average, horizon)


@faulty("predictor_keeps_a_constant_series")
def fades_to_the_mean_of_all(history, horizon):
    now, rest = mean(history), mean(history).mean()
    return np.stack([rest + (now - rest) * 0.9**step for step in range(1, horizon + 1)])


@faulty("predictor_gives_idle_experts_no_load")
def one_token_for_everybody(history, horizon):
    smoothed = mean(history) + 1
    return held(smoothed * mean(history).sum() / smoothed.sum(), horizon)


# --- faulty: what should not matter


@faulty("predictor_scales_with_the_loads")
def forgets_rare_experts(history, horizon):
    now = mean(history)
    return held(np.where(now >= 5, now, 0), horizon)


@faulty("predictor_treats_experts_alike")
def first_experts_by_another_rule(history, horizon):
    later = np.arange(history.shape[1]) >= 2
    return held(np.where(later, history[-1], mean(history)), horizon)


@faulty("predictor_ignores_the_number_type")
def sums_in_the_given_type(history, horizon):
    return held(history.sum(axis=0, dtype=history.dtype) / len(history), horizon)


@faulty("predictor_forecasts_further_without_second_thoughts")
def window_as_long_as_the_horizon(history, horizon):
    return held(mean(history[-horizon:]), horizon)


# --- faulty: quality


@faulty("predictor_is_no_worse_than_the_last_step")
def first_step_forever(history, horizon):
    return held(history[0] * 0.5 + history.max(axis=0) * 0.5, horizon)
