"""Correct predictors that follow trends, return to means or lag behind; ``CORRECT`` names them."""

from __future__ import annotations

import numpy as np

from miniature_predictors import held, mean
from miniature_predictors_trends import kept
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "quality")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
def damped_holt(history, horizon):
    """Level and damped trend of every expert, cut at zero, scaled to the last total."""
    level, trend = history[0].astype(float), np.zeros(history.shape[1])
    for step in history[1:]:
        before = level
        level = 0.1 * step + 0.9 * (level + 0.8 * trend)
        trend = 0.05 * (level - before) + 0.95 * 0.8 * trend
    return kept(level + np.cumsum(0.8 ** np.arange(1, horizon + 1))[:, None] * trend, history)


@correct
def returns_to_the_mean(history, horizon):
    """From the last step back to the mean, a part of the way in every step."""
    return mean(history) + 0.7 ** np.arange(1, horizon + 1)[:, None] * (history[-1] - mean(history))


@correct
def newer_steps_weigh_more(history, horizon):
    weights = np.arange(1.0, len(history) + 1)
    return held(weights @ history / weights.sum(), horizon)


@correct
class MedianOfTheLastSteps:
    capabilities = ("changes totals",)

    def __call__(self, history, horizon):
        return held(np.median(history[-15:], axis=0), horizon)


@correct
class LargerOfTheLastTwo:
    """Plans for the worse of two means, and says that totals change."""

    capabilities = ("changes totals",)

    def __call__(self, history, horizon):
        return held(np.maximum(mean(history[-1:]), mean(history)) * 0.5 + mean(history) * 0.5, horizon)


@correct
class RepeatsTheLastSeason:
    capabilities = ("seasonal", "direct")

    def __call__(self, history, horizon):
        season = history[-min(4, len(history)) :]
        return np.stack([season[step % len(season)] for step in range(horizon)])


@correct
class AutoregressionOfShares:
    """x' = mean + phi (x - mean), phi from the history."""

    def __call__(self, history, horizon):
        steps = np.asarray(history, float)
        off = steps - steps.mean(axis=0)
        square = (off[:-1] ** 2).sum()
        phi = np.clip((off[1:] * off[:-1]).sum() / square, -0.9, 0.9) if square > 0 else 0.0
        ahead = steps.mean(axis=0) + phi ** np.arange(1, horizon + 1)[:, None] * off[-1]
        return np.maximum(kept(ahead, history) if np.ptp(steps.sum(axis=1)) == 0 else np.maximum(ahead, 0), 0)
