"""Batches that live in torch tensors: their certified optimum and a bound on regret, where they are.

>>> import torch, equipoise.torch
>>> scores = torch.rand(4096, 64).sigmoid()  # on any device
>>> solution = equipoise.torch.solve(scores, top_k=8)
>>> solution.evidence
'certified'

It needs the extra ``torch``. The matrix of scores stays on its device: what is copied to the host are a sample of
tokens, and then the few (token, expert) pairs near a decision.
"""

from equipoise.torch.bound import regret_bound
from equipoise.torch.problem import TensorProblem
from equipoise.torch.solve import solve

__all__ = ["TensorProblem", "regret_bound", "solve"]
