"""What the targets of vLLM need beside their names."""

from functools import partial

from vllm.model_executor.layers.fused_moe.router.cpu_router import select_experts
from vllm.model_executor.layers.fused_moe.router.grouped_topk_router import grouped_topk

grouped_topk_sigmoid = partial(grouped_topk, scoring_func="sigmoid")
select_experts_sqrtsoftplus = partial(select_experts, scoring_func="sqrtsoftplus")
