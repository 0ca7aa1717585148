"""The certificate of a placement that few moved slots lead to."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar, Self

import numpy as np

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check.migration import check_migration, held_by
from equipoise.certificates.check.moves import Migration, Weights
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Integers, Nested, Rational, Text, Whole
from equipoise.certificates.kinds.placement import PlacementStatement, sizes_of
from equipoise.problems import MigrationProblem, PlacementProblem


@dataclass(frozen=True, eq=False)
class MigrationStatement(Statement):
    """A placement problem, the current placement, and how many slots may move."""

    HASHED: ClassVar[str] = "migration P={P} most_moves={self.most_moves} {self.placement.digest}"

    placement: Annotated[PlacementStatement, Nested(PlacementStatement)]
    current: Annotated[Integers, Array("P")]
    most_moves: Whole

    @classmethod
    def of(cls, problem: MigrationProblem) -> Self:
        """State ``problem``."""
        return cls(PlacementStatement.of(problem.placement), problem.current, problem.most_moves)

    def confirm(self) -> None:
        """Build the problem."""
        one = self.placement
        form = (one.split, one.num_groups, one.num_nodes, one.distinct)
        MigrationProblem(
            PlacementProblem(one.load, one.num_slots, one.num_devices, *form), self.current, self.most_moves
        )


@dataclass(frozen=True, eq=False)
class MigrationCertificate(Certificate):
    """A placement, its split where tokens are scheduled freely, and a lower bound with the argument that proves it.

    Attributes
    ----------
    physical_to_logical
        ``[P]`` expert in each slot, -1 for an empty one.
    split, denominator
        As in a placement's certificate.
    bound, argument
        No placement with so few moves has a peak below ``bound``, by "count", "weights", "mean", "replica",
        "component" or "deal".
    device_weights, slot_weights, move_weight
        Of the argument "weights": ``[G]``, ``[G]`` and one integer, in any common unit; else zeros.
    """

    KIND: ClassVar[str] = "migration"
    PROBLEM: ClassVar[type[MigrationProblem]] = MigrationProblem
    STATEMENT: ClassVar[type[MigrationStatement]] = MigrationStatement

    physical_to_logical: Annotated[Integers, Array("P")]
    split: Annotated[Integers | None, Array("E", "G", optional=True)]
    denominator: Whole
    bound: Rational
    argument: Text
    device_weights: Annotated[Integers, Array("G")]
    slot_weights: Annotated[Integers, Array("G")]
    move_weight: Whole

    @classmethod
    def of(
        cls,
        problem: MigrationProblem,
        physical_to_logical: Integers,
        split: Integers | None,
        denominator: int,
        bound: Fraction,
        argument: str,
        weights: Integers,
    ) -> Self:
        """Bind an answer and a bound to ``problem``; ``weights[2 G + 1]`` are all of them, one after the other."""
        device, slot, move = np.split(weights, np.cumsum([problem.placement.num_devices] * 2))
        arguments = (physical_to_logical, split, denominator, bound, argument, device, slot, int(move[0]))
        return cls(*arguments, statement=MigrationStatement.of(problem))

    def check(self, statement: MigrationStatement) -> Verdict:
        """Run the solver-free check."""
        if statement.placement.split == "even" and (self.split is not None or self.denominator != 1):
            return Verdict(False, "the replicas share evenly, so the certificate has no split, and denominator 1")
        weights = Weights(self.device_weights.tolist(), self.slot_weights.tolist(), self.move_weight)
        if self.argument != "weights" and (any(weights.device) or any(weights.slot) or weights.move):
            return Verdict(False, f"the argument {self.argument} has no weights, but some are given")
        answer = (self.physical_to_logical.tolist(), None if self.split is None else self.split.tolist())
        return check_migration(stated(statement), *answer, self.denominator, self.bound, self.argument, weights)


def stated(problem: MigrationProblem | MigrationStatement) -> Migration:
    """Return the problem as the check takes it."""
    loads, sizes = problem.placement.load.tolist(), sizes_of(problem.placement)
    return Migration(loads, sizes, held_by(loads, sizes, problem.current.tolist()), problem.most_moves)
