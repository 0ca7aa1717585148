"""The routing rules by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.reference.catalogue import Entry


@dataclass(frozen=True)
class RouterEntry(Entry):
    """A routing rule; ``only_top_k`` is the only K it routes, or None."""

    only_top_k: int | None = None

    def takes(self, instances: Sequence[Any]) -> bool:
        """Whether every instance has the K that it routes."""
        return self.only_top_k is None or all(instance.top_k == self.only_top_k for instance in instances)


ROUTERS = {
    entry.name: entry
    for entry in (
        RouterEntry("topk", "routing.topk", "topk", "plain top-K, no balancing"),
        RouterEntry("bip", "routing.bip", "BIP", "BIP-Based Balancing, 4 sweeps a batch (arXiv 2502.15451)"),
        RouterEntry("bip-online", "routing.bip_online", "BIPOnline", "BIP token by token, on heaps (arXiv 2502.15451)"),
        RouterEntry(
            "bip-histogram",
            "routing.bip_histogram",
            "BIPHistogram",
            "BIP token by token, in constant space (arXiv 2502.15451)",
        ),
        RouterEntry(
            "loss-free", "routing.loss_free", "LossFree", "Loss-Free Balancing, sign rule, u=0.001 (arXiv 2408.15664)"
        ),
        RouterEntry(
            "loss-free-proportional",
            "routing.loss_free_proportional",
            "LossFreeProportional",
            "Loss-Free Balancing by the relative error, u=0.001 (arXiv 2408.15664)",
            {"unit": "relative"},
        ),
        RouterEntry(
            "loss-free-multiplicative",
            "routing.loss_free_multiplicative",
            "LossFreeMultiplicative",
            "Loss-Free Balancing with factors, u=0.001, for positive scores (arXiv 2408.15664)",
        ),
        RouterEntry(
            "loss-controlled",
            "routing.loss_controlled",
            "LossControlled",
            "offsets trained by the GShard and Switch loss (ours)",
        ),
        RouterEntry(
            "quantile",
            "routing.quantile",
            "QuantileBalancing",
            "quantile balancing, one exact sweep (arXiv 2607.24653)",
        ),
        RouterEntry(
            "quantile-histogram",
            "routing.quantile_histogram",
            "QuantileHistogram",
            "quantile balancing from 1000 pooled bins, scores in [0, 1] (arXiv 2607.24653)",
        ),
        RouterEntry("midpoint", "routing.midpoint", "Midpoint", "midpoint sweep, 4 a batch (ours)"),
        RouterEntry("alf-lb", "routing.alf_lb", "ALFLB", "primal-dual steps of 1e-4/sqrt(n) (arXiv 2512.03915)"),
        RouterEntry(
            "sinkhorn", "routing.sinkhorn", "Sinkhorn", "Sinkhorn on logits, as Megatron-LM runs it (arXiv 2202.01169)"
        ),
        RouterEntry(
            "base", "routing.base_layers", "BASE", "auction of BASE layers, K=1 only (arXiv 2103.16716)", only_top_k=1
        ),
        RouterEntry(
            "expert-choice", "routing.expert_choice", "expert_choice", "experts choose tokens (arXiv 2202.09368)"
        ),
        RouterEntry(
            "group-limited",
            "routing.group_limited",
            "GroupLimited",
            "top-K within 4 of 8 groups, biased (arXiv 2412.19437)",
        ),
        RouterEntry(
            "smebu",
            "routing.smebu",
            "SMEBU",
            "tanh-clamped bias steps with momentum (arXiv 2602.17004, reconstructed)",
            only_named=True,
        ),
        RouterEntry(
            "longcat",
            "routing.longcat",
            "LongCat",
            "bias by the error of each expert's share (LongCat-Flash)",
            only_named=True,
        ),
        RouterEntry(
            "null-experts",
            "routing.null_experts",
            "NullExperts",
            "0 to K experts a token, half of T K in all (arXiv 2601.15370, reconstructed)",
            only_named=True,
        ),
        RouterEntry(
            "quantile-ema",
            "routing.quantile_averaged",
            "QuantileAveraged",
            "quantile balancing with memory 0.9 (Megatron-LM PR 5349)",
            {"ema": 0.9},
            only_named=True,
        ),
        RouterEntry(
            "quantile-averaged",
            "routing.quantile_averaged",
            "QuantileAveraged",
            "quantile balancing, the mean of 4 micro-batches (Megatron-LM PR 5349)",
            {"micro_batches": 4},
            only_named=True,
        ),
        RouterEntry(
            "expert-threshold",
            "routing.expert_threshold",
            "ExpertThreshold",
            "every expert above whose threshold a token scores (arXiv 2603.11535, reconstructed)",
            only_named=True,
        ),
        RouterEntry(
            "laser",
            "routing.laser",
            "LASER",
            "the least loaded of the good experts (arXiv 2510.03293, reconstructed)",
            only_named=True,
        ),
        RouterEntry(
            "sqrt-softplus",
            "routing.sqrt_softplus",
            "SqrtSoftplus",
            "gate sqrt(softplus(logit)) with Loss-Free biases (Megatron-LM PR 4481)",
            only_named=True,
        ),
        RouterEntry(
            "maxscore",
            "routing.maxscore",
            "MaxScore",
            "the best assignment itself, by a flow (MaxScore, dongbw18/MaxScore)",
            only_named=True,
        ),
    )
}
