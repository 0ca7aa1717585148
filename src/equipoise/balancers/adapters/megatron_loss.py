"""Megatron-LM's auxiliary loss: ``switch_load_balancing_loss_func(probs, tokens_per_expert, ...)``."""

from __future__ import annotations

from typing import Any

from equipoise.balancers.adapters.forms import Form, to_tensor_of
from equipoise.balancers.adapters.metric_tensors import TensorMetric


class MegatronLoss:
    """The loss of one batch with the coefficient 1, from counts that are taken here."""

    capabilities = frozenset({"aux-loss"})

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, scores: Any, experts: Any) -> Any:
        """Return the loss of ``scores[T, E]`` and ``experts[T, K]``."""
        counts = experts.flatten().bincount(minlength=scores.shape[1])
        return self._function(
            probs=scores,
            tokens_per_expert=counts,
            total_num_tokens=scores.shape[0],
            topk=experts.shape[1],
            num_experts=scores.shape[1],
            moe_aux_loss_coeff=1.0,
        )


FORM = Form(
    name="megatron-loss",
    role="metric",
    example="switch_load_balancing_loss_func(probs, tokens_per_expert, total_num_tokens, topk, num_experts, "
    "moe_aux_loss_coeff)",
    recognises=lambda found, names: {"probs", "tokens_per_expert", "total_num_tokens", "topk"} <= set(names),
    adapt=lambda found: TensorMetric(MegatronLoss(found), to_tensor_of(found)),
)
