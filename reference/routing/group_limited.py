r"""Group-limited top-K with a bias (DeepSeek-V3, arXiv 2412.19437, section 2.1.2 and its inference code).

Experts lie in N groups of E/N neighbours. For every token:

    score of a group = sum of its two largest s + b;   the best M groups stay;   top K of s + b among their experts

Two largest is what the inference code has; the report and Megatron-LM say the K/M largest (``group_score="K/M"``).
With K = 8 and M = 4 they are the same. Gate weights are the scores of the chosen experts over their sum, times
``scale``, 2.5 there; the bias never enters them. The bias follows Loss-Free's sign rule with speed gamma = 0.001
(the report's), after routing, from past loads; ``rate=0`` freezes it.

Experts of the other groups are put at minus infinity. Code that puts them at zero chooses them as soon as fewer than K
allowed experts have ``s + b > 0``.

Open, and what is done here: a group of one expert scores that expert alone; ties between groups to the lower group,
between experts to the lower index; K/M below one or no whole number: its floor, at least one expert (Megatron-core
0.19.2 scores groups by an empty sum, so that scores do not count); chosen scores that sum to zero have equal weights;
the report routes 256 experts with N = 8, M = 4, K = 8, the defaults here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import normalised, top_k_experts
from equipoise.routing import Routing

GroupScore = Literal["top two", "K/M"]


class GroupLimited(KeepsBias):
    """Top K within the best ``topk_groups`` of ``num_groups`` groups. Cost: O(T E log E)."""

    def __init__(
        self,
        num_groups: int = 8,
        topk_groups: int = 4,
        rate: float = 1e-3,
        group_score: GroupScore = "top two",
        scale: float = 2.5,
    ) -> None:
        self.num_groups = num_groups
        self.topk_groups = topk_groups
        self.rate = rate
        self.group_score = group_score
        self.scale = scale
        self.capabilities = frozenset({"group limited", "weights: normalised", f"weights: scaled by {scale}"})

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Return whether batches of this shape can be routed: even groups, and K experts in the chosen ones."""
        return experts % self.num_groups == 0 and top_k * self.num_groups <= experts * self.topk_groups

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        chosen = group_limited(scores + bias, top_k, self.num_groups, self.topk_groups, self.group_score)
        load = np.bincount(chosen.ravel(), minlength=scores.shape[1])
        self.bias = bias + self.rate * np.sign(load.mean() - load)
        return Routing(chosen, self.scale * normalised(np.take_along_axis(scores, chosen, axis=1)))


def group_limited(
    keys: npt.NDArray[np.float64],
    top_k: int,
    num_groups: int,
    topk_groups: int,
    group_score: GroupScore = "top two",
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
    scored = 2 if group_score == "top two" else max(1, top_k // topk_groups)
    group_scores = np.sort(grouped, axis=2)[:, :, -scored:].sum(axis=2)
    allowed = np.zeros((tokens, num_groups, 1), bool)
    np.put_along_axis(allowed[:, :, 0], top_k_experts(group_scores, topk_groups), True, axis=1)
    return top_k_experts(np.where(allowed, grouped, -np.inf).reshape(keys.shape), top_k)
