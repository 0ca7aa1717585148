r"""Router z-loss of ST-MoE, arXiv 2202.08906, eq. 5.

.. math:: L = \frac1T \sum_t \Bigl(\log \sum_e e^{z_{t,e}}\Bigr)^2, \quad
              \frac{\partial L}{\partial z_{t,e}} = \frac2T \log\Bigl(\sum_j e^{z_{t,j}}\Bigr) \mathrm{softmax}(z_t)_e

without its coefficient. The largest logit is taken out before the exponential, so that large logits do not overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ZLoss:
    """Mean square of the logarithm of the softmax's denominator."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"z-loss"})

    def __call__(
        self, logits: npt.NDArray[Any], *, mask: npt.NDArray[np.bool_] | None = None, gradient: bool = False
    ) -> float | npt.NDArray[np.float64]:
        """Return L for ``logits[T, E]``, or its derivative by them; ``mask[T]`` is true for real tokens."""
        real = np.ones(len(logits), bool) if mask is None else np.asarray(mask)
        exact = np.where(real[:, None], logits, 0.0).astype(np.float64)
        largest = exact.max(axis=1, keepdims=True)
        grown = np.exp(exact - largest)
        sums = grown.sum(axis=1, keepdims=True)
        partition = np.log(sums) + largest
        if gradient:
            slopes: npt.NDArray[np.float64] = np.where(real[:, None], 2 * partition * grown / sums, 0.0) / real.sum()
            return slopes
        return float(np.mean(partition[real] ** 2))
