"""torchtitan's router, made for E and K; the adapter moves its bias as the optimizer hook does."""

from torchtitan.models.common.linear import Linear
from torchtitan.models.common.moe import TokenChoiceTopKRouter

GROUPS = {"num_expert_groups": 4, "num_limited_groups": 2}


def sigmoid(experts, top_k):
    gate = Linear.Config(in_features=experts, out_features=experts, bias=False)
    return TokenChoiceTopKRouter.Config(num_experts=experts, top_k=top_k, gate=gate).build()


def softmax(experts, top_k):
    gate = Linear.Config(in_features=experts, out_features=experts, bias=False)
    return TokenChoiceTopKRouter.Config(num_experts=experts, top_k=top_k, gate=gate, score_func="softmax").build()


def grouped(experts, top_k):
    gate = Linear.Config(in_features=experts, out_features=experts, bias=False)
    return TokenChoiceTopKRouter.Config(num_experts=experts, top_k=top_k, gate=gate, **GROUPS).build()
