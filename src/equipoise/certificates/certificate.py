"""Certificates as values: verifying, saving and loading, whatever they are about."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from os import PathLike
from typing import Any, ClassVar, Self

import msgspec

from equipoise.certificates import codec, files
from equipoise.certificates.check.verdict import Verdict
from equipoise.problems import ScoredProblem

EMBED_BELOW = 8 << 20
"""A problem whose grid integers take fewer bytes than this is saved inside its certificate."""

KINDS = {
    "assignment": "AssignmentCertificate",
    "limited": "LimitedCertificate",
    "group-limited": "GroupLimitedCertificate",
    "few-experts": "FewExpertsCertificate",
    "communication": "CommunicationCertificate",
    "scheduling": "SchedulingCertificate",
    "traffic": "TrafficCertificate",
    "placement": "PlacementCertificate",
    "replication": "ReplicationCertificate",
    "migration": "MigrationCertificate",
}
"""The class of each kind of file; its module in ``kinds`` has the kind's name and is imported when it is needed."""


def certificate_type(kind: str) -> type[Certificate]:
    """Return the class of a kind of certificate."""
    home = importlib.import_module(f"equipoise.certificates.kinds.{kind.replace('-', '_')}")
    return getattr(home, KINDS[kind])  # type: ignore[no-any-return]


class Statement(codec.Record):
    """A problem in integers: all that a check needs to know of it."""

    HASHED: ClassVar[str]
    """First line of what is hashed; see :func:`equipoise.certificates.codec.digest`."""

    @classmethod
    def of(cls, problem: Any) -> Self:
        """State ``problem``: its attributes of the same names."""
        return cls(**{name: getattr(problem, name) for name in codec.forms(cls)})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the statement, as docs/reference/certificate-format.md describes it."""
        return codec.digest(self, self.HASHED)

    @property
    def grid_bytes(self) -> int:
        """Memory of its grid integers, where it may be too large for a file."""
        return 0


@dataclass(frozen=True, eq=False)
class Certificate(codec.Record, ABC):
    """A proof that an answer is optimal, or how far it can be from that, independent of whatever found the answer.

    Attributes
    ----------
    statement
        The problem that it speaks of, where it is at hand.
    recorded
        Hash of that problem, as the certificate's file says; None: that of ``statement``.
    """

    KIND: ClassVar[str]
    """Name of this kind in files."""

    PROBLEM: ClassVar[type[Any]]
    """The kind of problem that such certificates speak of."""

    STATEMENT: ClassVar[type[Statement]]
    """What is stated of such problems."""

    NEEDED: ClassVar[tuple[str, ...]] = ()
    """Fields that a problem file must have, though the problem can be stated in other ways."""

    statement: Any = field(default=None, kw_only=True)
    recorded: str | None = field(default=None, kw_only=True)

    @classmethod
    def structure(cls) -> type[msgspec.Struct]:
        """Return the structure that a file of this kind is parsed into."""
        problem = ("problem", codec.structure(cls.STATEMENT) | None, None)
        envelope = [problem, ("format", str, files.FORMAT), ("version", int, files.VERSION), ("kind", str, cls.KIND)]
        fields = [("problem_sha256", str), *codec.parts(cls), *envelope]
        return codec.strict(cls.__name__.replace("Certificate", "File"), fields, str(cls.__doc__).partition("\n")[0])

    @classmethod
    def problem(cls, **fields: Any) -> Any:
        """Return the problem that the fields of a problem file state; raises :class:`InvalidProblem`."""
        return cls.PROBLEM(**fields)

    @property
    def digest(self) -> str:
        """Hash of the problem that the certificate speaks of; computed when it is asked for."""
        return self.recorded if self.recorded is not None else self.statement.digest

    def verify(self, problem: Any = None) -> Verdict:
        """Check the certificate against ``problem``, or against the problem saved inside it."""
        if problem is not None and not isinstance(problem, self.PROBLEM):
            expected, given = self.PROBLEM.__name__, type(problem).__name__
            article = "an" if expected[0] in "AEIOU" else "a"
            return Verdict(False, f"the certificate speaks of {article} {expected}, not of this {given}")
        statement = self.statement if problem is None else self.STATEMENT.of(problem)
        if statement is None:
            return Verdict(False, "the certificate does not contain its problem; give the problem")
        if (reason := self.other_grid(statement)) is not None:
            return Verdict(False, reason)
        own = self.recorded is None and statement is self.statement
        if not own and statement.digest != self.digest:
            return Verdict(False, "the certificate speaks of another problem (the hashes differ)")
        return self.check(statement)

    def gap(self, verdict: Verdict) -> Fraction | None:
        """How far the answer can be from the optimum, as a share of the proved bound.

        ``|answer - bound| / |bound|`` with the bounds of this certificate's ``verdict``; None where one is missing or
        the bound is 0.
        """
        bound = verdict.upper if issubclass(self.PROBLEM, ScoredProblem) else verdict.lower
        if verdict.lower is None or verdict.upper is None or not bound:
            return None
        return (verdict.upper - verdict.lower) / abs(bound)

    def other_grid(self, statement: Any) -> str | None:
        """Say how the certificate's grid differs from the statement's, where there are grids."""
        return None

    @abstractmethod
    def check(self, statement: Any) -> Verdict:
        """Run the solver-free check against a statement whose hash is right."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file, whole or not at all; the problem goes inside if its integers take less than 8 MiB."""
        inside = self.statement is not None and self.statement.grid_bytes < EMBED_BELOW
        problem = codec.to_plain(self.statement) if inside else None
        envelope = {"problem": problem, "format": files.FORMAT, "version": files.VERSION, "kind": self.KIND}
        files.write(path, {"problem_sha256": self.digest, **codec.to_plain(self), **envelope})

    @staticmethod
    def load(path: str | PathLike[str]) -> Certificate:
        """Read a certificate of any kind.

        Raises
        ------
        InvalidFile
            If the file is unreadable, too large, of a newer format version, or malformed. A well-formed file that
            proves nothing loads, and is rejected by :meth:`verify`.
        """
        document = files.read(path, lambda kind: certificate_type(kind).structure() if kind in KINDS else None)
        kind = certificate_type(document.kind)
        statement = None
        if document.problem is not None:
            statement = codec.from_plain(kind.STATEMENT, document.problem, "problem.")
        return codec.from_plain(kind, document, statement=statement, recorded=document.problem_sha256)
