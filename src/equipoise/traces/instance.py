"""One batch of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

GATES = ("softmax", "sigmoid", "none")


@dataclass(frozen=True, eq=False)
class Instance:
    """Scores of one batch at one layer.

    Attributes
    ----------
    name
        Unique in its trace.
    scores
        ``[T, E]``, after the gate.
    top_k
        K.
    sequence
        Batches of one sequence are one layer's, in order of time: a router keeps its state from one to the next.
    """

    name: str
    scores: npt.NDArray[Any]
    top_k: int
    sequence: str


def apply_gate(logits: npt.NDArray[Any], gate: str) -> npt.NDArray[Any]:
    """Return scores from logits ``[..., E]``: softmax over experts, sigmoid, or the logits themselves; float32."""
    if gate == "none":
        return logits
    x = logits.astype(np.float32)
    if gate == "sigmoid":
        decay = np.exp(-np.abs(x))
        scores: npt.NDArray[Any] = np.where(x >= 0, 1, decay) / (1 + decay)
    else:
        weights = np.exp(x - x.max(axis=-1, keepdims=True))
        scores = weights / weights.sum(axis=-1, keepdims=True)
    return scores
