r"""Loss-controlled balancing: the auxiliary loss of GShard and Switch (arXiv 2006.16668, 2101.03961).

In the form of arXiv 2408.15664, for chosen experts and gate scores s,

    L = alpha * sum_e f[e] P[e],     f[e] = E / (K T) * #tokens that chose e,     P[e] = mean over t of s[t, e]

Counts have no gradient, so ``dL/ds[t, e] = alpha f[e] / T``, the same for every token. L is alpha times the mean total
score at perfect balance.

The papers train the network by it, beside the language loss. Ours, since there is no network here: a router that
learns one offset per expert by gradient descent on L alone. ``gate="scores"`` adds the offsets to the scores; the
gradient is then ``alpha f[e]``, and without its mean (a common shift, which changes no choice and would make the gate
drift) a step is Loss-Free's proportional rule in relative units with ``u = learning_rate * alpha``.
``gate="softmax"`` takes its input as logits, adds the offsets to them and goes through the softmax,

    dL/doffset[e] = alpha * mean over t of g[t, e] (f[e] - sum_j f[j] g[t, j]),     g = softmax(logits + offset)

The offsets stand for what the network would learn, hence they do enter the gate weights, unlike any bias rule's.

Open in the papers: alpha (0.001 in 2408.15664, 0.01 in Switch); ties in the top K, here to the lower expert index.
``K = E``: every f is 1, nothing moves.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing

Floats = npt.NDArray[np.float64]


def balance_loss(scores: npt.NDArray[Any], chosen: npt.NDArray[np.int64], alpha: float) -> float:
    """Return L for gate ``scores[T,E]`` and ``chosen[T,K]``."""
    return float(alpha * _frequency(scores, chosen) @ np.asarray(scores, np.float64).mean(axis=0))


def balance_loss_gradient(scores: npt.NDArray[Any], chosen: npt.NDArray[np.int64], alpha: float) -> Floats:
    """Return ``dL/ds[T,E]`` with the counts held fixed."""
    gradient: Floats = np.broadcast_to(alpha * _frequency(scores, chosen) / len(scores), scores.shape)
    return gradient


def through_softmax(gate: Floats, gradient: Floats) -> Floats:
    """Return the gradient with respect to the logits, given the one with respect to ``gate = softmax(logits)``."""
    back: Floats = gate * (gradient - (gate * gradient).sum(axis=1, keepdims=True))
    return back


def softmax(logits: Floats) -> Floats:
    """Return the softmax of every row."""
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    gate: Floats = grown / grown.sum(axis=1, keepdims=True)
    return gate


class LossControlled:
    """Offsets learnt by gradient descent on the balance loss. Cost: O(T E log E)."""

    capabilities = frozenset({"trains its scores"})
    """The offsets stand for what training the network would do to the scores, so the gate weights follow them."""

    def __init__(
        self, alpha: float = 1e-3, learning_rate: float = 1.0, gate: Literal["scores", "softmax"] = "scores"
    ) -> None:
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.gate = gate
        self.bias: Floats | None = None

    def reset(self) -> None:
        """Set the offsets back to zero."""
        self.bias = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the offsets learnt so far, then learn from its loss."""
        scores = np.asarray(scores, np.float64)
        experts = scores.shape[1]
        bias = np.zeros(experts) if self.bias is None or len(self.bias) != experts else self.bias
        shifted = scores + bias
        chosen = top_k_experts(shifted, top_k)
        gate = softmax(shifted) if self.gate == "softmax" else shifted
        gradient = balance_loss_gradient(gate, chosen, self.alpha)
        if self.gate == "softmax":
            gradient = through_softmax(gate, gradient)
        slope = gradient.sum(axis=0)
        self.bias = bias - self.learning_rate * (slope - slope.mean())
        return routed(gate, chosen)


def _frequency(scores: npt.NDArray[Any], chosen: npt.NDArray[np.int64]) -> Floats:
    experts = scores.shape[1]
    frequency: Floats = np.bincount(chosen.ravel(), minlength=experts) * experts / chosen.size
    return frequency
