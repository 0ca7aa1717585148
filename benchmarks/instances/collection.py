"""The open instances as files: one folder each, refereed by the check of certificates alone.

``problem.json`` is a problem file, ``certificate.json`` holds the best known answer and the best proved bound (without
the problem), ``about.json`` says where the problem comes from and who found what. Values, gap and status are stored
nowhere: the check computes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from equipoise import Certificate, Verdict
from equipoise.certificates import problem_files
from equipoise.certificates.certificate import KINDS, certificate_type
from equipoise.files import json_of, write_whole
from equipoise.problems import Problem, ScoredProblem

HERE = Path(__file__).parent

ANSWER = ("experts", "split", "denominator", "physical_to_logical", "copies")
"""Fields of certificates that are the answer; all others are the proof of the bound."""


class Refused(Exception):
    """A certificate that proves nothing of an instance, in one sentence."""


@dataclass(frozen=True)
class Found:
    """Who found an answer or a bound, how, in how many seconds (None: not told), and when."""

    by: str
    seconds: float | None
    date: str


@dataclass(frozen=True, eq=False)
class Instance:
    """An instance with what is known of it.

    Attributes
    ----------
    folder
        Where its files are; the folder's name is the instance's.
    about
        Kind, version, description, provenance, licence, ``problem_sha256``, and what :class:`Found` says under
        ``answer`` and ``bound``.
    certificate
        Best answer and best bound; None before the first.
    """

    folder: Path
    about: dict[str, Any]
    certificate: Certificate | None

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    @cached_property
    def problem(self) -> Problem:
        """What its problem file states."""
        problem = problem_files.read(self.folder / "problem.json")
        if problem is None:
            raise Refused(f"{self.folder / 'problem.json'} is no problem file")
        return problem

    @property
    def maximised(self) -> bool:
        """Whether larger is better."""
        return isinstance(self.problem, ScoredProblem)

    @cached_property
    def verdict(self) -> Verdict:
        """What the check says of the certificate."""
        if self.certificate is None:
            return Verdict(False, "nothing is known")
        return self.certificate.verify(self.problem)

    def values(self, verdict: Verdict) -> tuple[Fraction, Fraction]:
        """Return the values of answer and bound that a verdict states.

        Raises
        ------
        Refused
            If the answer is not feasible, or the bound is not proved.
        """
        if verdict.status not in ("optimal", "bounded"):
            raise Refused(f"{self.name}: {verdict.reason}")
        assert verdict.lower is not None
        assert verdict.upper is not None
        return (verdict.lower, verdict.upper) if self.maximised else (verdict.upper, verdict.lower)

    @property
    def closed(self) -> bool:
        """Whether the answer is proved optimal."""
        return self.verdict.status == "optimal"

    @property
    def status(self) -> str:
        """Closed or open, as a word."""
        return "closed" if self.closed else "open"


def digest(problem: Problem) -> str:
    """Hash of a problem, which its certificates carry."""
    kind = next(kind for kind in map(certificate_type, KINDS) if type(problem) is kind.PROBLEM)
    return kind.STATEMENT.of(problem).digest


def read(folder: Path) -> Instance:
    """Read one instance."""
    certificate = folder / "certificate.json"
    return Instance(
        folder, json_of(folder / "about.json"), Certificate.load(certificate) if certificate.exists() else None
    )


def instances(home: Path = HERE) -> list[Instance]:
    """Read all instances: kind by kind, in the order of their names."""
    found = [read(path.parent) for path in sorted(home.glob("*/about.json"))]
    return sorted(found, key=lambda one: (one.about["kind"], one.problem.size))


def offer(instance: Instance, certificate: Certificate, found: Found) -> tuple[Instance, list[str]]:
    """Let an instance take the better answer and the better bound of what it has and a new certificate.

    Returns the instance as it is then, and what changed, in sentences; none if neither is better. Neither ever gets
    worse.

    Raises
    ------
    Refused
        If the check rejects the certificate.
    """
    certificate = replace(certificate, statement=None, recorded=certificate.digest)
    new = instance.values(certificate.verify(instance.problem))
    if instance.certificate is None:
        about = instance.about | {"answer": vars(found), "bound": vars(found)}
        return Instance(instance.folder, about, certificate), [f"answer {new[0]}", f"bound {new[1]}"]
    old = instance.values(instance.verdict)
    sign = 1 if instance.maximised else -1
    better = {"answer": sign * (new[0] - old[0]) > 0, "bound": sign * (new[1] - old[1]) < 0}
    changes = [
        f"{part} {after} instead of {before}"
        for part, before, after in zip(better, old, new, strict=True)
        if better[part]
    ]
    answers, bounds = (certificate if better[part] else instance.certificate for part in better)
    taken = {name: getattr(answers, name) for name in ANSWER if hasattr(answers, name)}
    about = instance.about | {part: vars(found) for part in better if better[part]}
    return Instance(instance.folder, about, replace(bounds, **taken)), changes


def store(instance: Instance) -> None:
    """Write what is known of an instance, once more refereed."""
    instance.values(instance.verdict)
    assert instance.certificate is not None
    instance.certificate.save(instance.folder / "certificate.json")
    write_about(instance)


def write_about(instance: Instance) -> None:
    """Write ``about.json``."""
    write_whole(instance.folder / "about.json", (json.dumps(instance.about, indent=1) + "\n").encode())
