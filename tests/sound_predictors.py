"""Correct predictors in many styles; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import numpy as np

from miniature_predictors import held, mean
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)


@correct
def last_step_as_whole_numbers(history, horizon):
    return np.repeat(history[-1:], horizon, axis=0)


@correct
def mean_in_half_the_precision(history, horizon):
    return held(mean(history), horizon).astype(np.float32)


@correct
def damped_line_of_shares(history, horizon):
    """A trend that fades, cut at zero and scaled to the last total."""
    totals = history.sum(axis=1, keepdims=True)
    shares = history / np.where(totals > 0, totals, 1)
    slope = (shares[-1] - shares[0]) / max(1, len(history))
    ahead = np.maximum(mean(shares) + np.cumsum(0.5 ** np.arange(1, horizon + 1))[:, None] * slope, 0)
    sums = ahead.sum(axis=1, keepdims=True)
    return np.where(sums > 0, ahead / np.where(sums > 0, sums, 1), 1 / history.shape[1]) * totals[-1]


@correct
class LearnsOnAnotherRun:
    """Cannot say anything before it has learnt how many experts there are."""

    def train(self, series):
        self.experts = series[0].shape[1]

    def __call__(self, history, horizon):
        assert history.shape[1] == self.experts
        return held(mean(history), horizon)


@correct
class MediansThatSaySo:
    capabilities = ("changes totals",)

    def __call__(self, history, horizon):
        return held(np.median(history, axis=0), horizon)


@correct
class SmoothsAndSaysSo:
    capabilities = ("smooths", "depends on scale")

    def __call__(self, history, horizon):
        now = mean(history)
        if len(history) > 1 and np.ptp(history, axis=0).any():
            now = (now + 0.1) * now.sum() / (now + 0.1).sum()
        return held(now, horizon)


@correct
class OneModelPerHorizon:
    capabilities = ("direct",)

    def __call__(self, history, horizon):
        return held(mean(history[-10 * horizon :]), horizon)
