r"""BIP-Based Balancing, batch form (arXiv 2502.15451, Algorithm 1; reconstructed: the full text was not at hand).

Before a batch is routed, ``T_iter`` sweeps of dual coordinate descent on the binary integer program

    p[t] = max(0, (K + 1)-th largest over e of s[t, e] - q[e])
    q[e] = max(0, (C + 1)-th largest over t of s[t, e] - p[t]),     C = T K / E

then every token takes the top K of ``s - q``. The prices q stay between batches, one router per layer.

The program is the one with at most K experts per token and at most C tokens per expert, hence p, q >= 0, and no sweep
raises its dual ``C sum q + sum_t (positive parts of the K largest of s[t, :] - q)`` from any q >= 0. The clamps also
let starved experts stay starved: a price cannot fall below zero to attract tokens.

Open in the paper, and what is done here:

* C if ``T K / E`` is not an integer: rank ``floor(T K / E) + 1``, a valid block minimiser for floor and ceiling alike.
* ``K = E`` has no (K+1)-th largest: p = 0 (nothing is turned away). Then C = T and there is no (C+1)-th: q = 0.
* Ties in the final top K: to the lower expert index.
* Whether q stays between batches: kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.ranks import ranked
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class BIP(KeepsPrices):
    """BIP-Based Balancing with ``sweeps`` (the paper's T, 2 to 14) dual sweeps a batch. Cost: O(T E) a sweep."""

    def __init__(self, sweeps: int = 4) -> None:
        self.sweeps = sweeps

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Sweep on this batch, then route it."""
        scores = np.asarray(scores, np.float64)
        q = self.kept(scores.shape[1])
        for _ in range(self.sweeps):
            q = bip_sweep(scores, q, top_k)
        self.prices = q
        return routed(scores, top_k_experts(scores - q, top_k))


def bip_sweep(scores: npt.NDArray[np.float64], q: npt.NDArray[np.float64], top_k: int) -> npt.NDArray[np.float64]:
    """Return the prices after one sweep from ``q``."""
    tokens, experts = scores.shape
    p = np.maximum(0, ranked(scores - q, top_k + 1, axis=1))
    return np.maximum(0, ranked(scores - p[:, None], tokens * top_k // experts + 1, axis=0))
