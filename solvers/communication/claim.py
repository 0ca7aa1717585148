"""What an engine says of a split, before anybody believes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.solvers.status import ClaimStatus


@dataclass(frozen=True)
class Claim:
    """An engine's raw answer.

    Attributes
    ----------
    status, objective, message
        As the engine reports them.
    split
        ``[E, G]`` tokens.
    multipliers
        ``[3, G]`` dual values of the linear program: of the devices' loads, of what they send, of what they receive.
    """

    status: ClaimStatus
    objective: Fraction | None = None
    split: npt.NDArray[Any] | None = None
    multipliers: npt.NDArray[np.float64] | None = None
    message: str = ""
