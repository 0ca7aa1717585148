"""Routers of transformers in the float type that models run in."""

from transformers import Mistral4Config, MixtralConfig
from transformers.models.mistral4.modeling_mistral4 import Mistral4TopkRouter
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter

ONE_GROUP = {"n_group": 1, "topk_group": 1}


def mistral4_bfloat16(experts, top_k):
    sizes = {"hidden_size": experts, "num_local_experts": experts, "num_experts_per_tok": top_k}
    return Mistral4TopkRouter(Mistral4Config(**sizes, **ONE_GROUP)).bfloat16()


def mixtral_bfloat16(experts, top_k):
    sizes = {"hidden_size": experts, "num_local_experts": experts, "num_experts_per_tok": top_k}
    return MixtralTopKRouter(MixtralConfig(**sizes)).bfloat16()
