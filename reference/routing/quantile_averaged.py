r"""Quantile balancing as Megatron-core 0.19.2 has it: quantiles of micro-batches averaged, then an EMA (PR 5349).

All micro-batches of a step are routed with the bias of the step before. Each gives the prices of one sweep of
:mod:`quantile` on its own tokens; then

    beta <- ema * beta + (1 - ema) * mean of the micro-batches' prices,     beta <- beta - mean beta

A mean of quantiles is not the quantile of the whole: where micro-batches differ, so do the loads that it leads to
(docs/measured/findings.md). The histogram of :mod:`quantile_histogram` pools instead.

Open there, and what is done here: it asserts that E divides T K in every micro-batch; here the rank is
``floor(T K / E) + 1``. Micro-batches are equal runs of tokens, in their order, the first ones longer by one where they
must be; there is none without tokens. ``K = E``: prices stay, less their mean. Ties in the top K: to the lower index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.memory import KeepsPrices
from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.reference.routing.topk import routed, top_k_experts
from equipoise.routing import Routing


class QuantileAveraged(KeepsPrices):
    """Quantile balancing with ``ema`` and averaged ``micro_batches``. Cost: O(T E) a step."""

    def __init__(self, ema: float = 0.0, micro_batches: int = 1) -> None:
        self.ema, self.micro_batches = ema, micro_batches
        self.capabilities = frozenset({"online"} if micro_batches > 1 else ())

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route this step by the bias learnt so far, then learn from it."""
        scores = np.asarray(scores, np.float64)
        beta = self.kept(scores.shape[1])
        parts = np.array_split(scores, min(self.micro_batches, len(scores)))
        found = np.mean([quantile_sweep(part, beta, top_k) for part in parts], axis=0)
        blended = self.ema * beta + (1 - self.ema) * found
        self.prices = blended - blended.mean()
        return routed(scores, top_k_experts(scores - beta, top_k))
