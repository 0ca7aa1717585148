"""What an engine says, before anybody believes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.grid import Grid, coarsen
from equipoise.solvers.status import ClaimStatus


class Scored(Protocol):
    """A problem with scores on a grid: plain, with limits, or limited in groups."""

    @property
    def grid(self) -> Grid:
        """Scores as integers."""

    @property
    def real_values(self) -> npt.NDArray[np.int64]:
        """Grid integers of the real tokens."""


@dataclass(frozen=True)
class Claim:
    """An engine's raw answer.

    Attributes
    ----------
    status
        As the engine reports it, in our words.
    objective
        As the engine reports it, in units of the scores; what agreement tests compare.
    weights
        ``[real tokens, E]``: booleans from a combinatorial engine, floats in [0, 1] from an LP; None without answer.
    prices
        ``[E]`` dual values of the capacities in units of the scores, if the engine has any (of limits after them); they
        only serve to bound the optimum when time runs out.
    message
        The engine's own words.
    cross_checked
        Whether independent engines claim exactly this.
    proof
        ``(experts[real tokens, K], prices[E])`` on the problem's own grid, from an engine whose answer comes with its
        proof; only the certificate decides whether it is one.
    """

    status: ClaimStatus
    objective: Fraction | None = None
    weights: npt.NDArray[Any] | None = None
    prices: npt.NDArray[np.float64] | None = None
    message: str = ""
    cross_checked: bool = False
    proof: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]] | None = None


@dataclass(frozen=True)
class CoarseScores:
    """Integer scores small enough for an engine: ``scores ~ values * unit``."""

    values: npt.NDArray[np.int64]
    unit: Fraction

    @classmethod
    def of(cls, problem: Scored, largest: int) -> CoarseScores:
        """Round the real tokens' grid integers to at most ``largest`` in absolute value."""
        values, bits = coarsen(problem.real_values, largest)
        return cls(values, problem.grid.unit * 2**bits)
