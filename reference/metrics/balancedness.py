r"""Balancedness, as SGLang and vLLM report it for the ranks of expert parallelism.

.. math:: B_l = \frac{\frac1N \sum_n load_{l,n}}{\max_n load_{l,n}}

over the N ranks or experts of every layer l, never over the layers. In (0, 1], 1 at balance, 1 / N where all load is in
one place. Open, and chosen here: a layer without load is balanced, 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Balancedness:
    """Mean over max load of every row."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"balancedness"})

    def __call__(self, load: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return ``[L]`` for ``load[L, N]``."""
        tokens = np.asarray(load, np.float64)
        peak = tokens.max(axis=1)
        value: npt.NDArray[np.float64] = np.divide(tokens.mean(axis=1), peak, out=np.ones(len(tokens)), where=peak > 0)
        return value
