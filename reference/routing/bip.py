r"""BIP-Based Balancing, batch form (arXiv 2502.15451, Algorithm 1; reconstructed: the full text was not at hand).

Before a batch is routed, ``T_iter`` sweeps of dual coordinate descent on the binary integer program

    p[t] = max(0, (K + 1)-th largest over e of s[t, e] - q[e])
    q[e] = max(0, (C + 1)-th largest over t of s[t, e] - p[t]),     C = T K / E

then every token takes the top K of ``s - q``. The prices q stay between batches, one router per layer.

Open in the paper, and what is done here:

* C when ``T K / E`` is no integer: rank ``floor(T K / E) + 1``, a valid block minimiser for floor and ceiling alike.
* ``K = E`` has no (K+1)-th largest: p = 0 (nothing is turned away). ``C >= T`` has no (C+1)-th largest: q = 0.
* Ties in the final top K: to the lower expert index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.topk import top_k_experts


class BIP:
    """BIP-Based Balancing with ``sweeps`` (the paper's T, 2 to 14) dual sweeps a batch. Cost: O(T E) a sweep."""

    def __init__(self, sweeps: int = 4) -> None:
        self.sweeps = sweeps
        self.prices: npt.NDArray[np.float64] | None = None

    @property
    def bias(self) -> npt.NDArray[np.float64] | None:
        """What is added to the scores, ``-q``."""
        return None if self.prices is None else -self.prices

    def reset(self) -> None:
        """Forget the prices."""
        self.prices = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
        """Sweep on this batch, then route it."""
        scores = np.asarray(scores, np.float64)
        tokens, experts = scores.shape
        q = np.zeros(experts) if self.prices is None or len(self.prices) != experts else self.prices
        rank = tokens * top_k // experts + 1
        for _ in range(self.sweeps):
            p = np.maximum(0, ranked(scores - q, top_k + 1, axis=1))
            q = np.maximum(0, ranked(scores - p[:, None], rank, axis=0))
        self.prices = q
        return top_k_experts(scores - q, top_k)


def ranked(values: npt.NDArray[np.float64], rank: int, axis: int) -> npt.NDArray[np.float64]:
    """Return the ``rank``-th largest along ``axis``; ``-inf`` where there are fewer values than that."""
    size = values.shape[axis]
    if rank > size:
        return np.full(values.shape[1 - axis], -np.inf)
    ordered: npt.NDArray[np.float64] = np.partition(values, size - rank, axis=axis)
    return ordered[:, size - rank] if axis else ordered[size - rank]
