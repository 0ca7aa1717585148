"""What the targets of SGLang need beside their names."""

from functools import partial

import torch
from sglang.srt.eplb.eplb_algorithms.elasticity_aware import rebalance_experts
from sglang.srt.eplb.expert_location_dispatch import ExpertLocationDispatchInfo, topk_ids_logical_to_physical
from sglang.srt.layers.moe.topk import fused_topk_torch_native

fused_topk_sigmoid = partial(fused_topk_torch_native, scoring_func="sigmoid")


def elasticity_aware(weight, num_replicas, num_groups, num_nodes, num_gpus):
    return rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, True, torch.ones(num_gpus))


def dispatch(topk_ids, log2phy, logcnt):
    info = ExpertLocationDispatchInfo("dynamic", None, log2phy, logcnt, int(log2phy.max()) + 1, rank_invariant=True)
    return topk_ids_logical_to_physical(topk_ids, info)
