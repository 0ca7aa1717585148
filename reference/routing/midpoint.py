r"""The midpoint sweep: quantile balancing from the middle of every block minimiser. Ours; no paper states it.

    alpha[t] = mean of the K-th and the (K + 1)-th largest over e of s[t, e] - beta[e]
    beta[e]  = mean of the c-th and the (c + 1)-th largest over t of s[t, e] - alpha[t],     c = ceil(T K / E)

and ``beta = max(0, beta)`` unless E divides T K. The minimisers of one block of the dual are an interval between two
order statistics. Published rules take one end of it and may stall there, because the dual is convex but not smooth. The
middle is as good for the block and leaves room on both sides. No sweep raises the dual of the assignment problem,
``c sum beta + sum of the K largest of s - beta``, from any prices that it may hold.

The floor at zero is there because capacities then have slack: a price must be zero where an expert is not full, and the
dual without a floor has no minimum (it falls with every common shift). Without slack the floor would only slow it down.

On generic scores finitely many sweeps end at the unique optimum and stay there: proved in docs/explanation/theory.md,
section 9. Generic are scores in which no alternating sum around a cycle of tokens and experts is zero, nor, where E
does not divide T K, along a path between two experts. Distinct scores are not enough (``[[0, 1], [10, 11]]``, K = 1,
has no balanced bias at all), and ties can defeat it (docs/measured/findings.md).

Choices, all ours: the batch is swept before it is routed, as in BIP, and prices stay between batches. ``K = E`` has no
(K+1)-th largest: prices stay. ``c >= T``: no capacity can bind, prices are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.ranks import halfway
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class Midpoint(KeepsPrices):
    """Route each batch after ``sweeps`` midpoint sweeps on it. Cost: O(T E) a sweep."""

    def __init__(self, sweeps: int = 4) -> None:
        self.sweeps = sweeps

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Sweep on this batch, then route it."""
        scores = np.asarray(scores, np.float64)
        beta = self.kept(scores.shape[1])
        for _ in range(self.sweeps):
            beta = midpoint_sweep(scores, beta, top_k)
        self.prices = beta
        return routed(scores, top_k_experts(scores - beta, top_k))


def midpoint_sweep(
    scores: npt.NDArray[np.float64], beta: npt.NDArray[np.float64], top_k: int
) -> npt.NDArray[np.float64]:
    """Return the prices after one sweep from ``beta``."""
    tokens, experts = scores.shape
    if top_k == experts:
        return beta
    capacity = -(-tokens * top_k // experts)
    if capacity >= tokens:
        return np.zeros(experts)
    alpha = halfway(scores - beta, top_k, axis=1)
    beta = halfway(scores - alpha[:, None], capacity, axis=0)
    return np.maximum(0, beta) if tokens * top_k % experts else beta
