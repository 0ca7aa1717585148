"""Correct routers that are particular about numbers: half floats, gates that saturate, NaN, padding."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import Stored, top
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "weights", "values")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
class TakesScoresOfAGate:
    """A histogram over [0, 1] has no place for others."""

    capabilities = frozenset({"scores in [0, 1]"})

    def __call__(self, scores, top_k):
        if (scores < 0).any() or (scores > 1).any():
            raise FloatingPointError("outside [0, 1]")
        return top(scores, top_k)


@correct
class SendsNanToTheFirst:
    capabilities = frozenset({"non-finite scores"})

    def __call__(self, scores, top_k):
        return top(np.nan_to_num(np.asarray(scores, np.float64), nan=-1e300), top_k)


@correct
def raises_at_nan(scores, top_k):
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    return top(scores, top_k)


@correct
class LearnsFromRealTokensAlone(Stored):
    step = 0.01

    def __call__(self, scores, top_k, mask=None):
        real = np.ones(len(scores), bool) if mask is None else mask
        routing = super().__call__(scores[real], top_k)
        chosen = np.full((len(scores), top_k), -1)
        weights = np.zeros(chosen.shape)
        chosen[real], weights[real] = routing.chosen, routing.weights
        return Routing(chosen, weights)


@correct
def reads_bfloat16(scores, top_k, bfloat16=False):
    values = np.ascontiguousarray(scores, np.float32)
    if bfloat16:
        values = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    chosen = top(values, top_k)
    return Routing(chosen, np.take_along_axis(values, chosen, axis=1))


@correct
class SoftlyCapsLogits:
    capabilities = frozenset({"logits"})

    def __call__(self, scores, top_k):
        return top(30 * np.tanh(np.asarray(scores, np.float64) / 30), top_k)
