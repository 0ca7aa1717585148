r"""SMEBU, soft-clamped momentum expert bias updates (Arcee Trinity Large, arXiv 2602.17004).

Reconstructed: the report's full text was not at hand. What is known of it: a normalised deviation, clamped by tanh,
less its mean, with momentum. Every token takes the top K of ``s + b``; then, from the loads n of the batch just routed,

    d[e] = u * tanh(kappa * (mean n - n[e]) / mean n)
    m   <- beta * m + (1 - beta) * (d - mean d),     b <- b + m

Gate weights are the scores; the bias never enters them. The clamp makes large steps as the sign rule does, and small
ones near balance, where the sign rule cycles. Its mean is taken off the step, so that b keeps its mean, zero.

Open, and what is done here: the values of u, kappa and beta (the defaults are ours); whether the momentum is an
average, as here, or a sum (then u is ``1 / (1 - beta)`` times as large); ties in the top K, to the lower expert index.
``K = E`` and every other perfectly balanced batch move b by what is left of the momentum alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class SMEBU(KeepsBias):
    """Bias updates of at most ``rate`` (u), by ``tanh(steepness * deviation)``, with ``momentum``. O(T E log E)."""

    def __init__(self, rate: float = 1e-3, steepness: float = 2.0, momentum: float = 0.5) -> None:
        self.rate, self.steepness, self.momentum = rate, steepness, momentum
        self.velocity: npt.NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Set the bias back to zero and the momentum with it."""
        super().reset()
        self.velocity = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        before = self.velocity if self.velocity is not None and self.bias is bias else np.zeros(len(bias))
        chosen = top_k_experts(scores + bias, top_k)
        load = np.bincount(chosen.ravel(), minlength=len(bias))
        step = self.rate * np.tanh(self.steepness * (load.mean() - load) / load.mean())
        self.velocity = self.momentum * before + (1 - self.momentum) * (step - step.mean())
        self.bias = bias + self.velocity
        return routed(scores, chosen)
