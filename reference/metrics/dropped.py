r"""Share of the assignments that are asked for and not served.

.. math:: D = \frac{\#\{(t, k) : experts_{t,k} = -1\}}{T K}

In [0, 1]; 0 where nothing is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Dropped:
    """Share of -1."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"dropped"})

    def __call__(self, experts: npt.NDArray[Any]) -> float:
        """Return the share of ``experts[T, K]`` that is -1."""
        return float(np.mean(experts < 0))
