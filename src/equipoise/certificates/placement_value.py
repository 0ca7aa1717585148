"""The placement certificate as a value: what it states, verifying, saving and loading it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

from equipoise.certificates import files
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.placement import Sizes, check_placement
from equipoise.certificates.verdict import Verdict
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.problems import PlacementProblem

Integers = npt.NDArray[np.int64]


class PlacementProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file."""

    load: list[int]
    num_slots: int
    num_devices: int
    split: str
    num_groups: int
    num_nodes: int
    distinct: bool


class PlacementFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; ``bound`` is a fraction such as ``"517/4"``."""

    problem_sha256: str
    physical_to_logical: list[int]
    split: list[list[int]] | None
    denominator: int
    bound: str
    argument: str
    problem: PlacementProblemFile | None = None
    format: str = files.FORMAT
    version: int = files.VERSION
    kind: str = "placement"


@dataclass(frozen=True, eq=False)
class PlacementCertificate(Certificate):
    """A placement, its split where tokens are scheduled freely, and a lower bound with the argument that proves it.

    Attributes
    ----------
    physical_to_logical
        ``[P]`` expert in each slot, -1 for an empty one.
    split, denominator
        ``[E, G]`` integers in units of ``1 / denominator`` token; None and 1 in the even form.
    bound, argument
        No placement has a peak below ``bound``, by "mean", "replica" or "component".
    digest
        Hash of the problem that the certificate speaks of.
    statement
        The problem itself, where it is at hand.
    """

    PROBLEM: ClassVar[type[PlacementProblem]] = PlacementProblem
    FILE: ClassVar[type[PlacementFile]] = PlacementFile

    physical_to_logical: Integers
    split: Integers | None
    denominator: int
    bound: Fraction
    argument: str
    digest: str
    statement: PlacementProblem | None = None

    @classmethod
    def of(
        cls,
        problem: PlacementProblem,
        physical_to_logical: Integers,
        split: Integers | None,
        denominator: int,
        bound: Fraction,
        argument: str,
    ) -> Self:
        """Bind an answer and a bound to ``problem``."""
        return cls(physical_to_logical, split, denominator, bound, argument, digest(problem), problem)

    @staticmethod
    def digest_of(statement: PlacementProblem) -> str:
        """Return the hash of the problem."""
        return digest(statement)

    def check(self, statement: PlacementProblem) -> Verdict:
        """Run the solver-free check."""
        answer = (self.physical_to_logical.tolist(), None if self.split is None else self.split.tolist())
        return check_placement(
            statement.load.tolist(), sizes_of(statement), *answer, self.denominator, self.bound, self.argument
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file, with the problem inside."""
        problem = None
        if (whole := self.statement) is not None:
            form = (whole.split, whole.num_groups, whole.num_nodes, whole.distinct)
            problem = PlacementProblemFile(whole.load.tolist(), whole.num_slots, whole.num_devices, *form)
        split = None if self.split is None else self.split.tolist()
        answer = (self.physical_to_logical.tolist(), split, self.denominator)
        files.write(path, PlacementFile(self.digest, *answer, str(self.bound), self.argument, problem))

    @classmethod
    def from_file(cls, file: PlacementFile) -> Self:
        """Build from the parsed file."""
        split = None if file.split is None else files.integers("split", file.split, 2)
        statement = None
        if (whole := file.problem) is not None:
            try:
                form = (whole.split, whole.num_groups, whole.num_nodes, whole.distinct)
                statement = PlacementProblem(whole.load, whole.num_slots, whole.num_devices, *form)
            except InvalidProblem as error:
                raise InvalidFile(f"problem.{error}") from error
        slots = files.integers("physical_to_logical", file.physical_to_logical, 1)
        bound = files.fraction("bound", file.bound)
        return cls(slots, split, file.denominator, bound, file.argument, file.problem_sha256, statement)


def sizes_of(problem: PlacementProblem) -> Sizes:
    """Return the numbers of ``problem`` for the check."""
    form = (problem.split, problem.num_groups, problem.num_nodes, problem.distinct)
    return Sizes(problem.num_slots, problem.num_devices, *form)


def digest(problem: PlacementProblem) -> str:
    """SHA-256 over sizes, form and loads."""
    sizes = f"P={problem.num_slots} G={problem.num_devices} groups={problem.num_groups} nodes={problem.num_nodes}"
    form = f"split={problem.split} distinct={int(problem.distinct)}"
    state = hashlib.sha256(f"placement E={problem.num_experts} {sizes} {form}\n".encode())
    state.update(np.ascontiguousarray(problem.load, "<i8").data)
    return state.hexdigest()
