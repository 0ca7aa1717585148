r"""Quantile balancing from pooled histograms (Kimi K3, arXiv 2607.24653, section 2.3.3, eqs. 13, 14, appendix D).

Every token takes the top K of ``s + b``. The bias that token t would need to see on expert e is

    r[t, e] = alpha[t] - s[t, e],     alpha[t] = (K + 1)-th largest over e of s[t, e] + b[e]

and the new bias of e is the K/E quantile of its r over all tokens of the step. Each shard counts its r into B = 1000
equal bins on ``[min b - 1, max b + 1]``; the integer counts are added up, so the result does not depend on how tokens
were spread over shards or micro-batches. The quantile is interpolated inside its bin and the biases are centred on
their mean. Gate weights are the scores of the chosen experts over their sum.

Open, and what is done here:

* The range contains every r only for scores in [0, 1]; others go into the bins at the ends.
* Position inside the bin: linear, ``(T K / E - counts below) / counts in the bin``, in the bin where the cumulated
  count first reaches ``ceil(T K / E)``. The report was not at hand; this is torchtitan's reading (PR 4577).
* That rank is the other end of the block minimiser than :mod:`quantile` takes (the ceil(T K / E)-th smallest r there
  is ``-beta`` for the C-th largest margin, not the (C+1)-th); with bins coarser than the gap one cannot tell.
* ``K = E`` has no (K+1)-th largest: nothing is counted, the bias stays; as after a step without tokens.
* The mean is taken off exactly, so a common shift of b is forgotten after one step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.ranks import ranked
from equipoise.reference.routing.topk import normalised, top_k_experts
from equipoise.routing import Routing


class QuantileHistogram:
    """Histogram quantile balancing. A call routes one whole step; cost O(T E + E B), memory E B integers.

    For tokens in shards, route and :meth:`count` each shard, add the counts up and :meth:`learn` once.
    """

    capabilities = frozenset({"weights: normalised"})

    def __init__(self, bins: int = 1000) -> None:
        self.bins = bins
        self.bias: npt.NDArray[np.float64] | None = None

    @property
    def prices(self) -> npt.NDArray[np.float64] | None:
        """What is taken off the scores, ``-b``."""
        return None if self.bias is None else -self.bias

    def reset(self) -> None:
        """Set the bias back to zero."""
        self.bias = None

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this batch by the bias learnt so far, then learn from it."""
        routing = self.route(scores, top_k)
        self.learn(self.count(scores, top_k), top_k)
        return routing

    def route(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route a batch or shard by the bias learnt so far."""
        scores = np.asarray(scores, np.float64)
        chosen = top_k_experts(scores + self._bias(scores.shape[1]), top_k)
        return Routing(chosen, normalised(np.take_along_axis(scores, chosen, axis=1)))

    def count(self, scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
        """Return the histogram ``[E, B]`` of the biases that these tokens require."""
        scores = np.asarray(scores, np.float64)
        experts = scores.shape[1]
        if top_k == experts:
            return np.zeros((experts, self.bins), np.int64)
        bias = self._bias(experts)
        required = ranked(scores + bias, top_k + 1, axis=1)[:, None] - scores
        place = np.floor((required - (bias.min() - 1)) / self._width(bias))
        place = np.clip(place, 0, self.bins - 1).astype(np.int64) + np.arange(experts) * self.bins
        return np.bincount(place.ravel(), minlength=experts * self.bins).reshape(experts, self.bins)

    def learn(self, counts: npt.NDArray[np.int64], top_k: int) -> None:
        """Set the bias from the pooled histogram ``[E, B]`` of a whole step."""
        experts = len(counts)
        bias = self._bias(experts)
        demand = int(counts[0].sum()) * top_k
        if top_k == experts or not demand:
            return
        cumulated = counts.cumsum(axis=1)
        place = (cumulated < -(-demand // experts)).sum(axis=1)
        inside = np.take_along_axis(counts, place[:, None], axis=1)[:, 0]
        below = np.take_along_axis(cumulated, place[:, None], axis=1)[:, 0] - inside
        position = place + (demand / experts - below) / inside
        self.bias = (position - position.mean()) * self._width(bias)

    def _bias(self, experts: int) -> npt.NDArray[np.float64]:
        if self.bias is None or len(self.bias) != experts:
            self.bias = np.zeros(experts)
        return self.bias

    def _width(self, bias: npt.NDArray[np.float64]) -> float:
        return float(bias.max() - bias.min() + 2) / self.bins
