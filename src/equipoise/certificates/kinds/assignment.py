"""The certificate of an expert assignment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Self, cast

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check.assignment import check_assignment
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Bits, Booleans, Exponent, Flag, Integers, Nested, Rational, Whole
from equipoise.errors import InvalidProblem
from equipoise.problems import AssignmentProblem


@dataclass(frozen=True, eq=False)
class AssignmentStatement(Statement):
    """An assignment problem in grid integers."""

    HASHED: ClassVar[str] = (
        "assignment T={T} E={E} K={self.top_k} g={self.exponent} drop={self.drop:d} masked={self.masked:d}"
    )

    scores: Annotated[Integers, Array("T", "E")]
    top_k: Whole
    capacity: Annotated[Integers, Array("E")]
    drop: Flag
    mask: Annotated[Booleans | None, Bits("T", item=bool, optional=True)]
    exponent: Exponent
    grid_error: Rational

    @classmethod
    def of(cls, problem: AssignmentProblem) -> Self:
        """State ``problem`` on its grid."""
        grid = problem.grid
        form = (problem.top_k, problem.capacity, problem.drop, problem.mask)
        return cls(cast(Integers, grid.rows), *form, grid.exponent, grid.error)

    @property
    def masked(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None

    @property
    def grid_bytes(self) -> int:
        """Of the scores."""
        return self.scores.nbytes

    def confirm(self) -> None:
        """Compare K with E, and the rounding with a step of the grid."""
        experts = self.scores.shape[1]
        if not 1 <= self.top_k <= experts:
            raise InvalidProblem("top_k", str(self.top_k)[:40], f"1 to E={experts}")
        if self.grid_error > Fraction(2) ** -self.exponent:
            raise InvalidProblem("grid_error", str(self.grid_error)[:40], f"a fraction up to 2^{-self.exponent}")


@dataclass(frozen=True, eq=False)
class WithAssignment(Statement):
    """A problem that adds something to an assignment problem."""

    assignment: Annotated[AssignmentStatement, Nested(AssignmentStatement)]

    @property
    def exponent(self) -> int:
        """Of the grid."""
        return self.assignment.exponent

    @property
    def grid_bytes(self) -> int:
        """Of the scores."""
        return self.assignment.grid_bytes


@dataclass(frozen=True, eq=False)
class OnGrid(Certificate):
    """A certificate that speaks of integers on a grid."""

    exponent: Exponent

    def other_grid(self, statement: Any) -> str | None:
        """Compare the exponents."""
        exponent = statement.exponent
        if exponent == self.exponent:
            return None
        return f"the grid exponent is {self.exponent}, the problem's is {exponent}"


@dataclass(frozen=True, eq=False)
class AssignmentCertificate(OnGrid):
    """Assignment plus integer expert prices on the problem's grid.

    Attributes
    ----------
    exponent
        Of the grid.
    experts
        ``[T, K]`` expert indices, -1 for none.
    prices
        ``[E]`` integers; the price of expert e is ``prices[e] * 2**-exponent`` in units of the scores.
    """

    KIND: ClassVar[str] = "assignment"
    PROBLEM: ClassVar[type[AssignmentProblem]] = AssignmentProblem
    STATEMENT: ClassVar[type[AssignmentStatement]] = AssignmentStatement

    experts: Annotated[Integers, Array("T", "K")]
    prices: Annotated[Integers, Array("E")]

    @classmethod
    def of(cls, problem: AssignmentProblem, experts: Integers, prices: Integers) -> Self:
        """Bind an assignment and prices to ``problem``."""
        statement = AssignmentStatement.of(problem)
        return cls(statement.exponent, experts, prices, statement=statement)

    def check(self, statement: AssignmentStatement) -> Verdict:
        """Run the solver-free check."""
        form = (statement.scores, statement.top_k, statement.capacity, statement.drop, statement.mask)
        return check_assignment(*form, self.experts, self.prices, self.exponent, statement.grid_error)
