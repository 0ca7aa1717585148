"""Megatron-LM's ``TopKRouter``: a module whose expert bias is moved by a step after the backward pass."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.balancers.adapters.router_answers import items_of, logits_of, numbers
from equipoise.errors import TargetError
from equipoise.routing import Routing


class MegatronRouter:
    """A router from a module with ``routing(logits[T, 1, E]) -> (probs[T, E], map[T, E])``, past its gating weight.

    After every :attr:`MICRO_BATCHES` calls the bias is finalized as Megatron-LM does on one rank: ``expert_bias`` moves
    by the update rate of the configuration, by the sign of mean minus ``local_tokens_per_expert``, which then starts
    from zero; quantile balancing's ``qb_beta`` moves to the mean of what was accumulated, less its own mean.
    """

    MICRO_BATCHES = 1

    def __init__(self, module: Any, to_tensor: ToTensor = as_given) -> None:
        self._given = module
        self.to_tensor = to_tensor
        config = module.config
        self.sizes = int(config.num_moe_experts), int(module.topk)
        by_quantiles = getattr(module, "qb_beta", None) is not None  # which balances the logits themselves
        self._gate = "" if by_quantiles else str(getattr(module, "score_function", "softmax"))
        self._rate = float(getattr(config, "moe_router_bias_update_rate", 1e-3))
        self.num_groups = getattr(config, "moe_router_num_groups", None)
        self.topk_groups = getattr(config, "moe_router_group_topk", None)
        factor = getattr(config, "moe_expert_capacity_factor", None)
        by_position = factor is not None and getattr(config, "moe_token_drop_policy", "") == "position"
        says = {
            "drops": factor is not None,
            "respects capacity": factor is not None and factor <= 1,
            "online": by_position,
            "first come": by_position,
            "group limited": bool(self.num_groups),
        }
        self.capabilities = frozenset(name for name, holds in says.items() if holds)
        self.reset()

    def reset(self) -> None:
        """Go back to the biases that the module was given with."""
        self.module = copy.deepcopy(self._given)
        self._calls = 0

    @property
    def bias(self) -> npt.NDArray[Any]:
        """What is added to the scores, ``[E]``: the expert bias, or less quantile balancing's beta."""
        for name, sign in (("expert_bias", 1), ("qb_beta", -1)):
            if getattr(self.module, name, None) is not None:
                return sign * numbers(getattr(self.module, name), name)
        raise AttributeError("bias")

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Return the map ``[T, E]`` and its probabilities."""
        if (scores.shape[1], top_k) != self.sizes:
            own = f"{self.sizes[0]} experts and K = {self.sizes[1]}"
            raise TargetError(f"it is made for {own}, not for {scores.shape[1]} and K = {top_k}")
        logits = logits_of(scores, self._gate).astype(np.float32)
        probabilities, chosen = items_of(self.module.routing(self.to_tensor(logits[:, None])), 2, "(probs, map)")[:2]
        self._calls += 1
        if self._calls % self.MICRO_BATCHES == 0:
            self._finalize()
        return Routing(chosen, probabilities)

    def _finalize(self) -> None:
        bias, count = (getattr(self.module, name, None) for name in ("expert_bias", "local_tokens_per_expert"))
        if bias is not None and count is not None:
            load = numbers(count, "local_tokens_per_expert")
            bias += self.to_tensor((self._rate * np.sign(load.mean() - load)).astype(np.float32))
            count[...] = 0
        names = ("qb_beta", "qb_beta_accum", "qb_beta_count")
        beta, total, batches = (getattr(self.module, name, None) for name in names)
        if beta is not None and total is not None and batches is not None and int(batches):
            ema = float(getattr(self.module.config, "moe_router_quantile_balancing_ema", 0.0))
            moved = ema * beta + (1 - ema) * (total / int(batches))
            beta[...] = moved - moved.mean()
            total[...] = 0
            batches[...] = 0


FORM = Form(
    name="megatron-router",
    role="router",
    example="TopKRouter(config).routing(logits) -> (probs, map), with expert_bias and local_tokens_per_expert",
    recognises=lambda found, names: (
        not isinstance(found, type) and callable(getattr(found, "routing", None)) and hasattr(found, "topk")
    ),
    adapt=lambda found: MegatronRouter(found, to_tensor_of(found)),
)
