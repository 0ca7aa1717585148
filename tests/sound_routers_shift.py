"""Correct routers that see, or do not see, a constant that all logits have in common."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import top
from miniature_routers_shift import rescaled, softmax
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("shift",)
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
class WeighsByASoftmax:
    capabilities = frozenset({"logits", "weights: softmax"})

    def __call__(self, scores, top_k):
        chosen = top(scores, top_k)
        return Routing(chosen, np.take_along_axis(softmax(np.asarray(scores, np.float64)), chosen, axis=1))


@correct
class WeighsByASigmoid:  # which is 1 for all large logits
    capabilities = frozenset({"logits"})

    def __call__(self, scores, top_k):
        gate = 1 / (1 + np.exp(-np.clip(np.asarray(scores, np.float64), -500, 500)))
        chosen = top(gate, top_k)
        weights = np.take_along_axis(gate, chosen, axis=1)
        return Routing(chosen, weights / weights.sum(axis=1, keepdims=True))


@correct
class RescalesASoftmax:
    capabilities = frozenset({"logits", "balances"})

    def __call__(self, scores, top_k):
        gate = softmax(np.asarray(scores, np.float64))
        chosen = top(rescaled(gate, epsilon=0), top_k)
        return Routing(chosen, np.take_along_axis(gate, chosen, axis=1))
