r"""ALF-LB as a primal-dual method (X. Han, Y. Zhong, arXiv 2512.03915; reconstructed: the full text was not at hand).

At step n every token takes the top K of ``s + p``; then, from the loads A that it caused,

    p[e] += epsilon[e, n] * (L - A[e]),     L = T K / E

one subgradient step on the dual of the assignment problem, whose subgradient in the price -p[e] is ``L - A[e]``. With
``epsilon = u / |L - A|`` it is the sign rule of Loss-Free Balancing; with a constant, its proportional variant in
tokens. The paper's logarithmic regret needs steps that shrink like 1/n.

Open, and what is done here:

* Step sizes: ``epsilon[e, n] = rate[e] / n**decay``; decay 0 is constant, 1 the schedule of the regret bound, 1/2
  (default) the usual one of subgradient methods. ``rate`` is one number or one per expert, per token of error; the
  default suits scores in [0, 1] and a few thousand tokens, and is ours.
* n counts the calls since the last reset. Ties in the top K: to the lower expert index. ``K = E`` leaves p alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class ALFLB(KeepsBias):
    """Primal-dual balancing with step ``rate / n**decay``. Cost: O(T E log E)."""

    def __init__(self, rate: float | npt.NDArray[np.float64] = 1e-4, decay: float = 0.5) -> None:
        self.rate = rate
        self.decay = decay
        self.step = 0

    def reset(self) -> None:
        """Set the bias back to zero and the step count with it."""
        super().reset()
        self.step = 0

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        chosen = top_k_experts(scores + bias, top_k)
        load = np.bincount(chosen.ravel(), minlength=len(bias))
        self.step += 1
        self.bias = bias + self.rate / self.step**self.decay * (load.mean() - load)
        return routed(scores, chosen)
