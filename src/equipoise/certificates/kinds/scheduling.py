"""The certificate of a token schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check.scheduling import check_schedule
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Bits, Booleans, Flag, Integers, Members, Whole
from equipoise.problems import SchedulingProblem


@dataclass(frozen=True, eq=False)
class SchedulingStatement(Statement):
    """A scheduling problem; where the tokens start makes no difference here."""

    HASHED: ClassVar[str] = "scheduling E={E} G={G} fractional={self.fractional:d}"

    load: Annotated[Integers, Array("E")]
    hosts: Annotated[Booleans, Bits("E", "G")]
    base_load: Annotated[Integers, Array("G")]
    speed: Annotated[Integers, Array("G")]
    fractional: Flag


@dataclass(frozen=True, eq=False)
class SchedulingCertificate(Certificate):
    """A split and the set of devices that proves it optimal.

    Attributes
    ----------
    split
        ``[E, G]`` integers, in units of ``1 / denominator`` token.
    denominator
        1 unless tokens may be divided.
    devices
        ``[G]`` booleans, the bottleneck set.
    """

    KIND: ClassVar[str] = "scheduling"
    PROBLEM: ClassVar[type[SchedulingProblem]] = SchedulingProblem
    STATEMENT: ClassVar[type[SchedulingStatement]] = SchedulingStatement
    NEEDED: ClassVar[tuple[str, ...]] = ("load", "hosts")

    split: Annotated[Integers, Array("E", "G")]
    denominator: Whole
    devices: Annotated[Booleans, Members("G")]

    @classmethod
    def of(cls, problem: SchedulingProblem, split: Integers, denominator: int, devices: Booleans) -> Self:
        """Bind a split and a device set to ``problem``."""
        return cls(split, denominator, devices, statement=SchedulingStatement.of(problem))

    def check(self, statement: SchedulingStatement) -> Verdict:
        """Run the solver-free check."""
        form = (statement.load, statement.hosts, statement.base_load, statement.speed, statement.fractional)
        return check_schedule(*form, self.split, self.denominator, self.devices)
