"""The scheduling certificate as a value: what it states, verifying, saving and loading it."""

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
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.scheduling import check_schedule
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile
from equipoise.problems import SchedulingProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


class SchedulingProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file."""

    load: list[int]
    hosts: list[list[int]]
    base_load: list[int]
    speed: list[int]
    fractional: bool


class SchedulingFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; ``devices`` lists the members of the bottleneck set."""

    problem_sha256: str
    split: list[list[int]]
    denominator: int
    devices: list[int]
    problem: SchedulingProblemFile | None = None
    format: str = files.FORMAT
    version: int = files.VERSION
    kind: str = "scheduling"


@dataclass(frozen=True, eq=False)
class SchedulingStatement:
    """A scheduling problem: all that a check needs to know of it."""

    load: Integers
    hosts: Booleans
    base_load: Integers
    speed: Integers
    fractional: bool

    @classmethod
    def of(cls, problem: SchedulingProblem) -> Self:
        """State ``problem``; where the tokens start makes no difference here."""
        return cls(problem.load, problem.hosts, problem.base_load, problem.speed, problem.fractional)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over sizes, form, loads, hosts, base loads and speeds."""
        experts, devices = self.hosts.shape
        state = hashlib.sha256(f"scheduling E={experts} G={devices} fractional={int(self.fractional)}\n".encode())
        for array, kind in ((self.load, "<i8"), (self.hosts, "u1"), (self.base_load, "<i8"), (self.speed, "<i8")):
            state.update(np.ascontiguousarray(array, kind).data)
        return state.hexdigest()


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
    digest
        Hash of the problem that the certificate speaks of.
    statement
        The problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[SchedulingProblem]] = SchedulingProblem
    FILE: ClassVar[type[SchedulingFile]] = SchedulingFile

    split: Integers
    denominator: int
    devices: Booleans
    digest: str
    statement: SchedulingStatement | None = None

    @classmethod
    def of(cls, problem: SchedulingProblem, split: Integers, denominator: int, devices: Booleans) -> Self:
        """Bind a split and a device set to ``problem``."""
        statement = SchedulingStatement.of(problem)
        return cls(split, denominator, devices, statement.digest, statement)

    @staticmethod
    def state(problem: SchedulingProblem) -> SchedulingStatement:
        """State ``problem``."""
        return SchedulingStatement.of(problem)

    def check(self, statement: SchedulingStatement) -> Verdict:
        """Run the solver-free check."""
        form = (statement.load, statement.hosts, statement.base_load, statement.speed, statement.fractional)
        return check_schedule(*form, self.split, self.denominator, self.devices)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file, with the problem inside."""
        problem = None if self.statement is None else _to_file(self.statement)
        devices = np.flatnonzero(self.devices).tolist()
        files.write(path, SchedulingFile(self.digest, self.split.tolist(), self.denominator, devices, problem))

    @classmethod
    def from_file(cls, file: SchedulingFile) -> Self:
        """Build from the parsed file."""
        split = files.integers("split", file.split, 2)
        members = np.zeros(split.shape[1], bool)
        if any(not 0 <= device < len(members) for device in file.devices):
            raise InvalidFile(f"devices names one that does not exist; allowed: 0 to {len(members) - 1}")
        members[file.devices] = True
        statement = None if file.problem is None else _from_file(file.problem)
        return cls(split, file.denominator, members, file.problem_sha256, statement)


def _to_file(statement: SchedulingStatement) -> SchedulingProblemFile:
    load, hosts = statement.load.tolist(), statement.hosts.astype(int).tolist()
    return SchedulingProblemFile(
        load, hosts, statement.base_load.tolist(), statement.speed.tolist(), statement.fractional
    )


def _from_file(file: SchedulingProblemFile) -> SchedulingStatement:
    load, hosts = files.integers("load", file.load, 1), files.integers("hosts", file.hosts, 2)
    base, speed = files.integers("base_load", file.base_load, 1), files.integers("speed", file.speed, 1)
    if hosts.shape != (len(load), len(base)) or base.shape != speed.shape or ((hosts != 0) & (hosts != 1)).any():
        raise InvalidFile("problem.hosts, load, base_load and speed do not fit together")
    return SchedulingStatement(load, hosts.astype(bool), base, speed, file.fractional)
