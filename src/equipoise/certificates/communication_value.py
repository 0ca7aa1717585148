"""The communication certificate as a value: what it states, verifying, saving and loading it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from os import PathLike
from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

from equipoise.certificates import files
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.communication import Multipliers, Statement, check_communication
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.problems import CommunicationProblem

Integers = npt.NDArray[np.int64]


class CommunicationProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file."""

    source_load: list[list[int]]
    hosts: list[list[int]]
    alpha: str
    reading: str
    fractional: bool


class CommunicationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; multipliers are fractions such as ``"1/8"``."""

    problem_sha256: str
    split: list[list[int]]
    denominator: int
    load: list[str]
    send: list[str]
    receive: list[str]
    problem: CommunicationProblemFile | None = None
    format: str = files.FORMAT
    version: int = files.VERSION
    kind: str = "communication"


@dataclass(frozen=True, eq=False)
class CommunicationCertificate(Certificate):
    """A split ``[E, G]`` in units of ``1 / denominator`` token, and the multipliers that bound the optimum.

    ``digest`` is the hash of the problem it speaks of; ``statement`` the problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[CommunicationProblem]] = CommunicationProblem
    FILE: ClassVar[type[CommunicationFile]] = CommunicationFile

    split: Integers
    denominator: int
    multipliers: Multipliers
    digest: str
    statement: CommunicationProblem | None = None

    @classmethod
    def of(cls, problem: CommunicationProblem, split: Integers, denominator: int, multipliers: Multipliers) -> Self:
        """Bind a split and multipliers to ``problem``."""
        return cls(split, denominator, multipliers, digest(problem), problem)

    @staticmethod
    def digest_of(statement: CommunicationProblem) -> str:
        """Return the hash of the problem."""
        return digest(statement)

    def check(self, statement: CommunicationProblem) -> Verdict:
        """Run the solver-free check."""
        hosts = [np.flatnonzero(row).tolist() for row in statement.hosts]
        stated = Statement(
            statement.source_load.tolist(), hosts, statement.may_send, statement.alpha, statement.fractional
        )
        return check_communication(stated, self.split.tolist(), self.denominator, self.multipliers)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file, with the problem inside."""
        problem = None
        if (whole := self.statement) is not None:
            hosts, alpha = whole.hosts.astype(int).tolist(), str(whole.alpha)
            form = (alpha, whole.reading, whole.fractional)
            problem = CommunicationProblemFile(whole.source_load.tolist(), hosts, *form)
        rows = (self.multipliers.load, self.multipliers.send, self.multipliers.receive)
        load, send, receive = ([str(value) for value in row] for row in rows)
        answer = (self.split.tolist(), self.denominator, load, send, receive)
        files.write(path, CommunicationFile(self.digest, *answer, problem))

    @classmethod
    def from_file(cls, file: CommunicationFile) -> Self:
        """Build from the parsed file."""
        statement = None
        if (whole := file.problem) is not None:
            try:
                alpha = files.fraction("problem.alpha", whole.alpha)
                form = (whole.reading, whole.fractional)
                statement = CommunicationProblem(whole.source_load, whole.hosts, alpha, *form)
            except InvalidProblem as error:
                raise InvalidFile(f"problem.{error}") from error
        rows = {"load": file.load, "send": file.send, "receive": file.receive}
        multipliers = Multipliers(**{name: [files.fraction(name, text) for text in row] for name, row in rows.items()})
        split = files.integers("split", file.split, 2)
        return cls(split, file.denominator, multipliers, file.problem_sha256, statement)


def digest(problem: CommunicationProblem) -> str:
    """SHA-256 over sizes, form, weight, loads and hosts."""
    experts, devices = problem.hosts.shape
    form = f"alpha={problem.alpha} reading={problem.reading} fractional={int(problem.fractional)}"
    state = hashlib.sha256(f"communication E={experts} G={devices} {form}\n".encode())
    state.update(np.ascontiguousarray(problem.source_load, "<i8").data)
    state.update(np.ascontiguousarray(problem.hosts, "u1").data)
    return state.hexdigest()
