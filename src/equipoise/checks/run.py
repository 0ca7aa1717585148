"""Running the checks: boundary cases first, then a search by Hypothesis that shrinks what it finds."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase
from hypothesis.errors import HypothesisWarning

from equipoise.checks.cases import Case
from equipoise.checks.failure import Failure
from equipoise.checks.registry import Check
from equipoise.checks.settings import Settings
from equipoise.errors import TargetError
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Subject
from equipoise.roles import read_schedule

PROPERTY = "property"
"""Kind of a finding that is a broken property, not a target that gave no answer."""


@dataclass(frozen=True, eq=False)
class Finding:
    """A broken property and the smallest case found that shows it."""

    check: str
    role: str
    target: str
    severity: str
    kind: str
    message: str
    case: Case
    better: Any = None


@dataclass(frozen=True)
class Outcome:
    """What became of one check: passed (no finding), failed, or skipped with a reason."""

    check: str
    cases: int = 0
    finding: Finding | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Report:
    """All outcomes of one run."""

    target: str
    role: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """What was found, errors before warnings."""
        found = [outcome.finding for outcome in self.outcomes if outcome.finding is not None]
        return sorted(found, key=lambda finding: finding.severity != "error")

    @property
    def ran(self) -> int:
        """How many checks said something."""
        return sum(outcome.skipped is None for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether something ran and no error was found."""
        return self.ran > 0 and all(finding.severity != "error" for finding in self.findings)


class Battery:
    """The checks on one target, one after the other.

    A check that does not apply is skipped, and so is one that meets a misbehaviour which another has reported: a target
    that raises, hangs, crashes or returns nothing readable is reported once per kind.
    """

    def __init__(self, subject: Subject, settings: Settings) -> None:
        self.subject, self.settings = subject, settings
        self.capabilities = subject.capabilities | probe(subject)
        self._misbehaved: dict[tuple[str, str], str] = {}

    def run(self, entry: Check) -> Outcome:
        """Try one check."""
        reason = entry.skipped(self.capabilities)
        if reason is not None:
            return Outcome(entry.name, skipped=reason)
        outcome = run_check(self.subject, entry, self.settings)
        finding = outcome.finding
        if finding is None or finding.kind == PROPERTY:
            return outcome
        key = finding.kind, re.sub(r"[0-9.]+", "", finding.message)
        first = self._misbehaved.setdefault(key, entry.name)
        return (
            outcome if first == entry.name else Outcome(entry.name, skipped=f"the target {finding.kind}: see {first}")
        )


def run_checks(
    subject: Subject,
    checks: Sequence[Check],
    settings: Settings,
    progress: Callable[[Check], None] | None = None,
) -> Report:
    """Try every check on the target."""
    battery = Battery(subject, settings)
    outcomes: list[Outcome] = []
    for entry in checks:
        if progress is not None:
            progress(entry)
        outcomes.append(battery.run(entry))
    return Report(subject.target, subject.role, outcomes)


def probe(subject: Subject) -> frozenset[str]:
    """Find out by one harmless call what cannot be read off the target.

    Whether a router returns weights; whether a scheduler takes loads by source device.
    """
    try:
        if subject.role == "router":
            value = subject.call(np.linspace(0.1, 0.9, 8, dtype=np.float32).reshape(2, 4), 1).value
            returns = isinstance(value, list) and len(value) > 1 and isinstance(value[1], np.ndarray)
            return frozenset({"returns weights"} if returns else ())
        if subject.role == "scheduler":
            load, hosts = np.array([[4, 1, 2], [2, 3, 0]]), np.array([[True, True], [True, False], [False, True]])
            read_schedule(subject.call(load, hosts).value, load, hosts)
            return frozenset({"by source"})
    except (Misbehaviour, TargetError):
        pass
    return frozenset()


def run_check(subject: Subject, entry: Check, settings: Settings) -> Outcome:
    """Search for a case that breaks the property, shrink it, and say what was found."""
    deadline = time.monotonic() + settings.seconds
    smallest: tuple[Case, Failure | Misbehaviour] | None = None
    tried = 0

    def attempt(case: Case) -> None:
        nonlocal smallest, tried
        if time.monotonic() > deadline:
            return  # time is up: the search runs out, and what was found before stays
        if "has accepts" in subject.capabilities and not subject.accepts(case.shape):
            hypothesis.reject()
        tried += 1
        try:
            entry.function(subject, case, settings)
        except (Failure, Misbehaviour) as failure:
            if smallest is None or case.size <= smallest[0].size:
                smallest = case, failure
            raise

    search = hypothesis.settings(
        max_examples=settings.examples,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.target, Phase.shrink),
        verbosity=hypothesis.Verbosity.quiet,
    )
    test: Callable[[], None] = hypothesis.seed(settings.seed)(search(hypothesis.given(entry.cases())(attempt)))  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)
            test()
    except (Failure, Misbehaviour, hypothesis.errors.Flaky, hypothesis.errors.Unsatisfiable, ExceptionGroup):
        pass
    if smallest is None:
        return Outcome(entry.name, tried, skipped=None if tried else "the target accepts none of its cases")
    case, failure = smallest
    kind = failure.kind if isinstance(failure, Misbehaviour) else PROPERTY
    severity = "error" if isinstance(failure, Misbehaviour) else entry.severity
    finding = Finding(entry.name, entry.role, subject.target, severity, kind, failure.message, case, failure.better)
    return Outcome(entry.name, tried, finding)
