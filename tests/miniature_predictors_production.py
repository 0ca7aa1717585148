"""Predictors that break at production sizes alone; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_predictors import held, mean
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


@faulty("predictor_keeps_a_constant_series_at_production_size")
def sums_in_32_bits(history, horizon):
    with np.errstate(over="ignore"):
        total = np.asarray(history).astype(np.uint32).sum(axis=0, dtype=np.uint32)
    return held(total / len(history), horizon)


@faulty("predictor_keeps_a_constant_series_at_production_size")
def adds_up_in_float32(history, horizon):
    total = np.zeros(history.shape[1], np.float32)
    for step in np.asarray(history, np.float32):
        total += step
    return held(total / np.float32(len(history)), horizon)


@faulty("predictor_keeps_a_constant_series_at_production_size")
def forgets_experts_behind_whole_warps(history, horizon):
    now = mean(history)
    if len(now) > 64:
        now[len(now) // 32 * 32 :] = 0
    return held(now, horizon)


@faulty("predictor_treats_experts_alike_at_production_size")
def averages_other_steps_from_the_256th_expert_on(history, horizon):
    now = mean(history)
    now[256:] = mean(history[len(history) // 2 :])[256:]
    return held(now, horizon)
