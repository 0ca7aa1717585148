"""How the router checks look at a router: its answer as a mask and weights, or a failure that says why it is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.checks.cases import RouterCase
from equipoise.errors import TargetError
from equipoise.isolation.host import Reply
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Subject
from equipoise.metrics import loads
from equipoise.roles import routing_mask


@dataclass(frozen=True)
class Routed:
    """One answer.

    Attributes
    ----------
    mask
        ``[T, E]``.
    weights
        ``[T, E]``, zero where nothing is chosen; None if the router returned none.
    raw
        What was returned.
    reply
        How it was returned.
    """

    mask: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float64] | None
    raw: Any
    reply: Reply

    @property
    def load(self) -> npt.NDArray[np.int64]:
        """Tokens per expert."""
        return loads(self.mask, self.mask.shape[1])


def route(subject: Subject, scores: npt.NDArray[Any], top_k: int, **options: Any) -> Routed:
    """Call the router; raise :class:`Misbehaviour` if its answer is no routing of these tokens."""
    reply = subject.call(scores, top_k, **options)
    parts = reply.value if isinstance(reply.value, list) else [reply.value]
    chosen = parts[0] if parts else None
    tokens, experts = scores.shape
    try:
        mask = routing_mask(chosen, tokens, experts, top_k)
    except TargetError as error:
        raise Misbehaviour("gives no routing", str(error).replace("the router", "it")) from error
    weights = parts[1] if len(parts) > 1 and isinstance(parts[1], np.ndarray) else None
    return Routed(mask, None if weights is None else _spread(weights, chosen, mask), chosen, reply)


def _spread(weights: npt.NDArray[Any], chosen: Any, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return weights as ``[T, E]``, whichever of both forms they came in."""
    if weights.shape == mask.shape and (not isinstance(chosen, np.ndarray) or chosen.shape != weights.shape):
        return np.where(mask, weights, 0).astype(np.float64)
    if isinstance(chosen, np.ndarray) and chosen.dtype != np.bool_ and weights.shape == chosen.shape:
        spread = np.zeros(mask.shape)
        token, place = np.nonzero(chosen >= 0)
        spread[token, chosen[token, place]] = weights[token, place]
        return spread
    if weights.shape == mask.shape:
        return np.where(mask, weights, 0).astype(np.float64)
    raise Misbehaviour(
        "gives no routing", f"its weights have shape {weights.shape}; allowed: the shape of its choice, or {mask.shape}"
    )


def from_a_gate(case: RouterCase) -> bool:
    """Whether all scores lie in [0, 1], as sigmoid and softmax give them."""
    return all(bool(((batch >= 0) & (batch <= 1)).all()) for batch in case.batches)


def shown(mask: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Return the experts of every token, for a message."""
    return [np.flatnonzero(row).tolist() for row in mask]
