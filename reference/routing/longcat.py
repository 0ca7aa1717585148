r"""LongCat-Flash's bias control with zero-computation experts (jianyuh.github.io/moe/2025/12/08/LongCat.html).

The last Z of the N + Z experts compute nothing. Every token takes the top K of ``s + b``; what falls on one of the last
Z is served for free, and is -1 here. Then, from the loads of the batch, for the N others alone,

    b[e] += u * (K_e / K / N - load[e] / (K T))

with K_e the computing experts that a token is to use on average. Biases of the last Z stay at zero; once every other
expert has its share they have theirs. The source calls it a PID controller and prints this proportional term alone, and
so does this rule. With Z = 0 and K_e = K it is Loss-Free's proportional rule in shares.

Open there, and what is done here: u (ours); ties in the top K, to the lower expert index. LongCat adds a loss over
devices, which is left out: there is no network here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class LongCat(KeepsBias):
    """Bias control of ``rate`` (u), where the last ``zero_experts`` compute nothing. Cost: O(T E log E).

    Parameters
    ----------
    rate
        u, for shares of all T K assignments.
    zero_experts
        Z: how many of the last columns of the scores compute nothing.
    expected
        K_e / K, the share of the assignments that is to fall on the others; None: N / (N + Z).
    """

    def __init__(self, rate: float = 1e-2, zero_experts: int = 0, expected: float | None = None) -> None:
        self.rate, self.zero_experts, self.expected = rate, zero_experts, expected
        self.capabilities = frozenset({"drops"} if zero_experts else ())

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Return whether some expert computes."""
        return experts > self.zero_experts

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        computing = scores.shape[1] - self.zero_experts
        if computing < 1:
            raise InvalidProblem("zero_experts", str(self.zero_experts), f"0 to {scores.shape[1] - 1}")
        bias = self.kept(scores.shape[1])
        chosen = top_k_experts(scores + bias, top_k)
        load = np.bincount(chosen.ravel(), minlength=len(bias))
        share = computing / scores.shape[1] if self.expected is None else self.expected
        step = self.rate * (share / computing - load / chosen.size)
        self.bias = bias + np.where(np.arange(len(bias)) < computing, step, 0)
        routing = routed(scores, chosen)
        return Routing(np.where(chosen < computing, chosen, -1), routing.weights)
