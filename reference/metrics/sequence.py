r"""Sequence-wise balance loss of DeepSeek-V3, arXiv 2412.19437, eq. 17 to 20.

.. math:: L = \frac1B \sum_b \sum_e f_{b,e} P_{b,e}, \quad f_{b,e} = \frac{E}{K T} \#\{t \in b : e \text{ is chosen}\},
              \quad P_{b,e} = \frac1T \sum_{t \in b} \frac{s_{t,e}}{\sum_j s_{t,j}}

without the coefficient alpha, s the scores of a sigmoid. 1 at balance. No epsilon stands beside the sum over j: one of
1e-20 lets scores below it lower the loss (Megatron-LM issue 1545). With :math:`r = s / \sum_j s_j` of a token,
:math:`\partial L / \partial s_e = (f_e - \sum_j f_j r_j) / (B T \sum_j s_j)`. Open, and chosen here: the mean over
sequences, which the paper leaves to the batch; a sequence without real tokens adds nothing and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from equipoise.reference.metrics.switch import SwitchLoss


@dataclass(frozen=True)
class SequenceLoss:
    """The mean of the losses of all sequences."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"sequence-loss"})

    def __call__(
        self,
        scores: npt.NDArray[Any],
        experts: npt.NDArray[Any],
        *,
        mask: npt.NDArray[np.bool_] | None = None,
        gradient: bool = False,
    ) -> float | npt.NDArray[np.float64]:
        """Return L for ``scores[B, T, E]`` and ``experts[B, T, K]``, or its derivative by the scores.

        ``mask[B, T]`` is true for real tokens; the others are left out.
        """
        real = np.ones(scores.shape[:2], bool) if mask is None else np.asarray(mask)
        exact = np.where(real[..., None], scores, 1.0).astype(np.float64)
        totals = exact.sum(axis=-1, keepdims=True)
        shares = exact / totals
        loss = SwitchLoss()
        used = [b for b in range(len(scores)) if real[b].any()]
        if not gradient:
            return float(np.mean([loss(shares[b], experts[b], mask=real[b]) for b in used]))
        found: npt.NDArray[np.float64] = np.zeros(scores.shape)
        for b in used:
            found[b] = loss(shares[b], experts[b], mask=real[b], gradient=True)
        found -= (found * shares).sum(axis=-1, keepdims=True)
        found /= totals * len(used)
        return found
