"""The certificate of an expert assignment with at most M of N groups per token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

from equipoise.certificates.check.group_limited import check_group_limited
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Integers, Whole
from equipoise.certificates.kinds.assignment import AssignmentStatement, OnGrid, WithAssignment
from equipoise.errors import InvalidFile
from equipoise.problems import GroupLimitedProblem


@dataclass(frozen=True, eq=False)
class GroupLimitedStatement(WithAssignment):
    """An assignment problem in grid integers, N groups, and M that a token may use."""

    HASHED: ClassVar[str] = "group-limited N={self.num_groups} M={self.topk_groups} {self.assignment.digest}"

    num_groups: Whole
    topk_groups: Whole

    @classmethod
    def of(cls, problem: GroupLimitedProblem) -> Self:
        """State ``problem`` on its own grid."""
        grid, plain = problem.grid, AssignmentStatement.of(problem.assignment)
        assignment = replace(plain, scores=grid.values, exponent=grid.exponent, grid_error=grid.error)
        return cls(assignment, problem.num_groups, problem.topk_groups)

    def confirm(self) -> None:
        """Compare M, N and E."""
        experts = self.assignment.scores.shape[1]
        if self.num_groups < 1 or experts % self.num_groups or not 1 <= self.topk_groups <= self.num_groups:
            groups = f"{str(self.topk_groups)[:40]} of {str(self.num_groups)[:40]} groups"
            raise InvalidFile(f"problem allows {groups} for E={experts} experts")


@dataclass(frozen=True, eq=False)
class GroupLimitedCertificate(OnGrid):
    """Assignment plus integer expert prices on the problem's grid.

    Attributes
    ----------
    exponent
        Of the grid.
    experts
        ``[T, K]`` expert indices, -1 for none.
    prices
        ``[E]`` integers; in units of the scores times ``2**-exponent``.
    """

    KIND: ClassVar[str] = "group-limited"
    PROBLEM: ClassVar[type[GroupLimitedProblem]] = GroupLimitedProblem
    STATEMENT: ClassVar[type[GroupLimitedStatement]] = GroupLimitedStatement

    experts: Annotated[Integers, Array("T", "K")]
    prices: Annotated[Integers, Array("E")]

    @classmethod
    def of(cls, problem: GroupLimitedProblem, experts: Integers, prices: Integers) -> Self:
        """Bind an assignment and prices to ``problem``."""
        statement = GroupLimitedStatement.of(problem)
        return cls(statement.exponent, experts, prices, statement=statement)

    def check(self, statement: GroupLimitedStatement) -> Verdict:
        """Run the solver-free check."""
        plain = statement.assignment
        form = (plain.scores[:], plain.top_k, plain.capacity, plain.drop, plain.mask)
        groups = (statement.num_groups, statement.topk_groups)
        return check_group_limited(*form, groups, self.experts, self.prices, self.exponent, plain.grid_error)
