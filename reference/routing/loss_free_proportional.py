r"""Loss-Free Balancing, proportional variant (arXiv 2408.15664, ablation of the update rule).

Every token takes the top K of ``s + b``; then, from the batch that was just routed,

    b[e] += u * e_i,     e_i = mean load - load[e]

Gate weights are the scores; the bias never enters them. b starts at zero.

Open in the paper: the unit of the error, without which u says nothing. It is an explicit argument here:

* ``"tokens"``: counts, ``T K / E - load``; the step grows with the batch.
* ``"share"``: divided by all T K assignments.
* ``"relative"``: divided by the mean load; the same u then means the same for every batch size and number of experts.

Ties in the top K: to the lower expert index. ``K = E`` leaves b alone.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsBias
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing

Unit = Literal["tokens", "share", "relative"]


class LossFreeProportional(KeepsBias):
    """Loss-Free Balancing by the size of the error, in ``unit``, times ``rate`` (the paper's u). O(T E log E)."""

    def __init__(self, unit: Unit, rate: float = 1e-3) -> None:
        self.unit = unit
        self.rate = rate

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        bias = self.kept(scores.shape[1])
        chosen = top_k_experts(scores + bias, top_k)
        load = np.bincount(chosen.ravel(), minlength=scores.shape[1])
        one = {"tokens": 1.0, "share": load.sum(), "relative": load.mean()}[self.unit]
        self.bias = bias + self.rate * (load.mean() - load) / one
        return routed(scores, chosen)


def relative() -> LossFreeProportional:
    """Return the variant whose rate does not depend on the size of the batch."""
    return LossFreeProportional("relative")
