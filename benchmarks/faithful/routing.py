"""Routing rules and losses beside their originals. Scores are multiples of 2^-12, which every float here holds."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.distributed.tensor
from comparison import Comparison, differing
from original import functions

from equipoise.reference.metrics.switch import SwitchLoss
from equipoise.reference.routing.base_layers import BASE, auction
from equipoise.reference.routing.group_limited import GroupLimited, group_limited
from equipoise.reference.routing.loss_free import LossFree
from equipoise.reference.routing.quantile_averaged import QuantileAveraged
from equipoise.reference.routing.sinkhorn import megatron_plan
from equipoise.reference.routing.sqrt_softplus import SqrtSoftplus
from equipoise.reference.routing.topk import top_k_experts

MOE = "megatron/core/transformer/moe/moe_utils.py"
ONE_RANK = SimpleNamespace(all_reduce=lambda *_, **__: None, ReduceOp=SimpleNamespace(AVG=None))
"""A process group of one: every reduction leaves what it is given."""


def scores(rng: np.random.Generator, tokens: int, experts: int) -> np.ndarray:
    """Distinct multiples of 2^-12 in (0, 1), the first expert the most popular."""
    levels = np.sort(rng.permutation(2**12 - 1)[: tokens * experts] + 1)[::-1].reshape(experts, tokens).T / 2**12
    mixed = rng.random(levels.shape) < 0.75
    levels[mixed] = rng.permutation(levels[mixed])
    return levels


def sizes(rng: np.random.Generator) -> tuple[int, int, int]:
    """T, E and K < E, where E divides T K."""
    experts, top_k = int(rng.integers(2, 17)), int(rng.integers(1, 5))
    top_k = min(top_k, experts - 1)
    return experts // math.gcd(experts, top_k) * int(rng.integers(2, 9)), experts, top_k


def _with_torch(**beside: Any) -> Any:
    """Torch, with some names replaced."""
    return SimpleNamespace(**{name: getattr(torch, name) for name in dir(torch) if not name.startswith("__")} | beside)


def _megatron(*names: str, **beside: Any) -> Any:
    space = {"torch": torch, "math": math, "HAVE_TE": False} | beside
    return lambda path: SimpleNamespace(**functions(path / MOE, list(names), **space))


def _sinkhorn(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, _ = sizes(rng)
    logits = rng.normal(size=(tokens, experts)).astype(np.float32)
    plan, _ = megatron_plan(logits, max_iterations=10**5)
    return differing("plan", plan * tokens, original.sinkhorn(torch.from_numpy(logits)).numpy() * tokens, 1e-5)


def _qb_load(path: Path) -> Any:
    """The router's step, one rank, one layer: what is routed, the quantiles added up, and their average's blend."""
    update = functions(path / MOE, ["qb_dual_update"], torch=torch)["qb_dual_update"]
    finalize = functions(
        path / "megatron/core/distributed/finalize_model_grads.py",
        ["_update_router_qb_beta"],
        torch=_with_torch(distributed=ONE_RANK),
        get_attr_wrapped_model=lambda model, name: getattr(model, name),
    )["_update_router_qb_beta"]

    def step(layer: Any, parts: list[torch.Tensor], top_k: int, ema: float) -> np.ndarray:
        layer.qb_beta_accum, layer.qb_beta_count = torch.zeros_like(layer.qb_beta), torch.zeros(1)
        chosen = []
        for part in parts:
            indices, beta = update(part, top_k, layer.qb_beta)
            layer.qb_beta_accum += beta
            layer.qb_beta_count += 1
            chosen.append(indices)
        finalize([SimpleNamespace(modules=lambda: [layer])], SimpleNamespace(moe_router_quantile_balancing_ema=ema))
        return torch.cat(chosen).numpy()

    return step


def _taken(keys: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.sort(np.take_along_axis(keys, chosen, axis=1), axis=1)


def _quantile(original: Any, rng: np.random.Generator) -> str | None:
    _, experts, top_k = sizes(rng)
    parts, ema = int(rng.choice([1, 2, 4])), float(rng.choice([0.0, 0.5, 0.75]))
    layer = SimpleNamespace(qb_beta=torch.zeros(experts, dtype=torch.float64), training=True)
    ours = QuantileAveraged(ema, parts)
    for step in range(3):
        batch = scores(rng, experts // math.gcd(experts, top_k) * parts * 3, experts)
        before = layer.qb_beta.numpy().copy()
        theirs = original(layer, [torch.from_numpy(part) for part in np.split(batch, parts)], top_k, ema)
        mine, keys = ours(batch, top_k).chosen, batch - before
        gap = differing(f"best scores of step {step}", *(_taken(keys, one) for one in (mine, theirs)))
        gap = gap or differing(f"prices after step {step}", ours.prices, layer.qb_beta, 1e-12)
        if gap:
            return gap
    return None


def _groups(original: Any, rng: np.random.Generator) -> str | None:
    kept, each = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    groups, top_k = kept + int(rng.integers(1, 4)), kept * int(rng.integers(1, min(4, each) + 1))
    keys = rng.random((16, groups * each))  # the sums of two groups may tie on a grid
    _, theirs = original.group_limited_topk(torch.from_numpy(keys), top_k, 16, groups * each, groups, kept)
    ours = group_limited(keys, top_k, groups, kept, "K/M")
    return differing("experts", np.sort(ours, 1), np.sort(theirs.numpy(), 1))


def _softplus(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, top_k = sizes(rng)
    logits = 4 * scores(rng, min(tokens, 4095 // experts), experts) - 2
    router = SqrtSoftplus(scale=2.5)
    router.bias = rng.integers(-8, 9, experts) / 64
    theirs, chosen = original.topk_routing_with_score_function(
        torch.from_numpy(logits),
        top_k,
        scaling_factor=2.5,
        score_function="sqrtsoftplus",
        expert_bias=torch.from_numpy(router.bias),
    )
    routing = router(logits, top_k)
    spread = np.zeros(logits.shape)
    np.put_along_axis(spread, routing.chosen, routing.weights, axis=1)
    return differing("experts", spread > 0, chosen) or differing("weights", spread, theirs, 1e-6)


def _bias(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, top_k = sizes(rng)
    batch = scores(rng, min(tokens, 4095 // experts), experts)
    router = LossFree(rate=2**-10)
    router.bias = rng.integers(-8, 9, experts) / 64
    before = router.bias
    load = np.bincount(router(batch, top_k).chosen.ravel(), minlength=experts).astype(np.float64)
    return differing("bias", router.bias, original(before, load, 2**-10), 1e-12)


def _megatron_bias(path: Path) -> Any:
    function = functions(path / MOE, ["get_updated_expert_bias"], torch=_with_torch(distributed=ONE_RANK))
    updated = function["get_updated_expert_bias"]
    return lambda bias, load, rate: updated(torch.from_numpy(load), torch.from_numpy(bias), rate, ONE_RANK)


class Blocks(list[Any]):
    """A list of layers that looks like torch's ModuleDict."""

    def values(self) -> Any:
        return iter(self)


def _titan_bias(path: Path) -> Any:
    layers = Blocks()
    hook = functions(
        path / "torchtitan/components/optimizer/optimizer.py",
        ["_update_expert_bias"],
        torch=_with_torch(distributed=torch.distributed),
        nn=SimpleNamespace(ModuleDict=Blocks),
        cast=lambda _, value: value,
        _MoELike=None,
        _iter_moe_layers=lambda parts: [(block, block.moe) for block in layers],
        _is_recomputation_enabled=lambda block: False,
    )["_update_expert_bias"]
    ranks = SimpleNamespace(get_optional_mesh=lambda name: None, ep_enabled=False, tp=1)

    def updated(bias: np.ndarray, load: np.ndarray, rate: float) -> np.ndarray:
        moe = SimpleNamespace(
            load_balance_coeff=rate,
            tokens_per_expert_E=torch.from_numpy(load),
            expert_bias_E=torch.from_numpy(bias.copy()),
        )
        layers[:] = [SimpleNamespace(moe=moe, moe_enabled=True)]
        hook([SimpleNamespace(get_submodule=lambda name: layers)], ranks)
        return moe.expert_bias_E.numpy()

    return updated


def _centred(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, top_k = sizes(rng)
    batch = scores(rng, min(tokens, 4095 // experts), experts)
    router = LossFree(rate=2**-10)
    load = np.bincount(router(batch, top_k).chosen.ravel(), minlength=experts).astype(np.float64)
    return differing("bias less its mean", router.bias - router.bias.mean(), original(0 * load, load, 2**-10), 1e-7)


def _switch(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, top_k = sizes(rng)
    gate = torch.softmax(torch.from_numpy(rng.normal(size=(tokens, experts))), dim=1)
    chosen = top_k_experts(gate.numpy(), top_k)
    load = torch.from_numpy(np.bincount(chosen.ravel(), minlength=experts))
    theirs = original.switch_load_balancing_loss_func(gate, load, tokens, top_k, experts, 1.0)
    return differing("loss", SwitchLoss()(gate.numpy(), chosen), theirs, 1e-6)


def _transformers(path: Path, model: str, name: str) -> Any:
    sys.path.insert(0, str(path))
    return getattr(importlib.import_module(f"transformers.models.{model}.modeling_{model}"), name)


def _mixtral(original: Any, rng: np.random.Generator) -> str | None:
    tokens, experts, top_k = sizes(rng)
    logits = torch.from_numpy(rng.normal(size=(tokens, experts)))
    gate = torch.softmax(logits, dim=1).numpy()
    ours = top_k * SwitchLoss()(gate, top_k_experts(gate, top_k))
    return differing("loss", ours, original((logits,), experts, top_k), 1e-6)


def _deepseek(original: Any, rng: np.random.Generator) -> str | None:
    kept, each = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    groups, top_k = kept + int(rng.integers(0, 4)), int(rng.integers(1, kept * each + 1))
    experts = groups * each
    config = SimpleNamespace(
        num_experts_per_tok=top_k,
        num_local_experts=experts,
        hidden_size=experts,
        routed_scaling_factor=2.5,
        n_group=groups,
        topk_group=kept,
        norm_topk_prob=True,
    )
    module, router = original(config), GroupLimited(groups, kept, rate=0)
    logits = 8 * scores(rng, 16, experts) - 4
    router.bias = rng.integers(-8, 9, experts) / 64
    with torch.no_grad():
        module.weight.copy_(torch.eye(experts))
        module.e_score_correction_bias.copy_(torch.from_numpy(router.bias))
        _, theirs, chosen = module(torch.from_numpy(logits).float())
    routing = router(torch.from_numpy(logits).float().sigmoid().numpy(), top_k)
    spread, other = np.zeros(logits.shape), np.zeros(logits.shape)
    np.put_along_axis(spread, routing.chosen, routing.weights, axis=1)
    np.put_along_axis(other, chosen.numpy(), theirs.numpy(), axis=1)
    return differing("experts", spread > 0, other > 0) or differing("weights", spread, other, 1e-6)


def _fairseq(path: Path) -> Any:
    from torch.utils.cpp_extension import load

    return load("balanced_assignment", [str(path / "fairseq/clib/libbase/balanced_assignment.cpp")]).balanced_assignment


def _base(original: Any, rng: np.random.Generator) -> str | None:
    experts = int(rng.integers(2, 7))
    tokens = experts * int(rng.integers(1, 9))
    ours = None
    while ours is None:  # where it does not end, the original need not either
        values = rng.normal(size=(tokens, experts)).astype(np.float32)
        ours, _ = auction(values.astype(np.float64), BASE().max_rounds)
    theirs = np.empty(tokens, np.int64)
    theirs[original(torch.from_numpy(values)).numpy()] = np.repeat(np.arange(experts), tokens // experts)
    return differing("expert of token", ours, theirs)


COMPARISONS = [
    Comparison(
        "sinkhorn",
        "megatron",
        "router `sinkhorn`",
        "`sinkhorn`, moe_utils.py",
        "normal logits, 2 to 16 experts",
        _megatron("sinkhorn"),
        _sinkhorn,
        "The plan, in float32, to 1e-5 of a token: sums are taken in another order.",
    ),
    Comparison(
        "quantile-averaged",
        "megatron",
        "routers `quantile-averaged`, `quantile-ema`",
        "`qb_dual_update`, `_update_router_qb_beta`",
        "3 steps of distinct scores in 1, 2 or 4 micro-batches, EMA 0, 0.5 or 0.75; E divides T K",
        _qb_load,
        _quantile,
        "Prices of every step, and the scores less prices that tokens take, as prices make ties. `quantile` is one "
        "micro-batch without memory, not centred.",
    ),
    Comparison(
        "group-limited-report",
        "megatron",
        'router `group-limited`, `group_score="K/M"`',
        "`group_limited_topk`",
        "random scores, K a multiple of M",
        _megatron("group_limited_topk"),
        _groups,
        "Where K < M the original scores groups by an empty sum; ours by one expert, and those inputs are not drawn.",
    ),
    Comparison(
        "sqrt-softplus",
        "megatron",
        "router `sqrt-softplus`",
        '`topk_routing_with_score_function(score_function="sqrtsoftplus")`',
        "distinct logits in [-2, 2], random biases, scale 2.5",
        _megatron("topk_routing_with_score_function"),
        _softplus,
        "Experts, and weights to float32.",
    ),
    Comparison(
        "loss-free",
        "megatron",
        "router `loss-free`",
        "`get_updated_expert_bias`",
        "distinct scores, random biases",
        _megatron_bias,
        _bias,
        "The bias after one step, for the loads of our routing.",
    ),
    Comparison(
        "loss-free-torchtitan",
        "torchtitan",
        "router `loss-free`, less its mean",
        "`_update_expert_bias`, the optimizer's hook",
        "distinct scores, no bias before",
        _titan_bias,
        _centred,
        "torchtitan takes the mean off every step, which the paper does not, and which changes no choice.",
    ),
    Comparison(
        "aux-loss",
        "megatron",
        "metric `aux-loss`",
        "`switch_load_balancing_loss_func`",
        "softmax of normal logits",
        _megatron("switch_load_balancing_loss_func"),
        _switch,
        "For counts and tokens of a global batch it is `global-loss`.",
    ),
    Comparison(
        "aux-loss-transformers",
        "transformers",
        "metric `aux-loss`, times K",
        "`load_balancing_loss_func`, Mixtral",
        "softmax of normal logits",
        lambda path: _transformers(path, "mixtral", "load_balancing_loss_func"),
        _mixtral,
        "It leaves out the 1/K, so that it is K at balance.",
    ),
    Comparison(
        "group-limited",
        "transformers",
        "router `group-limited`",
        "`DeepseekV3TopkRouter`",
        "distinct logits in [-4, 4], random biases, 1 to 6 groups of 2 to 5",
        lambda path: _transformers(path, "deepseek_v3", "DeepseekV3TopkRouter"),
        _deepseek,
        "Experts, and weights to float32: groups by their two best, weights over their sum times 2.5.",
    ),
    Comparison(
        "base",
        "fairseq",
        "router `base`",
        "`balanced_assignment`, balanced_assignment.cpp",
        "normal scores, 2 to 6 experts, 1 to 8 tokens each, where ours ends within 1000 rounds",
        _fairseq,
        _base,
        "The original works in float32, ours in float64.",
    ),
]
