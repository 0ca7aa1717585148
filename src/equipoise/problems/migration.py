"""Migration: the best placement that is few moved slots away from the one that is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from equipoise.arrays import whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems.placement import PlacementProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, init=False)
class MigrationProblem:
    r"""Lower the peak of a placement by moving at most M slots.

    .. math:: \min_p \; \text{peak}(p) \quad \text{s.t.} \quad
              \#\{(e, g) : p \text{ has expert } e \text{ on device } g, \text{ the current placement has not} \} \le M

    over all answers p of a placement problem. A move is a copy of an expert's weights to a device that does not hold
    them; what a device drops, and in which of its slots an expert lies, costs nothing. Our definition.

    Parameters
    ----------
    placement
        Loads, slots and devices, and how replicas share.
    current
        Array-like, shape (P,): the expert in each slot now, -1 for an empty one; a feasible answer to ``placement``.
    most_moves
        M; None: no limit.

    Raises
    ------
    InvalidProblem
        Naming the argument, what was given and what is allowed.
    """

    placement: PlacementProblem
    current: Integers
    most_moves: int

    def __init__(self, placement: PlacementProblem, current: npt.ArrayLike, most_moves: int | None = None) -> None:
        if not isinstance(placement, PlacementProblem):
            raise InvalidProblem("placement", f"of type {type(placement).__name__}", "a PlacementProblem")
        slots = whole_numbers(current, "current", (placement.num_slots,), -1, placement.num_experts - 1)
        if (reason := placement.violation(slots)) is not None:
            raise InvalidProblem("current", f"not feasible: {reason}", "an answer to the placement problem")
        if isinstance(most_moves, bool):
            raise InvalidProblem("most_moves", repr(most_moves), "a whole number, or None")
        most = placement.num_slots
        if most_moves is not None:
            most = min(most, int(whole_numbers(most_moves, "most_moves", (), 0, 2**62)))
        for name, value in (("placement", placement), ("current", slots), ("most_moves", most)):
            object.__setattr__(self, name, value)

    def with_moves(self, most_moves: int | None) -> Self:
        """Return the problem with another limit."""
        return type(self)(self.placement, self.current, most_moves)

    @property
    def split(self) -> str:
        """How replicas share: "even" or "free"."""
        return self.placement.split

    @property
    def counts(self) -> Integers:
        """``[E, G]``: how many slots of each device hold each expert now."""
        return self.placement.counts(self.current)

    @property
    def held(self) -> Booleans:
        """``[E, G]``: which device holds which expert now."""
        return self.counts > 0

    @property
    def size(self) -> int:
        """Number of unknowns of the integer program."""
        return self.placement.size

    def moves(self, counts: Integers) -> int:
        """Return how many experts a placement, ``[E, G]`` counts, has on devices that do not hold them now."""
        return int(((counts > 0) & ~self.held).sum())

    def violation(self, physical_to_logical: npt.ArrayLike) -> str | None:
        """Say which constraint a placement ``[P]`` breaks first; None if it is feasible."""
        if (reason := self.placement.violation(physical_to_logical)) is not None:
            return reason
        moves = self.moves(self.placement.counts(np.asarray(physical_to_logical, np.int64)))
        return None if moves <= self.most_moves else f"it moves {moves} slots, more than {self.most_moves}"

    def __repr__(self) -> str:
        return f"MigrationProblem({self.placement!r}, most_moves={self.most_moves})"
