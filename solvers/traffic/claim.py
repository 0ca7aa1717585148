"""What an engine says of a routing, before anybody believes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from equipoise.solvers.status import ClaimStatus


@dataclass(frozen=True)
class Claim:
    """An engine's raw answer: its status in our words, total cost, ``flows[G, E, G]``, and its own words."""

    status: ClaimStatus
    objective: Fraction | None = None
    flows: npt.NDArray[Any] | None = None
    message: str = ""
