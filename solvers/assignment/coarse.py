"""Scores as engines can take them: integers of a limited size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from equipoise.grid import Grid, coarsen


class Scored(Protocol):
    """A problem with scores on a grid: plain, with limits, or limited in groups."""

    @property
    def grid(self) -> Grid:
        """Scores as integers."""

    @property
    def real_values(self) -> npt.NDArray[np.int64]:
        """Grid integers of the real tokens."""


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
