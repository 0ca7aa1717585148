r"""MinVio, how starved the least used expert is; our counterpart of MaxVio.

.. math:: MinVio_l = \frac{\min_n load_{l,n} - \overline{load_l}}{\overline{load_l}}

In [-1, 0], -1 where somebody gets nothing. Open, and chosen here: a layer without load is balanced, 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class MinVio:
    """Min load beyond the mean, over the mean, of every row."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"min-vio"})

    def __call__(self, load: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return ``[L]`` for ``load[L, N]``."""
        tokens = np.asarray(load, np.float64)
        mean = tokens.mean(axis=1)
        value: npt.NDArray[np.float64] = np.divide(
            tokens.min(axis=1) - mean, mean, out=np.zeros(len(tokens)), where=mean > 0
        )
        return value
