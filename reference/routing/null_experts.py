r"""Null experts: a token uses 0 to K experts, with one budget for all tokens (arXiv 2601.15370).

Beside the E experts stand nulls that compute nothing, so many that a token may take K of them; all have one score. A
token takes the top K of the scores and the nulls, and so as many experts as score above them: causal, unlike expert
choice. With a budget of ``rho T K`` assignments,

    b[e] += u * sign(mean load - load[e]),     null <- null + u * sign(load of all experts - rho T K)

Reconstructed. The paper trains the null's score by its balancing loss, over all experts and nulls alike; ours, since
there is no network here, gives it by this rule, which is Loss-Free's. It starts at zero, b too: below it no expert
is used, so that scores are to be positive. As a price on every
assignment the null is the multiplier of the budget: with it, the best assignment under a budget is a flow with one more
price. Ties: experts before nulls, then the lower expert index. Gate weights are the scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class NullExperts(KeepsBias):
    """Top K of experts and nulls for a share ``budget`` (rho) of all T K assignments. Cost: O(T E log E)."""

    capabilities = frozenset({"drops", "scores in [0, 1]"})

    def __init__(self, budget: float = 0.5, rate: float = 1e-3) -> None:
        self.budget, self.rate = budget, rate
        self.null = 0.0

    def reset(self) -> None:
        """Set bias and null back to zero."""
        super().reset()
        self.null = 0.0

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the prices learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        if self.bias is not bias:
            self.null = 0.0
        keys = scores + bias
        chosen = top_k_experts(keys, top_k)
        used = np.take_along_axis(keys, chosen, axis=1) >= self.null
        load = np.bincount(chosen[used], minlength=len(bias))
        wanted = self.budget * chosen.size
        self.bias = bias + self.rate * np.sign(load.mean() - load)
        self.null += self.rate * float(np.sign(load.sum() - wanted))
        return Routing(np.where(used, chosen, -1), routed(scores, chosen).weights)
