r"""The gate of DeepSeek-V4 with Loss-Free biases: the root of a softplus (Megatron-core 0.19.2; Megatron-LM PR 4481).

The input is read as logits z. With ``g = sqrt(log(1 + exp z))`` every token takes the top K of ``g + b``; then
``b[e] += u * sign(mean load - load[e])``. Gate weights are the g of the chosen experts over their sum (plus 1e-20, in
float64 without effect), times ``scale``; the bias never enters them. Unlike a sigmoid g has no upper end, and unlike a
softmax a token's g do not depend on each other.

Open there, and what is done here: u and ``scale`` (1e-3 and 1); K = 1, where Megatron-core does not normalise, as here;
ties in the top K, to the lower expert index. Hash layers choose experts by token id, not by scores, and are no router
in this sense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import top_k_experts
from equipoise.routing import Routing


class SqrtSoftplus(KeepsBias):
    """Top K of the gate plus a bias of speed ``rate``. Cost: O(T E log E)."""

    capabilities = frozenset({"logits"})

    def __init__(self, rate: float = 1e-3, scale: float = 1.0) -> None:
        self.rate, self.scale = rate, scale

    def __call__(self, logits: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        gate = np.sqrt(np.logaddexp(0, np.asarray(logits, np.float64)))
        bias = self.kept(gate.shape[1])
        chosen = top_k_experts(gate + bias, top_k)
        load = np.bincount(chosen.ravel(), minlength=len(bias))
        self.bias = bias + self.rate * np.sign(load.mean() - load)
        weights = np.take_along_axis(gate, chosen, axis=1)
        if top_k > 1:
            weights = weights / (weights.sum(axis=1, keepdims=True) + 1e-20)
        return Routing(chosen, weights * self.scale)
