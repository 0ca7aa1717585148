"""The traffic certificate as a value: what it states, verifying, saving and loading it."""

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
from equipoise.certificates.traffic import check_traffic
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile
from equipoise.problems import TrafficProblem

Integers = npt.NDArray[np.int64]


class TrafficProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file."""

    source_load: list[list[int]]
    hosts: list[list[int]]
    limit: list[int]
    cost: list[list[int]]


class TrafficFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; ``flows`` lists ``[source, expert, device, tokens]`` where tokens flow."""

    problem_sha256: str
    shape: tuple[int, int]
    flows: list[tuple[int, int, int, int]]
    prices: list[int]
    problem: TrafficProblemFile | None = None
    format: str = files.FORMAT
    version: int = files.VERSION
    kind: str = "traffic"


@dataclass(frozen=True, eq=False)
class TrafficStatement:
    """A traffic problem: all that a check needs to know of it."""

    source_load: Integers
    hosts: npt.NDArray[np.bool_]
    limit: Integers
    cost: Integers

    @classmethod
    def of(cls, problem: TrafficProblem) -> Self:
        """State ``problem``."""
        return cls(problem.source_load, problem.hosts, problem.limit, problem.cost)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over sizes, loads, hosts, limits and costs."""
        experts, devices = self.hosts.shape
        state = hashlib.sha256(f"traffic E={experts} G={devices}\n".encode())
        for array, kind in ((self.source_load, "<i8"), (self.hosts, "u1"), (self.limit, "<i8"), (self.cost, "<i8")):
            state.update(np.ascontiguousarray(array, kind).data)
        return state.hexdigest()


@dataclass(frozen=True, eq=False)
class TrafficCertificate(Certificate):
    """Flows ``[G, E, G]`` and device prices ``[G]`` that prove them cheapest.

    ``digest`` is the hash of the problem it speaks of; ``statement`` the problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[TrafficProblem]] = TrafficProblem
    FILE: ClassVar[type[TrafficFile]] = TrafficFile

    flows: Integers
    prices: Integers
    digest: str
    statement: TrafficStatement | None = None

    @classmethod
    def of(cls, problem: TrafficProblem, flows: Integers, prices: Integers) -> Self:
        """Bind flows and prices to ``problem``."""
        statement = TrafficStatement.of(problem)
        return cls(flows, prices, statement.digest, statement)

    @staticmethod
    def state(problem: TrafficProblem) -> TrafficStatement:
        """State ``problem``."""
        return TrafficStatement.of(problem)

    def check(self, statement: TrafficStatement) -> Verdict:
        """Run the solver-free check."""
        form = (statement.source_load, statement.hosts, statement.limit, statement.cost)
        return check_traffic(*form, self.flows, self.prices)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file, with the problem inside."""
        flows = [(s, e, g, int(self.flows[s, e, g])) for s, e, g in np.argwhere(self.flows).tolist()]
        devices, experts, _ = self.flows.shape
        problem = None if self.statement is None else _to_file(self.statement)
        files.write(path, TrafficFile(self.digest, (experts, devices), flows, self.prices.tolist(), problem))

    @classmethod
    def from_file(cls, file: TrafficFile) -> Self:
        """Build from the parsed file."""
        experts, devices = file.shape
        if not (0 < experts <= 2**16 and 0 < devices <= 2**12 and experts * devices**2 <= 2**28):
            raise InvalidFile(f"shape is {file.shape}; allowed: experts and devices of a real machine")
        flows = np.zeros((devices, experts, devices), np.int64)
        for source, expert, device, tokens in file.flows:
            if not (0 <= source < devices and 0 <= expert < experts and 0 <= device < devices):
                raise InvalidFile(f"flows names {[source, expert, device]}, beyond the shape {file.shape}")
            if abs(tokens) > 2**62:
                raise InvalidFile("flows holds a number beyond 62 bits")
            flows[source, expert, device] = tokens
        statement = None if file.problem is None else _from_file(file.problem)
        return cls(flows, files.integers("prices", file.prices, 1), file.problem_sha256, statement)


def _to_file(statement: TrafficStatement) -> TrafficProblemFile:
    hosts = statement.hosts.astype(int).tolist()
    return TrafficProblemFile(statement.source_load.tolist(), hosts, statement.limit.tolist(), statement.cost.tolist())


def _from_file(file: TrafficProblemFile) -> TrafficStatement:
    source, hosts = files.integers("source_load", file.source_load, 2), files.integers("hosts", file.hosts, 2)
    limit, cost = files.integers("limit", file.limit, 1), files.integers("cost", file.cost, 2)
    devices = len(limit)
    fits = source.shape == hosts.shape[::-1] and hosts.shape[1] == devices and cost.shape == (devices, devices)
    if not fits or ((hosts != 0) & (hosts != 1)).any():
        raise InvalidFile("problem.source_load, hosts, limit and cost do not fit together")
    return TrafficStatement(source, hosts.astype(bool), limit, cost)
