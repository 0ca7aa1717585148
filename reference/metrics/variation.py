r"""Coefficient of variation of the loads, arXiv 1701.06538, eq. 7 and 10 (there squared, of smoothed loads).

.. math:: CV_l = \frac{\sqrt{\frac1N \sum_n (load_{l,n} - \overline{load_l})^2}}{\overline{load_l}}

The loads are all there are, no sample, so the sum is divided by N and not by N - 1. In [0, sqrt(N - 1)]. Open, and
chosen here: a layer without load is balanced, 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Variation:
    """Standard deviation over the mean of every row."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"cv"})

    def __call__(self, load: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return ``[L]`` for ``load[L, N]``."""
        tokens = np.asarray(load, np.float64)
        mean = tokens.mean(axis=1)
        value: npt.NDArray[np.float64] = np.divide(tokens.std(axis=1), mean, out=np.zeros(len(tokens)), where=mean > 0)
        return value
