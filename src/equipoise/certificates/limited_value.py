"""The certificate with limits as a value: what it states, verifying, saving and loading it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

from equipoise.certificates import files
from equipoise.certificates.assignment_value import AssignmentStatement
from equipoise.certificates.certificate import EMBED_BELOW, Certificate
from equipoise.certificates.limited import check_limited
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile
from equipoise.problems import LimitedProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


class LimitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit: its capacity, and the indices of what it covers."""

    capacity: int
    tokens: list[int]
    experts: list[int]


class LimitedProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file."""

    assignment: files.AssignmentProblemFile
    limits: list[LimitFile]


class LimitedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; ``experts`` is null where the certificate proves that no assignment exists."""

    problem_sha256: str
    exponent: files.Exponent
    experts: list[list[int]] | None
    prices: list[int]
    limit_prices: list[int]
    problem: LimitedProblemFile | None = None
    format: str = files.FORMAT
    version: int = files.VERSION
    kind: str = "limited"


@dataclass(frozen=True, eq=False)
class LimitedStatement:
    """An assignment problem in grid integers with its limits: all that a check needs to know of it."""

    assignment: AssignmentStatement
    capacity: Integers
    tokens: Booleans
    experts: Booleans

    @classmethod
    def of(cls, problem: LimitedProblem) -> Self:
        """State ``problem`` on its grid."""
        assignment = AssignmentStatement.of(problem.assignment)
        return cls(assignment, problem.limit_capacity, problem.limit_tokens, problem.limit_experts)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the assignment problem's digest and the limits."""
        state = hashlib.sha256(f"limited L={len(self.capacity)} {self.assignment.digest}\n".encode())
        for array, kind in ((self.capacity, "<i8"), (self.tokens, "u1"), (self.experts, "u1")):
            state.update(np.ascontiguousarray(array, kind).tobytes())
        return state.hexdigest()

    def to_file(self) -> LimitedProblemFile:
        """As it stands in a file."""
        rows = zip(self.capacity.tolist(), self.tokens, self.experts, strict=True)
        limits = [
            LimitFile(most, np.flatnonzero(tokens).tolist(), np.flatnonzero(experts).tolist())
            for most, tokens, experts in rows
        ]
        return LimitedProblemFile(self.assignment.to_file(), limits)

    @classmethod
    def from_file(cls, file: LimitedProblemFile) -> Self:
        """Build from the parsed file."""
        assignment = AssignmentStatement.from_file(file.assignment)
        tokens, experts = (np.zeros((len(file.limits), size), bool) for size in assignment.scores.shape)
        for number, limit in enumerate(file.limits):
            if not 0 <= limit.capacity < 2**63:
                raise InvalidFile(f"the capacity of limit {number} is {limit.capacity}; allowed: 0 to 2^63-1")
            for members, indices in ((tokens, limit.tokens), (experts, limit.experts)):
                if indices and not 0 <= min(indices) <= max(indices) < members.shape[1]:
                    raise InvalidFile(f"limit {number} names a token or expert that does not exist")
                members[number, indices] = True
        return cls(assignment, np.array([limit.capacity for limit in file.limits], np.int64), tokens, experts)


@dataclass(frozen=True, eq=False)
class LimitedCertificate(Certificate):
    """Assignment plus integer prices of experts and limits; or, without assignment, a proof that there is none.

    Attributes
    ----------
    experts
        ``[T, K]`` expert indices, -1 for none; None where no assignment exists.
    prices, limit_prices
        ``[E]`` and ``[L]`` integers; in units of the scores times ``2**-exponent``.
    exponent
        Of the grid.
    digest
        Hash of the problem that the certificate speaks of.
    statement
        The problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[LimitedProblem]] = LimitedProblem
    FILE: ClassVar[type[LimitedFile]] = LimitedFile

    experts: Integers | None
    prices: Integers
    limit_prices: Integers
    exponent: int
    digest: str
    statement: LimitedStatement | None = None

    @classmethod
    def of(cls, problem: LimitedProblem, experts: Integers | None, prices: Integers) -> Self:
        """Bind an assignment (or None) and prices ``[E + L]`` to ``problem``."""
        statement = LimitedStatement.of(problem)
        own, limits = np.split(prices, [problem.assignment.num_experts])
        return cls(experts, own, limits, statement.assignment.exponent, statement.digest, statement)

    @staticmethod
    def state(problem: LimitedProblem) -> LimitedStatement:
        """State ``problem``."""
        return LimitedStatement.of(problem)

    def other_grid(self, statement: LimitedStatement) -> str | None:
        """Compare the exponents."""
        exponent = statement.assignment.exponent
        if exponent == self.exponent:
            return None
        return f"the grid exponent is {self.exponent}, the problem's is {exponent}"

    def check(self, statement: LimitedStatement) -> Verdict:
        """Run the solver-free check."""
        plain = statement.assignment
        limits = (statement.capacity, statement.tokens, statement.experts)
        form = (plain.scores[:], plain.top_k, plain.capacity, plain.drop, plain.mask, limits)
        return check_limited(*form, self.experts, self.prices, self.limit_prices, self.exponent, plain.error)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file; the problem goes inside if its integers take less than 8 MiB."""
        inside = self.statement
        small = inside is not None and inside.assignment.scores.nbytes + inside.tokens.nbytes < EMBED_BELOW
        problem = inside.to_file() if small and inside is not None else None
        experts = None if self.experts is None else self.experts.tolist()
        prices = (self.prices.tolist(), self.limit_prices.tolist())
        files.write(path, LimitedFile(self.digest, self.exponent, experts, *prices, problem))

    @classmethod
    def from_file(cls, file: LimitedFile) -> Self:
        """Build from the parsed file."""
        experts = None if file.experts is None else files.integers("experts", file.experts, 2)
        prices = files.integers("prices", file.prices, 1)
        limits = files.integers("limit_prices", file.limit_prices, 1) if file.limit_prices else np.zeros(0, np.int64)
        statement = None if file.problem is None else LimitedStatement.from_file(file.problem)
        return cls(experts, prices, limits, file.exponent, file.problem_sha256, statement)
