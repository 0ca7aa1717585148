"""Certificates as values: verifying, saving and loading, whatever they are about."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from os import PathLike
from typing import Any, ClassVar

from equipoise.certificates import files
from equipoise.certificates.verdict import Verdict

EMBED_BELOW = 8 << 20
"""A problem whose grid integers take fewer bytes than this is saved inside its certificate."""


KINDS = {
    "assignment": ("equipoise.certificates.assignment_value", "AssignmentCertificate"),
    "limited": ("equipoise.certificates.limited_value", "LimitedCertificate"),
    "group-limited": ("equipoise.certificates.group_limited_value", "GroupLimitedCertificate"),
    "communication": ("equipoise.certificates.communication_value", "CommunicationCertificate"),
    "scheduling": ("equipoise.certificates.scheduling_value", "SchedulingCertificate"),
    "traffic": ("equipoise.certificates.traffic_value", "TrafficCertificate"),
    "placement": ("equipoise.certificates.placement_value", "PlacementCertificate"),
}
"""Where the certificates of each kind of file live; they are imported when a file is read."""


class Certificate(ABC):
    """A proof that an answer is optimal, independent of whatever found the answer."""

    PROBLEM: ClassVar[type[Any]]
    """The kind of problem that such certificates speak of."""

    statement: Any
    """The problem that it speaks of, where it is at hand."""

    digest: str
    """Hash of that problem."""

    def verify(self, problem: Any = None) -> Verdict:
        """Check the certificate against ``problem``, or against the problem saved inside it."""
        if problem is not None and not isinstance(problem, self.PROBLEM):
            expected, given = self.PROBLEM.__name__, type(problem).__name__
            article = "an" if expected[0] in "AEIOU" else "a"
            return Verdict(False, f"the certificate speaks of {article} {expected}, not of this {given}")
        statement = self.statement if problem is None else self.state(problem)
        if statement is None:
            return Verdict(False, "the certificate does not contain its problem; give the problem")
        if (reason := self.other_grid(statement)) is not None:
            return Verdict(False, reason)
        if not self.speaks_of(statement):
            return Verdict(False, "the certificate speaks of another problem (the hashes differ)")
        return self.check(statement)

    @staticmethod
    def state(problem: Any) -> Any:
        """Return what a check needs to know of ``problem``."""
        return problem

    def other_grid(self, statement: Any) -> str | None:
        """Say how the certificate's grid differs from the statement's, where there are grids."""
        return None

    def speaks_of(self, statement: Any) -> bool:
        """Compare the hash of a statement with the certificate's."""
        return self.digest_of(statement) == self.digest

    @staticmethod
    def digest_of(statement: Any) -> str:
        """Return the hash of a statement."""
        return str(statement.digest)

    @abstractmethod
    def check(self, statement: Any) -> Verdict:
        """Run the solver-free check against a statement whose hash is right."""

    @abstractmethod
    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file, whole or not at all."""

    @staticmethod
    def load(path: str | PathLike[str]) -> Certificate:
        """Read a certificate of any kind.

        Raises
        ------
        InvalidFile
            If the file is unreadable, too large, of a newer format version, or malformed. A well-formed file that
            proves nothing loads, and is rejected by :meth:`verify`.
        """
        kinds = {kind: getattr(importlib.import_module(home), name) for kind, (home, name) in KINDS.items()}
        kind, document = files.read(path, {kind: value.FILE for kind, value in kinds.items()})
        return kinds[kind].from_file(document)  # type: ignore[no-any-return]
