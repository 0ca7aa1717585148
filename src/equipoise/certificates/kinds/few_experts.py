"""The certificate of an expert assignment of a batch that uses few experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from equipoise.certificates.check.few_experts import check_few_experts
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Integers, Whole
from equipoise.certificates.kinds.assignment import AssignmentStatement, OnGrid, WithAssignment
from equipoise.errors import InvalidFile
from equipoise.problems import FewExpertsProblem


@dataclass(frozen=True, eq=False)
class FewExpertsStatement(WithAssignment):
    """An assignment problem in grid integers, and B, the experts that the batch may use."""

    HASHED: ClassVar[str] = "few-experts B={self.most_experts} {self.assignment.digest}"

    most_experts: Whole

    @classmethod
    def of(cls, problem: FewExpertsProblem) -> Self:
        """State ``problem`` on its grid."""
        return cls(AssignmentStatement.of(problem.assignment), problem.most_experts)

    def confirm(self) -> None:
        """Compare B and E."""
        experts = self.assignment.scores.shape[1]
        if not 1 <= self.most_experts <= experts:
            raise InvalidFile(f"most_experts is {str(self.most_experts)[:40]}; allowed: 1 to E={experts}")


@dataclass(frozen=True, eq=False)
class FewExpertsCertificate(OnGrid):
    """Assignment plus integer prices of the tokens' places on the problem's grid.

    Attributes
    ----------
    exponent
        Of the grid.
    experts
        ``[T, K]`` expert indices, -1 for none.
    token_prices
        ``[T]`` integers; in units of the scores times ``2**-exponent``.
    """

    KIND: ClassVar[str] = "few-experts"
    PROBLEM: ClassVar[type[FewExpertsProblem]] = FewExpertsProblem
    STATEMENT: ClassVar[type[FewExpertsStatement]] = FewExpertsStatement

    experts: Annotated[Integers, Array("T", "K")]
    token_prices: Annotated[Integers, Array("T")]

    @classmethod
    def of(cls, problem: FewExpertsProblem, experts: Integers, token_prices: Integers) -> Self:
        """Bind an assignment and prices to ``problem``."""
        statement = FewExpertsStatement.of(problem)
        return cls(statement.exponent, experts, token_prices, statement=statement)

    def check(self, statement: FewExpertsStatement) -> Verdict:
        """Run the solver-free check."""
        plain = statement.assignment
        form = (plain.scores[:], plain.top_k, plain.capacity, plain.drop, plain.mask, statement.most_experts)
        return check_few_experts(*form, self.experts, self.token_prices, self.exponent, plain.grid_error)
