"""Settings of Megatron-LM's routing function, and its router made for E and K."""

from functools import partial
from types import SimpleNamespace

import torch
from megatron.core.transformer.moe.moe_utils import topk_routing_with_score_function as route
from megatron.core.transformer.moe.router import TopKRouter
from megatron.core.transformer.transformer_config import TransformerConfig

torch.cuda.current_device = lambda: "cpu"
ALONE = SimpleNamespace(tp=None, cp=None, tp_cp=None, tp_dp_cp=None)
PLAIN = {"num_layers": 1, "num_attention_heads": 1, "hidden_size": 64, "moe_router_pre_softmax": True}
DROPPING = {**PLAIN, "moe_router_load_balancing_type": "none", "moe_expert_capacity_factor": 1.0}

pre_softmax = partial(route, use_pre_softmax=True)
sigmoid = partial(route, score_function="sigmoid")
sqrtsoftplus = partial(route, score_function="sqrtsoftplus")
grouped = partial(route, score_function="sigmoid", num_groups=4, group_topk=2)


def expert_bias(experts, top_k):
    named = {"moe_router_score_function": "sigmoid", "moe_router_enable_expert_bias": True, "moe_aux_loss_coeff": 0}
    return TopKRouter(TransformerConfig(num_moe_experts=experts, moe_router_topk=top_k, **PLAIN, **named), ALONE)


def quantile_balancing(experts, top_k):
    named = {"moe_router_load_balancing_type": "quantile_balancing"}
    return TopKRouter(TransformerConfig(num_moe_experts=experts, moe_router_topk=top_k, **PLAIN, **named), ALONE)


def sinkhorn(experts, top_k):
    named = {"moe_router_load_balancing_type": "sinkhorn"}
    return TopKRouter(TransformerConfig(num_moe_experts=experts, moe_router_topk=top_k, **PLAIN, **named), ALONE)


def drop_the_least_probable(experts, top_k):
    return TopKRouter(TransformerConfig(num_moe_experts=experts, moe_router_topk=top_k, **DROPPING), ALONE)


def drop_by_position(experts, top_k):
    named = {"moe_token_drop_policy": "position"}
    return TopKRouter(TransformerConfig(num_moe_experts=experts, moe_router_topk=top_k, **DROPPING, **named), ALONE)
