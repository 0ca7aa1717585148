"""What an engine says of a placement, before anybody believes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from equipoise.solvers.status import ClaimStatus


def solver_seconds(time_limit: float | None) -> float | None:
    """What a solver may use of a limit that includes starting its process and evaluating its answer."""
    return None if time_limit is None else 0.8 * time_limit


@dataclass(frozen=True)
class Claim:
    """An engine's raw answer.

    Attributes
    ----------
    status
        As the engine reports it, in our words.
    objective
        The peak as the engine reports it.
    counts
        ``[E, G]``: how many slots of each device hold each expert.
    message
        The engine's own words.
    cross_checked
        Whether engines of different families agree on the objective.
    """

    status: ClaimStatus
    objective: Fraction | None = None
    counts: npt.NDArray[Any] | None = None
    message: str = ""
    cross_checked: bool = False
