"""What an engine says of a schedule, before anybody believes it."""

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
    status
        As the engine reports it, in our words.
    objective
        The peak as the engine reports it; an LP engine's is the rational optimum in the integral form too.
    split
        ``[E, G]`` tokens: integers (in units of ``1 / denominator``) from an exact engine, else floats.
    denominator
        Of an integral ``split``.
    message
        The engine's own words.
    devices
        ``[G]`` booleans, a set of devices that proves the peak, from an engine that finds one.
    """

    status: ClaimStatus
    objective: Fraction | None = None
    split: npt.NDArray[Any] | None = None
    denominator: int = 1
    message: str = ""
    devices: npt.NDArray[np.bool_] | None = None
