"""Correct routers of styles that production sizes could get wrong; ``CORRECT`` names them."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import top
from miniature_routers_production import Cyclic
from miniature_routers_weights import softmax
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "invariance", "production")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
def softmax_then_top_k_in_float32(scores, top_k):
    """Over all experts; not normalised."""
    gate = np.exp(np.asarray(scores, np.float32) - scores.max(axis=1, keepdims=True))
    gate /= gate.sum(axis=1, keepdims=True)
    chosen = top(gate, top_k)
    return Routing(chosen, np.take_along_axis(gate, chosen, axis=1))


@correct
def top_k_then_softmax(scores, top_k):
    chosen = top(scores, top_k)
    return Routing(chosen, softmax(np.take_along_axis(np.asarray(scores, np.float64), chosen, axis=1)))


top_k_then_softmax.capabilities = frozenset({"weights: softmax of the chosen"})


@correct
def partial_sort_with_equals_in_any_order(scores, top_k):
    return np.argpartition(-np.asarray(scores), top_k - 1, axis=1)[:, :top_k].astype(np.int16)


@correct
def scores_of_seven_bits(scores, top_k):
    """As bfloat16 holds them: near ties fall otherwise."""
    low = np.asarray(scores, np.float32).view(np.uint32) + np.uint32(0x8000)
    return top((low & np.uint32(0xFFFF0000)).view(np.float32), top_k)


@correct
class InTurn(Cyclic):
    """Token after token, with a penalty on what is full."""

    capabilities = frozenset({"online", "depends on expert order"})


@correct
class RefusesMoreThan256:
    def __call__(self, scores, top_k):
        if scores.shape[1] > 256:
            raise ValueError("at most 256 experts")
        return top(scores, top_k)
