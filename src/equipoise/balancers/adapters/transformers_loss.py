"""Transformers' auxiliary loss: ``load_balancing_loss_func(gate_logits, num_experts, top_k, attention_mask)``."""

from __future__ import annotations

from typing import Any

from equipoise.balancers.adapters.forms import Form, to_tensor_of
from equipoise.balancers.adapters.metric_tensors import TensorMetric


class TransformersLoss:
    """The loss of one layer; it takes logits, chooses the experts itself and is K at balance."""

    capabilities = frozenset({"aux-loss", "logits", "counts K times", "picks experts"})

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, logits: Any, experts: Any, mask: Any = None) -> Any:
        """Return the loss of ``logits[T, E]``, one sequence, ``mask[T]`` its attention mask."""
        attention = None if mask is None else mask[None].to(logits.dtype)
        return self._function((logits,), logits.shape[1], experts.shape[1], attention)


FORM = Form(
    name="transformers-loss",
    role="metric",
    example="load_balancing_loss_func(gate_logits, num_experts, top_k, attention_mask)",
    recognises=lambda found, names: names[:3] == ["gate_logits", "num_experts", "top_k"],
    adapt=lambda found: TensorMetric(TransformersLoss(found), to_tensor_of(found)),
)
