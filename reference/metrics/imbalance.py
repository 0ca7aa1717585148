r"""Imbalance, the inverse of balancedness: what the slowest of N takes over what it would take at balance.

.. math:: I_l = \frac{\max_n load_{l,n}}{\frac1N \sum_n load_{l,n}}

In [1, N]. Open, and chosen here: a layer without load is balanced, 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Imbalance:
    """Max over mean load of every row."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"imbalance"})

    def __call__(self, load: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return ``[L]`` for ``load[L, N]``."""
        tokens = np.asarray(load, np.float64)
        mean = tokens.mean(axis=1)
        value: npt.NDArray[np.float64] = np.divide(tokens.max(axis=1), mean, out=np.ones(len(tokens)), where=mean > 0)
        return value
