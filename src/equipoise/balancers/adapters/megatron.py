"""Megatron-LM's ``topk_routing_with_score_function``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, defaults_of, to_tensor_of
from equipoise.balancers.adapters.router_answers import items_of, logits_of
from equipoise.routing import Routing


class MegatronFunction:
    """A router from ``topk_routing_with_score_function(logits, topk, ...) -> (probs[T, E], map[T, E])``.

    Score function and groups are the function's defaults; ``functools.partial`` sets others. The logits are chosen so
    that the score function gives the scores. An expert bias, which goes with the sigmoid and sqrtsoftplus, is zero.
    """

    def __init__(self, function: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.to_tensor = to_tensor
        self._known = defaults_of(function)
        self._gate = str(self._known.get("score_function") or "softmax")
        self.num_groups, self.topk_groups = self._known.get("num_groups"), self._known.get("group_topk")
        self.capabilities = frozenset({"group limited"} if self.num_groups else ())

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Return the map ``[T, E]`` and its probabilities."""
        given = {}
        if self._gate != "softmax" and self._known.get("expert_bias", 0) is None:
            given["expert_bias"] = self.to_tensor(np.zeros(scores.shape[1], np.float32))
        returned = self.function(self.to_tensor(logits_of(scores, self._gate)), top_k, **given)
        probabilities, chosen = items_of(returned, 2, "(probs, map)")[:2]
        return Routing(chosen, probabilities)


FORM = Form(
    name="megatron",
    role="router",
    example="topk_routing_with_score_function(logits, topk, score_function=..., expert_bias=None) -> (probs, map)",
    recognises=lambda found, names: {"logits", "topk", "score_function"} <= set(names) and not isinstance(found, type),
    adapt=lambda found: MegatronFunction(found, to_tensor_of(found)),
)
