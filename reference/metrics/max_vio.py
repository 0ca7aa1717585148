r"""MaxVio, the maximal violation of balance, Loss-Free, arXiv 2408.15664, eq. 4.

.. math:: MaxVio_l = \frac{\max_n load_{l,n} - \overline{load_l}}{\overline{load_l}}

In [0, N - 1]. Open, and chosen here: a layer without load is balanced, 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class MaxVio:
    """Max load beyond the mean, over the mean, of every row."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"max-vio"})

    def __call__(self, load: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return ``[L]`` for ``load[L, N]``."""
        tokens = np.asarray(load, np.float64)
        mean = tokens.mean(axis=1)
        value: npt.NDArray[np.float64] = np.divide(
            tokens.max(axis=1) - mean, mean, out=np.zeros(len(tokens)), where=mean > 0
        )
        return value
