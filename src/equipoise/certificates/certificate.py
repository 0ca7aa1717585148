"""Certificates as values: verifying, saving and loading, whatever they are about."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from os import PathLike
from typing import Any

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

    statement: Any
    """The problem that it speaks of, where it is at hand."""

    @abstractmethod
    def verify(self, problem: Any = None) -> Verdict:
        """Check the certificate against ``problem``, or against the problem saved inside it."""

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
