"""The routing rules by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from equipoise.roles import Router


@dataclass(frozen=True)
class RouterEntry:
    """Where a rule is and what it does, in one line.

    Attributes
    ----------
    settings
        What it is created with, beside its defaults.
    only_top_k
        The only K it routes, or None.
    """

    name: str
    module: str
    attribute: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    only_top_k: int | None = None

    def create(self) -> Router:
        """Return a fresh router with the published default settings."""
        found = getattr(importlib.import_module(f"equipoise.reference.routing.{self.module}"), self.attribute)
        return found(**self.settings) if isinstance(found, type) else found  # type: ignore[no-any-return]


ROUTERS = {
    entry.name: entry
    for entry in (
        RouterEntry("topk", "topk", "topk", "plain top-K, no balancing"),
        RouterEntry("bip", "bip", "BIP", "BIP-Based Balancing, 4 sweeps a batch (arXiv 2502.15451)"),
        RouterEntry("bip-online", "bip_online", "BIPOnline", "BIP token by token, on heaps (arXiv 2502.15451)"),
        RouterEntry(
            "bip-histogram", "bip_histogram", "BIPHistogram", "BIP token by token, in constant space (arXiv 2502.15451)"
        ),
        RouterEntry("loss-free", "loss_free", "LossFree", "Loss-Free Balancing, sign rule, u=0.001 (arXiv 2408.15664)"),
        RouterEntry(
            "loss-free-proportional",
            "loss_free_proportional",
            "LossFreeProportional",
            "Loss-Free Balancing by the relative error, u=0.001 (arXiv 2408.15664)",
            {"unit": "relative"},
        ),
        RouterEntry(
            "loss-free-multiplicative",
            "loss_free_multiplicative",
            "LossFreeMultiplicative",
            "Loss-Free Balancing with factors, u=0.001, for positive scores (arXiv 2408.15664)",
        ),
        RouterEntry(
            "loss-controlled",
            "loss_controlled",
            "LossControlled",
            "offsets trained by the GShard and Switch loss (ours)",
        ),
        RouterEntry(
            "quantile", "quantile", "QuantileBalancing", "quantile balancing, one exact sweep (arXiv 2607.24653)"
        ),
        RouterEntry(
            "quantile-histogram",
            "quantile_histogram",
            "QuantileHistogram",
            "quantile balancing from 1000 pooled bins, scores in [0, 1] (arXiv 2607.24653)",
        ),
        RouterEntry("midpoint", "midpoint", "Midpoint", "midpoint sweep, 4 a batch (ours)"),
        RouterEntry("alf-lb", "alf_lb", "ALFLB", "primal-dual steps of 1e-4/sqrt(n) (arXiv 2512.03915)"),
        RouterEntry(
            "sinkhorn", "sinkhorn", "Sinkhorn", "Sinkhorn on logits, as Megatron-LM runs it (arXiv 2202.01169)"
        ),
        RouterEntry("base", "base_layers", "BASE", "auction of BASE layers, K=1 only (arXiv 2103.16716)", only_top_k=1),
        RouterEntry("expert-choice", "expert_choice", "expert_choice", "experts choose tokens (arXiv 2202.09368)"),
        RouterEntry(
            "group-limited", "group_limited", "GroupLimited", "top-K within 4 of 8 groups, biased (arXiv 2412.19437)"
        ),
    )
}
