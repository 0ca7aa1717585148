"""Running the checks: known cases and boundaries first, then a search by Hypothesis; what is found is made smaller."""

from __future__ import annotations

import contextlib
import math
import re
import time
import warnings
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase
from hypothesis.errors import HypothesisWarning

from equipoise.checks.cases import Case
from equipoise.checks.failure import Failure
from equipoise.checks.known import known_cases
from equipoise.checks.registry import Check
from equipoise.checks.settings import Settings
from equipoise.checks.shrink import shrunk
from equipoise.errors import TargetError
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Subject
from equipoise.roles import read_schedule

PROPERTY = "property"
"""Kind of a finding that is a broken property, not a target that gave no answer."""

IMPATIENT = 0.5
"""Seconds per call once the target has hung; the finding is there, and the run must end."""

_LEAST_SECONDS = 0.2


@dataclass(frozen=True, eq=False)
class Finding:
    """A broken property and the smallest case found that shows it.

    Attributes
    ----------
    kind
        :data:`PROPERTY`, or how the target misbehaved.
    better
        A better answer, as proof that the property can be had.
    phase
        What found it: "vectors" (known hard cases), "boundary", "search", or "sequence" (a search among several steps).
    origin
        Of a known case, its name.
    """

    check: str
    role: str
    target: str
    severity: str
    kind: str
    message: str
    case: Case
    better: Any = None
    phase: str = "search"
    origin: str = ""

    @property
    def behaviour(self) -> tuple[str, str, str]:
        """What is the same failure, whichever check meets it; the numbers in a misbehaviour's message do not count."""
        message = self.message if self.kind == PROPERTY else re.sub(r"[0-9.]+", "", self.message)
        return self.kind, self.severity, message


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

    A check that does not apply is skipped, and so is one that meets a failure which another has reported: a target that
    raises, hangs, crashes or returns nothing readable is reported once per kind, a broken property once per sentence.
    """

    def __init__(self, subject: Subject, settings: Settings) -> None:
        self.subject, self.settings = subject, settings
        self.capabilities = subject.capabilities | probe(subject)
        self._reported: dict[tuple[str, str, str], str] = {}

    def run(self, entry: Check, seconds: float = math.inf) -> Outcome:
        """Try one check, for at most so many seconds."""
        reason = entry.skipped(self.capabilities)
        if reason is not None:
            return Outcome(entry.name, skipped=reason)
        settings = replace(self.settings, seconds=min(self.settings.seconds, seconds))
        known = {key for key, first in self._reported.items() if first != entry.name}
        outcome = run_check(self.subject, entry, settings, known)
        finding = outcome.finding
        if finding is None:
            return outcome
        if finding.kind == "hangs":
            self.subject.call_seconds = min(self.subject.call_seconds, IMPATIENT)
        first = self._reported.setdefault(finding.behaviour, entry.name)
        if first == entry.name:
            return outcome
        words = "fails in the same way" if finding.kind == PROPERTY else finding.kind
        return Outcome(entry.name, skipped=f"the target {words}: see {first}")


def run_checks(
    subject: Subject,
    checks: Sequence[Check],
    settings: Settings,
    progress: Callable[[Check], None] | None = None,
) -> Report:
    """Try every check on the target.

    Each check may take twice its share of what is left of ``settings.run_seconds``: most end long before.
    """
    battery = Battery(subject, settings)
    outcomes: list[Outcome] = []
    end = time.monotonic() + settings.run_seconds
    for index, entry in enumerate(checks):
        if progress is not None:
            progress(entry)
        share = max(_LEAST_SECONDS, 2 * (end - time.monotonic()) / (len(checks) - index))
        outcomes.append(battery.run(entry, share))
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


def run_check(
    subject: Subject, entry: Check, settings: Settings, reported: Container[tuple[str, str, str]] = ()
) -> Outcome:
    """Look for a case that breaks the property, make it smaller, and say what was found.

    Known vectors and boundary cases that the check's family admits are tried first, the smallest first; they take at
    most a quarter of the time. The smallest case of all phases is then made smaller, within the family. A misbehaviour
    that is ``reported`` already ends the check.
    """
    trial = _Trial(subject, entry, settings, reported)
    for known in known_cases(entry.role):
        if entry.cases.admits(known.case) and trial.time_left > settings.seconds * 3 / 4:
            trial.attempt(known.case, known.phase, known.origin)
            if trial.found is not None:
                trial.allow(settings.seconds / 4)
                break
    if trial.found is None or not (trial.old or trial.found.kind == "hangs"):
        _search(trial, entry, settings)
    if trial.found is None:
        return Outcome(entry.name, trial.tried, skipped=None if trial.tried else "the target accepts none of its cases")
    if not trial.old:
        trial.allow(settings.shrink_seconds)
        shrunk(trial.found.case, trial.still_fails)
    return Outcome(entry.name, trial.tried, trial.found)


class _Trial:
    """One check on one target: what was tried, the smallest case that failed, and the time left."""

    def __init__(
        self, subject: Subject, entry: Check, settings: Settings, reported: Container[tuple[str, str, str]]
    ) -> None:
        self.subject, self.entry, self.settings, self.reported = subject, entry, settings, reported
        self.tried = 0
        self.found: Finding | None = None
        self.allow(settings.seconds)

    def allow(self, seconds: float) -> None:
        """Set the time from now on."""
        self.deadline = time.monotonic() + seconds

    @property
    def old(self) -> bool:
        """Whether what was found is a misbehaviour that another check has reported."""
        return self.found is not None and self.found.kind != PROPERTY and self.found.behaviour in self.reported

    @property
    def time_left(self) -> float:
        return self.deadline - time.monotonic()

    def accepted(self, case: Case) -> bool:
        return "has accepts" not in self.subject.capabilities or self.subject.accepts(case.shape)

    def attempt(self, case: Case, phase: str, origin: str = "") -> Failure | Misbehaviour | None:
        """Try one case if there is time and the target takes it; keep it if no smaller one has failed."""
        if self.time_left < 0 or not self.accepted(case):
            return None
        self.tried += 1
        try:
            self.entry.function(self.subject, case, self.settings)
        except (Failure, Misbehaviour) as failure:
            if self.found is None or case.size < self.found.case.size + (phase == self.found.phase):
                self.found = _finding(self.subject.target, self.entry, case, failure, phase, origin)
            return failure
        return None

    def still_fails(self, case: Case) -> bool:
        """Whether a simpler case, still of the family, fails in the same way; it is kept then."""
        found = self.found
        assert found is not None
        if not self.entry.cases.admits(case):
            return False
        failure = self.attempt(case, found.phase, found.origin)
        if failure is None or _kind(failure) == found.kind:
            return failure is not None
        self.found = found
        return False


def _search(trial: _Trial, entry: Check, settings: Settings) -> None:
    met = {True: 0, False: 0}  # cases that the target took, and refused

    def attempt(case: Case) -> None:
        if trial.time_left < 0:
            return  # time is up: the search runs out, and what was found before stays
        taken = trial.accepted(case)
        met[taken] += 1
        if not taken:
            if met[True] or met[False] < settings.examples:
                hypothesis.reject()
            return  # it takes none of these: no use in looking for one for long
        new = trial.found is None
        failure = trial.attempt(case, "sequence" if case.steps > 1 else "search")
        if failure is not None:
            if new:
                trial.allow(0 if trial.old else settings.shrink_seconds)
            raise failure

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
    with (
        warnings.catch_warnings(),
        contextlib.suppress(
            Failure, Misbehaviour, hypothesis.errors.Flaky, hypothesis.errors.Unsatisfiable, ExceptionGroup
        ),
    ):
        warnings.simplefilter("ignore", HypothesisWarning)
        test()


def _kind(failure: Failure | Misbehaviour) -> str:
    return failure.kind if isinstance(failure, Misbehaviour) else PROPERTY


def _finding(
    target: str, entry: Check, case: Case, failure: Failure | Misbehaviour, phase: str, origin: str
) -> Finding:
    severity = "error" if isinstance(failure, Misbehaviour) else entry.severity
    kind = _kind(failure)
    return Finding(entry.name, entry.role, target, severity, kind, failure.message, case, failure.better, phase, origin)
