"""The certificate of a schedule with communication."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from math import lcm
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check import communication
from equipoise.certificates.check.communication import Multipliers, check_communication
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import (
    Array,
    Bits,
    Booleans,
    Flag,
    Form,
    Integers,
    Ratio,
    Rational,
    Sizes,
    Text,
    Whole,
)
from equipoise.problems import CommunicationProblem

LARGEST_UNIT = 10**2000
"""Common denominator up to which multipliers are added up: beyond it, exact sums are no longer cheap."""


class MultiplierLists(Form):
    """Multipliers, in a file three lists of fractions."""

    def __init__(self) -> None:
        super().__init__(list[str])

    def parts(self, name: str) -> dict[str, Any]:
        """One field for each list."""
        return {row.name: self.plain for row in fields(Multipliers)}

    def write(self, name: str, value: Multipliers) -> dict[str, Any]:
        """Return the texts."""
        return {row: [str(number) for number in getattr(value, row)] for row in self.parts(name)}

    def read(self, name: str, document: Any, prefix: str, sizes: Sizes) -> Multipliers:
        """Take the fractions."""
        ratio = Ratio()
        rows = {row: getattr(document, row) for row in self.parts(name)}
        return Multipliers(**{row: [ratio.of_plain(row, text, sizes) for text in given] for row, given in rows.items()})


@dataclass(frozen=True, eq=False)
class CommunicationStatement(Statement):
    """A scheduling problem with communication."""

    HASHED: ClassVar[str] = (
        "communication E={E} G={G} alpha={self.alpha} reading={self.reading} fractional={self.fractional:d}"
    )

    source_load: Annotated[Integers, Array("G", "E")]
    hosts: Annotated[Booleans, Bits("E", "G")]
    alpha: Rational
    reading: Text
    fractional: Flag

    @cached_property
    def problem(self) -> CommunicationProblem:
        """The problem that it states; raises :class:`InvalidProblem` if there is none."""
        return CommunicationProblem(self.source_load, self.hosts, self.alpha, self.reading, self.fractional)

    def confirm(self) -> None:
        """Build the problem."""
        _ = self.problem


@dataclass(frozen=True, eq=False)
class CommunicationCertificate(Certificate):
    """A split ``[E, G]`` in units of ``1 / denominator`` token, and the multipliers that bound the optimum."""

    KIND: ClassVar[str] = "communication"
    PROBLEM: ClassVar[type[CommunicationProblem]] = CommunicationProblem
    STATEMENT: ClassVar[type[CommunicationStatement]] = CommunicationStatement

    split: Annotated[Integers, Array("E", "G")]
    denominator: Whole
    multipliers: Annotated[Multipliers, MultiplierLists()]

    @classmethod
    def of(cls, problem: CommunicationProblem, split: Integers, denominator: int, multipliers: Multipliers) -> Self:
        """Bind a split and multipliers to ``problem``."""
        return cls(split, denominator, multipliers, statement=CommunicationStatement.of(problem))

    def check(self, statement: CommunicationStatement) -> Verdict:
        """Run the solver-free check."""
        if not _cheap(self.multipliers):
            return Verdict(False, "the multipliers have a common denominator of more than 2000 digits")
        problem, hosts = statement.problem, [np.flatnonzero(row).tolist() for row in statement.hosts]
        stated = communication.Statement(
            problem.source_load.tolist(), hosts, problem.may_send, problem.alpha, problem.fractional
        )
        return check_communication(stated, self.split.tolist(), self.denominator, self.multipliers)


def _cheap(multipliers: Multipliers) -> bool:
    unit = 1
    for row in (multipliers.load, multipliers.send, multipliers.receive):
        for number in row:
            unit = lcm(unit, number.denominator)
            if unit > LARGEST_UNIT:
                return False
    return True
