"""The assignment certificate as a value: what it states, verifying, saving and loading it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from os import PathLike
from typing import ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from equipoise.certificates import files
from equipoise.certificates.assignment import check_assignment
from equipoise.certificates.certificate import EMBED_BELOW, Certificate
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile
from equipoise.problems import AssignmentProblem

Integers = npt.NDArray[np.int64]

_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class AssignmentStatement:
    """An assignment problem in grid integers: all that a check needs to know of it."""

    scores: Integers
    top_k: int
    capacity: Integers
    drop: bool
    mask: npt.NDArray[np.bool_] | None
    exponent: int
    error: Fraction

    @classmethod
    def of(cls, problem: AssignmentProblem) -> Self:
        """State ``problem`` on its grid."""
        grid = problem.grid
        form = (problem.top_k, problem.capacity, problem.drop, problem.mask)
        return cls(cast(Integers, grid.rows), *form, grid.exponent, grid.error)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, K, form, exponent, grid integers, capacities and mask; see docs/certificate.md."""
        tokens, experts = self.scores.shape
        flags = f"drop={int(self.drop)} masked={int(self.mask is not None)}"
        state = hashlib.sha256(f"assignment T={tokens} E={experts} K={self.top_k} g={self.exponent} {flags}\n".encode())
        for start in range(0, tokens, rows := max(1, _CHUNK // experts)):
            state.update(np.ascontiguousarray(self.scores[start : start + rows], "<i8").data)
        state.update(np.ascontiguousarray(self.capacity, "<i8").data)
        if self.mask is not None:
            state.update(np.ascontiguousarray(self.mask, "u1").data)
        return state.hexdigest()

    def to_file(self) -> files.AssignmentProblemFile:
        """As it stands in a file."""
        mask = None if self.mask is None else self.mask.tolist()
        form = (self.top_k, self.capacity.tolist(), self.drop, mask)
        return files.AssignmentProblemFile(self.scores[:].tolist(), *form, self.exponent, str(self.error))

    @classmethod
    def from_file(cls, file: files.AssignmentProblemFile) -> Self:
        """Build from the parsed file; raise :class:`InvalidFile` where its sizes contradict each other."""
        scores, capacity = files.integers("scores", file.scores, 2), files.integers("capacity", file.capacity, 1)
        if not 1 <= file.top_k <= scores.shape[1]:
            raise InvalidFile(f"problem.top_k is {file.top_k}; allowed: 1 to E={scores.shape[1]}")
        if capacity.shape != scores.shape[1:]:
            raise InvalidFile(f"problem.capacity has {len(capacity)} entries; allowed: E={scores.shape[1]}")
        mask = None if file.mask is None else np.array(file.mask, bool)
        if mask is not None and mask.shape != scores.shape[:1]:
            raise InvalidFile(f"problem.mask has {len(mask)} entries; allowed: T={len(scores)}")
        error = files.fraction("problem.grid_error", file.grid_error)
        return cls(scores, file.top_k, capacity, file.drop, mask, file.exponent, error)


@dataclass(frozen=True, eq=False)
class AssignmentCertificate(Certificate):
    """Assignment plus integer expert prices on the problem's grid.

    Attributes
    ----------
    experts
        ``[T, K]`` expert indices, -1 for none.
    prices
        ``[E]`` integers; the price of expert e is ``prices[e] * 2**-exponent`` in units of the scores.
    exponent
        Of the grid.
    recorded
        Hash of the problem that the certificate speaks of, as its file says; None: that of ``statement``.
    statement
        The problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[AssignmentProblem]] = AssignmentProblem
    FILE: ClassVar[type[files.AssignmentFile]] = files.AssignmentFile

    experts: Integers
    prices: Integers
    exponent: int
    recorded: str | None = None
    statement: AssignmentStatement | None = None

    @classmethod
    def of(cls, problem: AssignmentProblem, experts: Integers, prices: Integers) -> Self:
        """Bind an assignment and prices to ``problem``."""
        statement = AssignmentStatement.of(problem)
        return cls(experts, prices, statement.exponent, None, statement)

    @property
    def digest(self) -> str:  # type: ignore[override]  # hashing a large problem takes longer than checking it
        """Hash of the problem that the certificate speaks of; computed when it is asked for."""
        return self.recorded or (self.statement.digest if self.statement is not None else "")

    def speaks_of(self, statement: AssignmentStatement) -> bool:
        """Compare the hashes, unless it is the very statement that this certificate was made for."""
        return (self.recorded is None and statement is self.statement) or super().speaks_of(statement)

    @staticmethod
    def state(problem: AssignmentProblem) -> AssignmentStatement:
        """State ``problem``."""
        return AssignmentStatement.of(problem)

    def other_grid(self, statement: AssignmentStatement) -> str | None:
        """Compare the exponents."""
        exponent = statement.exponent
        if exponent == self.exponent:
            return None
        return f"the grid exponent is {self.exponent}, the problem's is {exponent}"

    def check(self, statement: AssignmentStatement) -> Verdict:
        """Run the solver-free check."""
        form = (statement.scores, statement.top_k, statement.capacity, statement.drop, statement.mask)
        return check_assignment(*form, self.experts, self.prices, self.exponent, statement.error)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file; the problem goes inside if its integers take less than 8 MiB."""
        inside = self.statement if self.statement is not None and self.statement.scores.nbytes < EMBED_BELOW else None
        problem = None if inside is None else inside.to_file()
        prices, experts = self.prices.tolist(), self.experts.tolist()
        files.write(path, files.AssignmentFile(self.digest, self.exponent, experts, prices, problem))

    @classmethod
    def from_file(cls, file: files.AssignmentFile) -> Self:
        """Build from the parsed file."""
        experts, prices = files.integers("experts", file.experts, 2), files.integers("prices", file.prices, 1)
        statement = None if file.problem is None else AssignmentStatement.from_file(file.problem)
        return cls(experts, prices, file.exponent, file.problem_sha256, statement)
