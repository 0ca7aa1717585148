r"""BIP-Based Balancing in constant space (arXiv 2502.15451; reconstructed: the full text was not at hand).

The online form with the heaps replaced by one histogram of margins per expert, so that memory does not grow with the
batch. For each token, with ``tail[e, i]`` the number of margins of expert e at or above edge i:

    repeat T_iter times:  p    = max(0, (K + 1)-th largest over e of s[e] - q[e])
                          q[e] = the highest edge whose tail, with s[e] - p counted in, exceeds C = T K / E
    route the token to the top K of s - q,  then count s[e] - p

Open in the paper, and what is done here:

* Bins: ``bins`` equal ones on ``[0, top]``. Margins below 0 are not counted, for they can price nothing; those above
  ``top`` fall into the last bin. Scores of a sigmoid or softmax gate have margins of at most 1.
* Which edge of the bin: the lower; 0 where no tail exceeds C. For the margins counted so far it is below their order
  statistic by less than ``top / bins``. The distance to the online form's q has no such bound: q feeds back into p and
  so into later margins (``[[.85, .25, .4], [.65, .55, .05]]``, K = 1, 4 bins).
* Order of update and routing, C, ``K = E``, ties: as in :mod:`bip_online`.

It depends on the order of the tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.ranks import ranked
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class BIPHistogram:
    """Online BIP in constant space. Cost: O(T E bins sweeps), vectorised over E and bins; memory O(E bins).

    ``prices`` are those after the last token of the latest call; the next call does not start from them.
    """

    capabilities = frozenset({"online"})
    """The order of the tokens matters."""

    def __init__(self, sweeps: int = 4, bins: int = 128, top: float = 1.0) -> None:
        self.sweeps = sweeps
        self.edges = np.linspace(0.0, top, bins, endpoint=False)
        self.prices: npt.NDArray[np.float64] | None = None

    @property
    def bias(self) -> npt.NDArray[np.float64] | None:
        """What is added to the scores, ``-q``."""
        return None if self.prices is None else -self.prices

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route the tokens of this batch in their order."""
        scores = np.asarray(scores, np.float64)
        tokens, experts = scores.shape
        capacity = tokens * top_k // experts
        tail = np.zeros((experts, len(self.edges)), np.int64)
        q = np.zeros(experts)
        keys = np.empty_like(scores)
        for token, row in enumerate(scores):
            reached = np.zeros_like(tail, bool)
            for _ in range(self.sweeps):
                p = np.maximum(0, ranked((row - q)[None], top_k + 1, axis=1))
                reached = (row - p)[:, None] >= self.edges
                full = (tail + reached > capacity).sum(axis=1)
                q = np.where(full > 0, self.edges[full - 1], 0.0)
            keys[token] = row - q
            tail += reached
        self.prices = q
        return routed(scores, top_k_experts(keys, top_k))
