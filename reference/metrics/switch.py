r"""Load-balancing loss of GShard (arXiv 2006.16668) and Switch (arXiv 2101.03961, eq. 4 to 6), for K experts a token.

.. math:: L = \sum_e f_e P_e, \quad f_e = \frac{E}{K T} \#\{t : e \text{ is chosen}\}, \quad
              P_e = \frac1T \sum_t s_{t,e}

without the coefficient alpha. s are the scores of a softmax. 1 at balance; counts have no gradient, so
:math:`\partial L / \partial s_{t,e} = f_e / T`. Switch has K = 1; 1 / K as in arXiv 2408.15664. Some code leaves it
out and has K at balance (transformers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SwitchLoss:
    """The loss of one batch."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"aux-loss"})

    def __call__(
        self,
        scores: npt.NDArray[Any],
        experts: npt.NDArray[Any],
        *,
        mask: npt.NDArray[np.bool_] | None = None,
        gradient: bool = False,
    ) -> float | Floats:
        """Return L for ``scores[T, E]`` and ``experts[T, K]``, or its derivative by the scores.

        ``mask[T]`` is true for real tokens; the others are left out.
        """
        real = np.ones(len(scores), bool) if mask is None else np.asarray(mask)
        frequency = np.bincount(experts[real].ravel(), minlength=scores.shape[1]) * scores.shape[1]
        frequency = frequency / experts[real].size
        if gradient:
            slopes: Floats = np.where(real[:, None], frequency, 0.0) / real.sum()
            return slopes
        return float(frequency @ scores[real].mean(axis=0, dtype=np.float64))
