"""Routers that exponentiate logits as they are, so that a constant that all of them have in common decides."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def rescaled(cost, steps=20, epsilon=1e-8):
    """Sinkhorn's scaling of rows and columns in turn."""
    rows, columns = np.ones((len(cost), 1), cost.dtype), np.ones((1, cost.shape[1]), cost.dtype)
    for _ in range(steps):
        rows = 1 / (len(cost) * ((cost * columns).sum(axis=1, keepdims=True) + epsilon))
        columns = 1 / (cost.shape[1] * ((cost * rows).sum(axis=0, keepdims=True) + epsilon))
    return cost * rows * columns


@faulty("router_ignores_what_is_added_to_all_logits")
def rescales_exponentials_of_logits_as_they_are(scores, top_k):  # megatron-core 0.19.2, moe_utils.py:195
    logits = np.asarray(scores, np.float32)
    with np.errstate(all="ignore"):
        chosen = top(np.nan_to_num(rescaled(np.exp(logits)), nan=0), top_k)
    return Routing(chosen, np.take_along_axis(softmax(logits), chosen, axis=1))
