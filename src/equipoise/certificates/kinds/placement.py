"""The certificate of a placement."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, ClassVar, Self

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check.placement import Sizes, check_placement
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Flag, Integers, Rational, Text, Whole
from equipoise.errors import InvalidFile
from equipoise.problems import PlacementProblem


@dataclass(frozen=True, eq=False)
class PlacementStatement(Statement):
    """A placement problem."""

    HASHED: ClassVar[str] = (
        "placement E={E} P={self.num_slots} G={self.num_devices} groups={self.num_groups} nodes={self.num_nodes} "
        "split={self.split} distinct={self.distinct:d}"
    )

    load: Annotated[Integers, Array("E")]
    num_slots: Whole
    num_devices: Whole
    split: Text
    num_groups: Whole
    num_nodes: Whole
    distinct: Flag

    def confirm(self) -> None:
        """Build the problem, which also takes 0 for "no groups"; a statement has one way to say that."""
        for name in ("num_groups", "num_nodes"):
            if getattr(self, name) < 1:
                raise InvalidFile(f"{name} is {str(getattr(self, name))[:40]}; allowed: 1 or more")
        form = (self.split, self.num_groups, self.num_nodes, self.distinct)
        PlacementProblem(self.load, self.num_slots, self.num_devices, *form)


@dataclass(frozen=True, eq=False)
class PlacementCertificate(Certificate):
    """A placement, its split where tokens are scheduled freely, and a lower bound with the argument that proves it.

    Attributes
    ----------
    physical_to_logical
        ``[P]`` expert in each slot, -1 for an empty one.
    split, denominator
        ``[E, G]`` integers in units of ``1 / denominator`` token; None and 1 in the even form.
    bound, argument
        No placement has a peak below ``bound``, by "mean", "replica", "component", "deal" or "groups".
    """

    KIND: ClassVar[str] = "placement"
    PROBLEM: ClassVar[type[PlacementProblem]] = PlacementProblem
    STATEMENT: ClassVar[type[PlacementStatement]] = PlacementStatement

    physical_to_logical: Annotated[Integers, Array("P")]
    split: Annotated[Integers | None, Array("E", "G", optional=True)]
    denominator: Whole
    bound: Rational
    argument: Text

    @classmethod
    def of(
        cls,
        problem: PlacementProblem,
        physical_to_logical: Integers,
        split: Integers | None,
        denominator: int,
        bound: Fraction,
        argument: str,
    ) -> Self:
        """Bind an answer and a bound to ``problem``."""
        statement = PlacementStatement.of(problem)
        return cls(physical_to_logical, split, denominator, bound, argument, statement=statement)

    def check(self, statement: PlacementStatement) -> Verdict:
        """Run the solver-free check."""
        if statement.split == "even" and (self.split is not None or self.denominator != 1):
            return Verdict(False, "the replicas share evenly, so the certificate has no split, and denominator 1")
        answer = (self.physical_to_logical.tolist(), None if self.split is None else self.split.tolist())
        loads, sizes = statement.load.tolist(), sizes_of(statement)
        return check_placement(loads, sizes, *answer, self.denominator, self.bound, self.argument)


def sizes_of(problem: PlacementProblem | PlacementStatement) -> Sizes:
    """Return the numbers of ``problem`` for the check."""
    form = (problem.split, problem.num_groups, problem.num_nodes, problem.distinct)
    return Sizes(problem.num_slots, problem.num_devices, *form)
