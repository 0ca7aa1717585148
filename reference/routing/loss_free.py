r"""Loss-Free Balancing, sign rule (arXiv 2408.15664, Algorithm 1).

Every token takes the top K of ``s + b``; then, from the batch that was just routed,

    b[e] += u * sign(mean load - load[e])

Gate weights are the scores of the chosen experts; the bias never enters them. The paper's u is 0.001, on sigmoid
scores; b starts at zero. Open in the paper: ties in the top K, here to the lower expert index. ``K = E`` and every
other perfectly balanced batch leave b alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class LossFree(KeepsBias):
    """Loss-Free Balancing with update rate ``rate`` (the paper's u). Cost: O(T E log E)."""

    def __init__(self, rate: float = 1e-3) -> None:
        self.rate = rate

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        chosen = top_k_experts(scores + bias, top_k)
        load = np.bincount(chosen.ravel(), minlength=scores.shape[1])
        self.bias = bias + self.rate * np.sign(load.mean() - load)
        return routed(scores, chosen)
