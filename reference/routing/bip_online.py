r"""BIP-Based Balancing, online form (arXiv 2502.15451; reconstructed: the full text was not at hand).

Tokens of a batch arrive one by one; every expert keeps Q[e], the margins of the tokens seen so far. For each token:

    repeat T_iter times:  p    = max(0, (K + 1)-th largest over e of s[e] - q[e])
                          q[e] = max(0, (C + 1)-th largest of Q[e] and s[e] - p),     C = T K / E
    route the token to the top K of s - q,  then add s[e] - p to Q[e]

Only the C + 1 largest margins can matter, so Q[e] is a min-heap of that many. With C known, no later token is looked
at: the rule is causal.

Open in the paper, and what is done here:

* Update before or after the token is routed: before, as in the batch form.
* C: from the T of the call, ``floor(T K / E)``; a call is one stream of known length, and heaps start empty with it.
* Fewer than C + 1 margins: q = 0. So nothing is priced until an expert has been looked at C + 1 times.
* ``K = E``: no (K+1)-th largest, p = 0. Ties in the top K: to the lower expert index.

It depends on the order of the tokens.
"""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.ranks import ranked
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class BIPOnline:
    """Online BIP with ``sweeps`` updates a token.

    Cost: O(T E (sweeps + log C)) in plain Python, O(E C) memory. ``prices`` are those after the last token of the
    latest call; the next call does not start from them.
    """

    capabilities = frozenset({"online"})
    """The order of the tokens matters."""

    def __init__(self, sweeps: int = 4) -> None:
        self.sweeps = sweeps
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
        heaps: list[list[float]] = [[] for _ in range(experts)]
        q = np.zeros(experts)
        keys = np.empty_like(scores)
        for token, row in enumerate(scores):
            margins = row
            for _ in range(self.sweeps):
                p = np.maximum(0, ranked((row - q)[None], top_k + 1, axis=1))
                margins = row - p
                pairs = zip(heaps, margins.tolist(), strict=True)
                q = np.array([max(0.0, _ranked_with(heap, margin, capacity + 1)) for heap, margin in pairs])
            keys[token] = row - q
            for heap, margin in zip(heaps, margins.tolist(), strict=True):
                (heappushpop if len(heap) > capacity else heappush)(heap, margin)
        self.prices = q
        return routed(scores, top_k_experts(keys, top_k))


def _ranked_with(heap: list[float], margin: float, rank: int) -> float:
    """Return the ``rank``-th largest of a heap of at most ``rank`` largest values and one more; 0 if there is none."""
    if len(heap) + 1 < rank:
        return 0.0
    if len(heap) < rank:
        return min([margin, *heap[:1]])
    return max(heap[0], min([margin, *heap[1:3]]))
