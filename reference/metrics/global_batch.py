r"""Load-balancing loss over the global batch, arXiv 2501.11873 (Qwen).

.. math:: L = \sum_e f_e P_e, \quad f_e = \frac{E}{K \sum_b T_b} \sum_b \#\{t \in b : e \text{ is chosen}\}, \quad
              P_e = \frac1{\sum_b T_b} \sum_b \sum_{t \in b} s_{t,e}

over all micro-batches b of all ranks, each token counted once: how tokens are spread over micro-batches, and how full
each is, makes no difference. The loss of every micro-batch, averaged, is another one (arXiv 2501.11873, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from equipoise.reference.metrics.switch import SwitchLoss


@dataclass(frozen=True)
class GlobalLoss:
    """The loss of all micro-batches as one batch."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"global-loss"})

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
        real = None if mask is None else np.asarray(mask).ravel()
        flat = scores.reshape(-1, scores.shape[-1]), experts.reshape(-1, experts.shape[-1])
        found = SwitchLoss()(*flat, mask=real, gradient=gradient)
        return found.reshape(scores.shape) if isinstance(found, np.ndarray) else found
