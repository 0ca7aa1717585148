r"""Load of every expert over all sequences, micro-batches or ranks.

.. math:: load_e = \#\{(b, t, k) : experts_{b,t,k} = e\}

The sum is the number of assignments that are served, T K where none is dropped, however the tokens are cut into parts;
a rank that holds all of them must not be added once for every rank (vLLM PR 22167).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ExpertLoad:
    """Assignments of every expert."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"expert-load"})

    def __call__(self, experts: npt.NDArray[Any], num_experts: int) -> npt.NDArray[np.int64]:
        """Return ``[E]`` for ``experts[B, T, K]``, -1 for none."""
        return np.bincount(experts[experts >= 0], minlength=num_experts)
