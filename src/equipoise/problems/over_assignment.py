"""What problems that add a condition to an assignment problem have in common."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from equipoise.grid import Grid
    from equipoise.problems.assignment import AssignmentProblem


class OverAssignment:
    """A problem whose answers are those of ``assignment`` that meet a further condition."""

    assignment: AssignmentProblem

    @property
    def grid(self) -> Grid:
        """Scores as integers: those of the assignment problem."""
        return self.assignment.grid

    @property
    def real_values(self) -> npt.NDArray[np.int64]:
        """Grid integers of the real tokens, ``[real tokens, E]``."""
        return self.assignment.real_values

    @property
    def rounding(self) -> Fraction:
        """Most that the score of an answer can lose to the grid."""
        return self.assignment.demand * self.grid.error

    @property
    def size(self) -> int:
        """Number of unknowns x[t, e]."""
        return int(self.real_values.size)
