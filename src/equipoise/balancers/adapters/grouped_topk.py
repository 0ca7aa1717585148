"""vLLM's and SGLang's ``grouped_topk``, ``biased_grouped_topk``, ``fused_topk`` and ``select_experts``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, defaults_of, to_tensor_of
from equipoise.balancers.adapters.router_answers import items_of, logits_of
from equipoise.errors import TargetError
from equipoise.routing import Routing

_BIASES = {"e_score_correction_bias", "correction_bias"}
_LOGITS, _TOP_KS = {"gating_output", "router_logits"}, {"topk", "top_k"}


class GroupedTopK:
    """A router from ``grouped_topk(hidden_states, gating_output, topk, renormalize, ...) -> (weights, ids)``.

    The gating output is chosen so that the function's own gate gives the scores; a bias that it takes is zero. Where
    it takes groups they are one group of all experts, unless the caller says otherwise; where groups are
    single experts and it raises, as those that rank groups by their two best do, that is a refusal.
    """

    def __init__(self, function: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.to_tensor = to_tensor
        self._known = defaults_of(function)
        self._biased = next(iter(_BIASES & set(self._known)), None)
        self._gate = str(self._known.get("scoring_func") or ("sigmoid" if self._biased else "softmax"))
        self.num_groups, self.topk_groups = self._known.get("num_expert_group"), self._known.get("topk_group")
        normalises = {"weights: normalised"} if "renormalize" in self._known else set()
        self.capabilities = frozenset(normalises | ({"group limited"} if self.num_groups else set()))
        by_two_best = self._biased and "num_expert_group" in self._known  # without a bias groups go by their maximum
        if self.num_groups or not by_two_best:
            self.__signature__ = inspect.signature(lambda scores, top_k: None)

    def __call__(self, scores: npt.NDArray[Any], top_k: int, *, num_groups: int = 1, topk_groups: int = 1) -> Routing:
        """Return ids and weights ``[T, K]``."""
        tokens, experts = scores.shape
        given: dict[str, Any] = {
            "hidden_states": self.to_tensor(np.zeros((tokens, 1), np.float32)),
            **dict.fromkeys(_LOGITS, self.to_tensor(logits_of(scores, self._gate))),
            **dict.fromkeys(_TOP_KS, top_k),
            "renormalize": True,
        }
        if self._known.get("use_grouped_topk") is None:
            given["use_grouped_topk"] = bool(self.num_groups) or num_groups > 1
        if not self.num_groups:
            given |= {"num_expert_group": num_groups, "topk_group": topk_groups}
        if self._biased and self._known[self._biased] is None:
            given[self._biased] = self.to_tensor(np.zeros(experts, np.float32))
        known = {name: value for name, value in given.items() if name in self._known}
        try:
            returned = self.function(**known)
        except Exception as error:
            if self.num_groups or num_groups != experts or experts == 1:
                raise
            raise TargetError("a group of one expert has no two best", "raises", on_purpose=True) from error
        weights, ids = items_of(returned, 2, "(weights, ids)")[:2]
        return Routing(ids, weights)


def _is_topk(found: Any, names: list[str]) -> bool:
    known = set(names)
    called = "gating_output" in known or {"hidden_states", "router_logits"} <= known
    return called and bool(_TOP_KS & known) and not isinstance(found, type)


FORM = Form(
    name="grouped-topk",
    role="router",
    example="grouped_topk(hidden_states, gating_output, topk, renormalize, ...) -> (weights, ids)",
    recognises=_is_topk,
    adapt=lambda found: GroupedTopK(found, to_tensor_of(found)),
)
