"""The group-limited certificate as a value: what it states, verifying, saving and loading it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

from equipoise.certificates import files
from equipoise.certificates.assignment_value import AssignmentStatement
from equipoise.certificates.certificate import EMBED_BELOW, Certificate
from equipoise.certificates.group_limited import check_group_limited
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile
from equipoise.problems import GroupLimitedProblem

Integers = npt.NDArray[np.int64]


class GroupLimitedProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file."""

    assignment: files.AssignmentProblemFile
    num_groups: int
    topk_groups: int


class GroupLimitedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    problem_sha256: str
    exponent: files.Exponent
    experts: list[list[int]]
    prices: list[int]
    problem: GroupLimitedProblemFile | None = None
    format: str = files.FORMAT
    version: int = files.VERSION
    kind: str = "group-limited"


@dataclass(frozen=True, eq=False)
class GroupLimitedStatement:
    """An assignment problem in grid integers, N groups, and M that a token may use."""

    assignment: AssignmentStatement
    num_groups: int
    topk_groups: int

    @classmethod
    def of(cls, problem: GroupLimitedProblem) -> Self:
        """State ``problem`` on its own grid."""
        grid, plain = problem.grid, AssignmentStatement.of(problem.assignment)
        assignment = replace(plain, scores=grid.values, exponent=grid.exponent, error=grid.error)
        return cls(assignment, problem.num_groups, problem.topk_groups)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the assignment problem's digest and the numbers of groups."""
        words = f"group-limited N={self.num_groups} M={self.topk_groups} {self.assignment.digest}\n"
        return hashlib.sha256(words.encode()).hexdigest()

    @classmethod
    def from_file(cls, file: GroupLimitedProblemFile) -> Self:
        """Build from the parsed file."""
        assignment = AssignmentStatement.from_file(file.assignment)
        experts = assignment.scores.shape[1]
        if file.num_groups < 1 or experts % file.num_groups or not 1 <= file.topk_groups <= file.num_groups:
            raise InvalidFile(f"problem allows {file.topk_groups} of {file.num_groups} groups for E={experts} experts")
        return cls(assignment, file.num_groups, file.topk_groups)


@dataclass(frozen=True, eq=False)
class GroupLimitedCertificate(Certificate):
    """Assignment plus integer expert prices on the problem's grid.

    Attributes
    ----------
    experts
        ``[T, K]`` expert indices, -1 for none.
    prices
        ``[E]`` integers; in units of the scores times ``2**-exponent``.
    exponent
        Of the grid.
    digest
        Hash of the problem that the certificate speaks of.
    statement
        The problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[GroupLimitedProblem]] = GroupLimitedProblem
    FILE: ClassVar[type[GroupLimitedFile]] = GroupLimitedFile

    experts: Integers
    prices: Integers
    exponent: int
    digest: str
    statement: GroupLimitedStatement | None = None

    @classmethod
    def of(cls, problem: GroupLimitedProblem, experts: Integers, prices: Integers) -> Self:
        """Bind an assignment and prices to ``problem``."""
        statement = GroupLimitedStatement.of(problem)
        return cls(experts, prices, statement.assignment.exponent, statement.digest, statement)

    @staticmethod
    def state(problem: GroupLimitedProblem) -> GroupLimitedStatement:
        """State ``problem``."""
        return GroupLimitedStatement.of(problem)

    def other_grid(self, statement: GroupLimitedStatement) -> str | None:
        """Compare the exponents."""
        exponent = statement.assignment.exponent
        if exponent == self.exponent:
            return None
        return f"the grid exponent is {self.exponent}, the problem's is {exponent}"

    def check(self, statement: GroupLimitedStatement) -> Verdict:
        """Run the solver-free check."""
        plain = statement.assignment
        form = (plain.scores[:], plain.top_k, plain.capacity, plain.drop, plain.mask)
        groups = (statement.num_groups, statement.topk_groups)
        return check_group_limited(*form, groups, self.experts, self.prices, self.exponent, plain.error)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file; the problem goes inside if its integers take less than 8 MiB."""
        inside, problem = self.statement, None
        if inside is not None and inside.assignment.scores.nbytes < EMBED_BELOW:
            problem = GroupLimitedProblemFile(inside.assignment.to_file(), inside.num_groups, inside.topk_groups)
        prices, experts = self.prices.tolist(), self.experts.tolist()
        files.write(path, GroupLimitedFile(self.digest, self.exponent, experts, prices, problem))

    @classmethod
    def from_file(cls, file: GroupLimitedFile) -> Self:
        """Build from the parsed file."""
        experts, prices = files.integers("experts", file.experts, 2), files.integers("prices", file.prices, 1)
        statement = None if file.problem is None else GroupLimitedStatement.from_file(file.problem)
        return cls(experts, prices, file.exponent, file.problem_sha256, statement)
