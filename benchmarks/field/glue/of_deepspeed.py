"""Settings of DeepSpeed's gatings."""

from functools import partial

from deepspeed.moe.sharded_moe import top1gating, topkgating

top1_random = partial(top1gating, use_rts=True)
top1_no_drop = partial(top1gating, drop_tokens=False)
topk_position = partial(topkgating, drop_policy="position")
topk_no_drop = partial(topkgating, drop_tokens=False)
