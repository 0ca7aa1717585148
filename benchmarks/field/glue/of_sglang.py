"""What the targets of SGLang need beside their names. A function of a module that imports torch is given tensors."""

from functools import partial

import torch
from sglang.srt.eplb.expert_location_dispatch import ExpertLocationDispatchInfo, topk_ids_logical_to_physical
from sglang.srt.layers.moe.topk import fused_topk_torch_native

__all__ = ["dispatch", "fused_topk_sigmoid", "torch"]

fused_topk_sigmoid = partial(fused_topk_torch_native, scoring_func="sigmoid")


def dispatch(topk_ids, log2phy, logcnt):
    info = ExpertLocationDispatchInfo("dynamic", None, log2phy, logcnt, int(log2phy.max()) + 1, rank_invariant=True)
    return topk_ids_logical_to_physical(topk_ids, info)
