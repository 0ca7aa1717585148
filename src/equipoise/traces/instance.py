"""One batch of a trace: its scores, or its loads alone; and the loads of one layer, step after step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

GATES = ("softmax", "sigmoid", "sqrtsoftplus", "none")


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


@dataclass(frozen=True, eq=False)
class ScoreTrace(Sequence[Instance]):
    """Batches of scores in the order of their file.

    Attributes
    ----------
    batches
        What the sequence holds.
    warnings
        What looks wrong, in sentences; empty if nothing does.
    """

    batches: tuple[Instance, ...]
    warnings: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | Sequence[Instance]:
        return self.batches[index]

    def __len__(self) -> int:
        return len(self.batches)


@dataclass(frozen=True, eq=False)
class LoadInstance:
    """Tokens per expert of one step at one layer.

    Attributes
    ----------
    name
        Unique in its record.
    load
        ``[E]``, or ``[G, E]`` where it is known on which device tokens start.
    """

    name: str
    load: npt.NDArray[np.int64]

    @property
    def total(self) -> npt.NDArray[np.int64]:
        """``[E]``."""
        return self.load if self.load.ndim == 1 else np.asarray(self.load.sum(axis=0))


@dataclass(frozen=True, eq=False)
class LoadSeries:
    """Tokens per expert at one layer, step after step.

    Attributes
    ----------
    name
        Unique in its record.
    loads
        ``[S, E]``.
    run
        Which run or record it is from: a predictor that is trained must not be trained on the run it is tested on.
    top_k
        K, if it is known: every token then counts for K experts, none of them twice. 1 otherwise.
    generated
        Whether it was made and not measured.
    """

    name: str
    loads: npt.NDArray[np.int64]
    run: str
    top_k: int = 1
    generated: bool = False


def evenly(count: int, chosen: int) -> list[int]:
    """Return ``chosen`` (or all) of the steps ``0 .. count - 1``, evenly spaced, the last one among them."""
    return [round(step) for step in np.linspace(count - 1, 0, min(chosen, count))[::-1]]


def apply_gate(logits: npt.NDArray[Any], gate: str) -> npt.NDArray[Any]:
    """Return scores from logits ``[..., E]``; float32.

    "softmax" over the experts, "sigmoid" ``1 / (1 + exp(-x))``, "sqrtsoftplus" ``sqrt(log(1 + exp(x)))``, or "none":
    the logits themselves, in their own type.
    """
    if gate == "none":
        return logits
    x = logits.astype(np.float32)
    if gate == "sigmoid":
        decay = np.exp(-np.abs(x))
        scores: npt.NDArray[Any] = np.where(x >= 0, 1, decay) / (1 + decay)
    elif gate == "sqrtsoftplus":
        scores = np.sqrt(np.logaddexp(np.float32(0), x))
    else:
        weights = np.exp(x - x.max(axis=-1, keepdims=True))
        scores = weights / weights.sum(axis=-1, keepdims=True)
    return scores
