r"""Group-limited top-K with a bias (DeepSeek-V3, arXiv 2412.19437, section 2.1.2 and its inference code).

Experts lie in N groups of E/N neighbours. For every token:

    score of a group = sum of its two largest s + b;   the best M groups stay;   top K of s + b among their experts

Gate weights are the scores; the bias never enters them. The bias follows Loss-Free's sign rule with speed gamma = 0.001
(the report's), after routing, from past loads; ``rate=0`` freezes it.

Experts of the other groups are put at minus infinity. Code that puts them at zero chooses them as soon as fewer than K
allowed experts have ``s + b > 0``.

Open, and what is done here: a group of one expert scores that expert alone; ties between groups to the lower group,
between experts to the lower index; the report routes 256 experts with N = 8, M = 4, K = 8, the defaults here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class GroupLimited(KeepsBias):
    """Top K within the best ``topk_groups`` of ``num_groups`` groups. Cost: O(T E log E)."""

    capabilities = frozenset({"group limited"})

    def __init__(self, num_groups: int = 8, topk_groups: int = 4, rate: float = 1e-3) -> None:
        self.num_groups = num_groups
        self.topk_groups = topk_groups
        self.rate = rate

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Return whether batches of this shape can be routed: even groups, and K experts in the chosen ones."""
        return experts % self.num_groups == 0 and top_k * self.num_groups <= experts * self.topk_groups

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        chosen = group_limited(scores + bias, top_k, self.num_groups, self.topk_groups)
        load = np.bincount(chosen.ravel(), minlength=scores.shape[1])
        self.bias = bias + self.rate * np.sign(load.mean() - load)
        return routed(scores, chosen)


def group_limited(
    keys: npt.NDArray[np.float64], top_k: int, num_groups: int, topk_groups: int
) -> npt.NDArray[np.int64]:
    """Return the K experts with the largest ``keys`` within each token's best groups, ``[T, K]``.

    Raises
    ------
    InvalidProblem
        If groups would be uneven, or the chosen groups together have fewer than K experts.
    """
    tokens, experts = keys.shape
    if num_groups < 1 or experts % num_groups:
        raise InvalidProblem("num_groups", str(num_groups), f"a divisor of the number of experts, {experts}")
    size = experts // num_groups
    if not 1 <= topk_groups <= num_groups or topk_groups * size < top_k:
        least = -(-top_k // size)
        raise InvalidProblem("topk_groups", str(topk_groups), f"{least} to {num_groups}, for K={top_k} experts a token")
    grouped = keys.reshape(tokens, num_groups, size)
    group_scores = np.sort(grouped, axis=2)[:, :, -2:].sum(axis=2)
    allowed = np.zeros((tokens, num_groups, 1), bool)
    np.put_along_axis(allowed[:, :, 0], top_k_experts(group_scores, topk_groups), True, axis=1)
    return top_k_experts(np.where(allowed, grouped, -np.inf).reshape(keys.shape), top_k)
