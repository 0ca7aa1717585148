r"""LASER: the least loaded of the experts that score well enough, token by token (arXiv 2510.03293).

For every token, in order: where its K best experts hold at least ``mass`` of its scores it takes them; else it takes,
of all experts that score at least ``ratio`` times its K-th best, the K with the fewest tokens so far, the higher score
first among equals. It needs no training and knows no later token. Gate weights are the scores.

Reconstructed from the abstract: that a clear preference is followed, and that a flat one widens the candidates, among
which load decides. Open, and what is done here: both thresholds and their values (ours); whose load counts, here that
of the batch so far; scores without any positive sum, for which load decides among equals alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class LASER:
    """Load decides where the scores do not. Cost: O(T E log E), token by token."""

    capabilities = frozenset({"online", "scores in [0, 1]"})

    def __init__(self, mass: float = 0.9, ratio: float = 0.75) -> None:
        self.mass, self.ratio = mass, ratio

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route the tokens of this batch in their order."""
        scores = np.asarray(scores, np.float64)
        chosen = top_k_experts(scores, top_k)
        best = np.take_along_axis(scores, chosen, axis=1)
        clear = best.sum(axis=1) >= self.mass * scores.sum(axis=1)
        clear &= best.sum(axis=1) > 0
        load = np.zeros(scores.shape[1], np.int64)
        for token, row in enumerate(scores):
            if not clear[token]:
                open_to = np.flatnonzero(~(row < min(self.ratio * best[token, -1], best[token, -1])))
                chosen[token] = open_to[np.lexsort((-row[open_to], load[open_to]))[:top_k]]
            load[chosen[token]] += 1
        return routed(scores, chosen)
