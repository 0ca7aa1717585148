r"""Expert threshold: a token goes to every expert whose threshold it reaches (arXiv 2603.11535).

    token t goes to expert e where s[t, e] >= c[e]
    c[e] <- beta * c[e] + (1 - beta) * (k-th largest of s[:, e]),     k = T K / E

Expert choice made causal: thresholds come from batches before, so that no token depends on another of its batch; loads
are balanced in expectation alone. A token gets 0 to E experts, so the answer is a mask. Gate weights are the scores.

Reconstructed from the abstract. Open, and what is done here: beta (ours); the first batch, which sets the thresholds
and is routed by them, as by expert choice; k where it is no whole number, its ceiling, as in :mod:`expert_choice`. A
batch with another number of experts starts afresh.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.ranks import ranked
from equipoise.routing import Routing


class ExpertThreshold:
    """Thresholds ``[E]`` that forget by ``decay`` (beta) a batch. Cost: O(T E)."""

    capabilities = frozenset({"any number"})

    def __init__(self, decay: float = 0.9) -> None:
        self.decay = decay
        self.thresholds: npt.NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Forget the thresholds."""
        self.thresholds = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the thresholds learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        tokens, experts = scores.shape
        found = ranked(scores, -(-tokens * top_k // experts), axis=0)
        known = self.thresholds
        before = found if known is None or len(known) != experts else known
        self.thresholds = self.decay * before + (1 - self.decay) * found
        mask = scores >= before
        return Routing(mask, np.where(mask, scores, 0.0))
