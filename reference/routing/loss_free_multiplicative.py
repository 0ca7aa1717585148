r"""Loss-Free Balancing, multiplicative variant (arXiv 2408.15664, ablation of the bias).

Every token takes the top K of ``s * b``; then, from the batch that was just routed,

    b[e] += u * sign(mean load - load[e])

with b starting at one. Gate weights are the scores; the factors never enter them.

Open in the paper: ties in the top K, here to the lower expert index; and what happens off the positive numbers. A
negative score, or a factor that sinks below zero, turns the rule around: overload then attracts. Nothing is clamped
here, so use positive scores (sigmoid, softmax) and a small u. Factors are no prices: the rule is not a dual method, and
a per-token shift of the scores changes it. A common scale of all factors does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class LossFreeMultiplicative:
    """Loss-Free Balancing with ``factors`` instead of biases. Cost: O(T E log E)."""

    def __init__(self, rate: float = 1e-3) -> None:
        self.rate = rate
        self.factors: npt.NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Set all factors back to one."""
        self.factors = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the factors learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        experts = scores.shape[1]
        factors = np.ones(experts) if self.factors is None or len(self.factors) != experts else self.factors
        chosen = top_k_experts(scores * factors, top_k)
        load = np.bincount(chosen.ravel(), minlength=experts)
        self.factors = factors + self.rate * np.sign(load.mean() - load)
        return routed(scores, chosen)
