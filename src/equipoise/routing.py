"""What a router returns when it says more than indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Routing:
    """Who goes where.

    Attributes
    ----------
    chosen
        ``[T, K]`` expert indices, -1 for none, or a boolean mask ``[T, E]``.
    weights
        Gate weights in the same shape, if the router makes them.
    """

    chosen: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None = None
