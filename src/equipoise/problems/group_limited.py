"""Expert assignment where a token may use only some of the groups of experts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.grid import Grid, coarsen
from equipoise.problems.assignment import AssignmentProblem
from equipoise.problems.over_assignment import OverAssignment

_LARGEST = 10**12 - 1
_LARGEST_SUM = 2**60


@dataclass(frozen=True, eq=False, init=False)
class GroupLimitedProblem(OverAssignment):
    r"""An assignment problem in which a token uses at most M of N groups of experts (DeepSeek-V3, arXiv 2412.19437).

    .. math:: \sum_g \max_{e \in g} x_{te} \le M \quad \text{for every token } t

    The groups are E/N consecutive experts each. This is no network flow, nor is its relaxation integral: it takes
    integer programming, and optima are proved only where a dual bound happens to meet them.

    The grid is that of the assignment problem, made coarser where need be so that every engine computes with the same
    integers: at most 12 digits, sums over all scores below 2^60.

    Parameters
    ----------
    assignment
        Tokens, experts and capacities.
    num_groups
        N, a divisor of E.
    topk_groups
        M, from 1 to N; in the form that drops nothing M groups must hold K experts.

    Raises
    ------
    InvalidProblem
        Naming the argument. Whether capacities can be kept has no closed form; solving decides it.
    """

    assignment: AssignmentProblem
    num_groups: int
    topk_groups: int

    def __init__(self, assignment: AssignmentProblem, num_groups: int, topk_groups: int) -> None:
        experts, top_k = assignment.num_experts, assignment.top_k
        if isinstance(num_groups, bool) or not isinstance(num_groups, int | np.integer) or num_groups < 1:
            raise InvalidProblem("num_groups", repr(num_groups)[:80], "a whole number, 1 or more")
        if experts % num_groups:
            raise InvalidProblem("num_groups", str(num_groups), f"a divisor of E={experts}")
        size = experts // int(num_groups)
        least = 1 if assignment.drop else -(-top_k // size)
        whole = not isinstance(topk_groups, bool) and isinstance(topk_groups, int | np.integer)
        if not whole or not least <= topk_groups <= num_groups:
            allowed = f"{least} (for K={top_k} experts from groups of {size}) to N={num_groups}"
            raise InvalidProblem("topk_groups", repr(topk_groups)[:80], allowed)
        object.__setattr__(self, "assignment", assignment)
        object.__setattr__(self, "num_groups", int(num_groups))
        object.__setattr__(self, "topk_groups", int(topk_groups))

    @cached_property
    def grid(self) -> Grid:
        """Scores as integers that every engine can take."""
        fine = self.assignment.grid
        values, bits = coarsen(fine.values, min(_LARGEST, _LARGEST_SUM // fine.values.size))
        if not bits:
            return fine
        return Grid(values, fine.exponent - bits, fine.error + Fraction(1, 2) * fine.unit * 2**bits)

    @cached_property
    def real_values(self) -> npt.NDArray[np.int64]:
        """Grid integers of the real tokens, ``[real tokens, E]``."""
        return self.grid.values[self.assignment.tokens]

    def __repr__(self) -> str:
        return f"GroupLimitedProblem({self.assignment!r}, {self.topk_groups} of {self.num_groups} groups)"
