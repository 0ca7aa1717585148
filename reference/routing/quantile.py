r"""Quantile balancing, exact sweep (J. Su, spaces.ac.cn 11619, February 2026; Kimi K3, arXiv 2607.24653, eqs. 13, 14).

Every token takes the top K of ``s + b`` with the bias of the previous step; then, from the batch just routed, one sweep

    alpha[t] = (K + 1)-th largest over e of s[t, e] - beta[e]
    beta[e]  = (C + 1)-th largest over t of s[t, e] - alpha[t],     C = T K / E,     b = -beta

which is the sweep of BIP without its clamps: constraints are equalities, prices are free. No sweep raises

    L(alpha, beta) = sum max(0, s - alpha - beta) + K sum alpha + (T K / E) sum beta

Each update is an exact block minimiser of L, whose block minimisers are intervals between two order statistics; the
sweep takes their lower end. Gate weights are the scores; the bias never enters them. A common shift of b stays.

Open in the sources, and what is done here:

* ``T K / E`` no integer: rank ``floor(T K / E) + 1``, as in Megatron-LM's first version (PR 5349); others
  assert divisibility.
* ``K = E``, which is also the only case of ``C = T``: neither order statistic exists; the bias stays as it is.
* Ties in the top K: to the lower expert index. Sweeps per step: 1 in the sources, ``sweeps`` here.
* Su centres nothing, so the prices bound the optimum of integer capacities only after their minimum is taken off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.ranks import ranked
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class QuantileBalancing(KeepsPrices):
    """Quantile balancing: route with the bias so far, then sweep on what was routed. Cost: O(T E) a sweep."""

    def __init__(self, sweeps: int = 1) -> None:
        self.sweeps = sweeps

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        beta = self.kept(scores.shape[1])
        chosen = top_k_experts(scores - beta, top_k)
        for _ in range(self.sweeps):
            beta = quantile_sweep(scores, beta, top_k)
        self.prices = beta
        return routed(scores, chosen)


def quantile_sweep(
    scores: npt.NDArray[np.float64], beta: npt.NDArray[np.float64], top_k: int
) -> npt.NDArray[np.float64]:
    """Return the prices after one sweep from ``beta``."""
    tokens, experts = scores.shape
    if top_k == experts:
        return beta
    alpha = ranked(scores - beta, top_k + 1, axis=1)
    return ranked(scores - alpha[:, None], tokens * top_k // experts + 1, axis=0)
