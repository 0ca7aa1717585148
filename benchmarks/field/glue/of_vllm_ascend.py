"""A policy that takes torch tensors, which its module does not import."""

import torch
from vllm_ascend.eplb.core.policy.policy_random import RandomLoadBalance

__all__ = ["RandomLoadBalance", "torch"]
