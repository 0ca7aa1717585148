"""Trying one check: known cases and boundaries first, then a search by Hypothesis; what is found is made smaller.

A check of production sizes is tried on those alone. What is tried is decided by counts and the seed, never by the
clock: the same verdict on every machine.
"""

from __future__ import annotations

import contextlib
import importlib
import time
import warnings
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import HypothesisWarning

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.findings import PROPERTY, Finding
from equipoise.checks.engine.known import known_cases
from equipoise.checks.engine.production import Production, Sizes, lowest
from equipoise.checks.engine.refusals import Refusals
from equipoise.checks.engine.registry import Check, Failure, Silent
from equipoise.checks.engine.report import Outcome
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.shrink import shrunk
from equipoise.errors import TargetError
from equipoise.roles import role_named
from equipoise.roles.role import Case

Behaviour = tuple[str, str, str]


def run_check(
    balancer: Balancer,
    entry: Check,
    settings: Settings,
    reported: Container[Behaviour] = (),
    deadline: float = float("inf"),
    refusals: Refusals | None = None,
) -> Outcome:
    """Look for a case that breaks the property, make it smaller, and say what was found.

    All known cases that the check's family admits are tried first, the smallest first, until one fails. The search
    follows, and the smallest case of all is then made smaller within the family. It ends at once where the target
    hangs, where it breaks in a way that is ``reported`` already, and at the deadline (of :func:`time.monotonic`).

    Cases that the target refuses are noted in ``refusals`` and not counted. A check that is left with fewer than
    :data:`FEWEST` says nothing; a target that refuses everything there is breaks.
    """
    known_refusals = Refusals(balancer) if refusals is None else refusals
    deadline = min(deadline, time.monotonic() + settings.seconds)
    trial = _Trial(balancer, entry, settings, reported, deadline, known_refusals)
    if isinstance(entry.cases, Production):
        _climb(trial, entry.cases)
    else:
        with contextlib.suppress(_Enough):
            for known in known_cases(entry.role):
                if entry.cases.admits(known.case) and trial.attempt(known.case, known.phase, known.origin) is not None:
                    break
        if not trial.over:
            _search(trial)
    if trial.found is not None and not trial.over:
        if isinstance(entry.cases, Production):
            smallest = f"smallest sizes that fail: {_sizes(trial.found)}"
            trial.found = replace(trial.found, message=f"{trial.found.message}; {smallest}")
        else:
            trial.steps = settings.shrink_steps
            with contextlib.suppress(_Enough):
                shrunk(trial.found.case, trial.still_fails)
    if trial.found is None and trial.refused and not known_refusals.answers_something:
        trial.found = trial.first_refused
    if trial.found is None and not trial.gave_up:
        if not trial.tried:
            said = trial.silent or "accepts none of its cases"
            said = f"refuses all of its cases: {trial.first_refused}" if trial.refused else said
            return Outcome(entry.name, refused=trial.refused, skipped=f"the target {said}")
        if trial.refused and trial.tried < FEWEST:
            few = f"too few cases, the target refuses {trial.refused} of {trial.tried + trial.refused}"
            return Outcome(entry.name, trial.tried, refused=trial.refused, skipped=f"{few}: {trial.first_refused}")
    gave_up = trial.gave_up and trial.found is None
    told = (trial.slow, trial.statement)
    return Outcome(entry.name, trial.tried, trial.found, trial.refused, None, gave_up, *told)


FEWEST = 5
"""Cases that a check must have tried to say something about a target that refuses others."""


class _Enough(BaseException):
    """Nothing more is to be tried here. Not an Exception: Hypothesis must not take it for a failure of the test."""


class _Trial:
    """One check on one target: what was tried, the smallest case that failed, the steps left to make it smaller."""

    def __init__(
        self,
        balancer: Balancer,
        entry: Check,
        settings: Settings,
        reported: Container[Behaviour],
        deadline: float,
        refusals: Refusals,
    ) -> None:
        self.balancer, self.entry, self.settings, self.reported = balancer, entry, settings, reported
        self.deadline, self.refusals = deadline, refusals
        self.steps: int | None = None
        self.tried = self.refused = 0
        self.silent = ""
        self.found: Finding | None = None
        self.statement: str | None = None
        self.first_refused: Finding | None = None
        self.gave_up = self.over = False
        self.slow = ""
        self.recipe: tuple[Sizes, int] | None = None

    def attempt(self, case: Case, phase: str, origin: str = "") -> Failure | TargetError | None:
        """Try a case if the target takes it; return the failure, and keep the case if no smaller one has failed."""
        if time.monotonic() > self.deadline:
            self.gave_up = self.over = True
            raise _Enough
        if self.steps is not None:
            if self.steps == 0:
                raise _Enough
            self.steps -= 1
        calls = self.balancer.calls(case)
        try:
            if not calls or not self.balancer.takes(*calls[0]):
                return None
            said = self.entry.function(self.balancer, case, self.settings)
            self.statement = self.statement or said
        except Silent as why:
            self.silent = self.silent or str(why)
            return None
        except (Failure, TargetError) as failure:
            if isinstance(failure, TargetError) and self.refusals.refuses(failure):
                self.refused += 1
                if self.first_refused is None or case.size < self.first_refused.case.size:
                    self.first_refused = self._finding(failure, case, phase, origin)
                return None
            self.tried += 1
            finding = self._finding(failure, case, phase, origin)
            known = finding.kind != PROPERTY and finding.behaviour in self.reported
            if finding.kind == "hangs" and phase == "production" and not known:  # it need not be fast
                self.slow, self.gave_up, self.over = f"{failure} at {_sizes(finding)}", True, True
                raise _Enough from failure
            self.over = known or finding.kind == "hangs"
            if self.found is None or (not known and case.size < self.found.case.size + (phase == self.found.phase)):
                self.found = finding
            if self.over:
                raise _Enough from failure
            return failure
        self.tried += 1
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

    def _finding(self, failure: Failure | TargetError, case: Case, phase: str, origin: str) -> Finding:
        severity = "error" if isinstance(failure, TargetError) else self.entry.severity
        where = self.entry.name, self.entry.role, self.balancer.name, severity
        forbidden = self.refusals.forbidden(failure) if isinstance(failure, TargetError) else None
        must = f", but every {self.entry.role} must take inputs with {forbidden}" if forbidden else ""
        message, said = f"{failure}{must}", (self.balancer.form, tuple(sorted(self.balancer.declared)))
        return Finding(*where, _kind(failure), message, case, failure.better, phase, origin, *said, self.recipe)


def _kind(failure: Failure | TargetError) -> str:
    return failure.kind if isinstance(failure, TargetError) else PROPERTY


def _climb(trial: _Trial, family: Production) -> None:
    """Try production sizes until some fail; lower them then."""
    seed, seconds = trial.settings.seed, trial.balancer.call_seconds

    def asked(sizes: Sizes) -> Case:
        trial.recipe = sizes, seed
        trial.balancer.call_seconds = seconds * (1 + family.entries(sizes) / family.slow)
        return family.case(sizes, seed)

    try:
        with contextlib.suppress(_Enough):
            chosen = family.chosen(trial.settings.examples, seed)
            failed = next((sizes for sizes in chosen if trial.attempt(asked(sizes), "production") is not None), None)
            if failed is not None:
                trial.steps = trial.settings.shrink_steps
                lowest(failed, lambda sizes: (case := asked(sizes)).valid and trial.still_fails(case))
    finally:
        trial.balancer.call_seconds = seconds


def _sizes(finding: Finding) -> str:
    """Return the sizes of the case in the letters of its role, for a person."""
    role = role_named(finding.role)
    shape = role.shape(*finding.case.calls()[0])
    return ", ".join(f"{letter} = {size:,}" for letter, size in zip(role.letters, shape, strict=True))


def _search(trial: _Trial) -> None:
    met = {True: 0, False: 0}  # cases that the target took, and refused

    def attempt(case: Case) -> None:
        before = trial.tried
        failure = trial.attempt(case, "sequence" if case.steps > 1 else "search")
        if failure is not None:
            if trial.steps is None:
                trial.steps = trial.settings.shrink_steps
            raise failure
        taken = trial.tried > before
        met[taken] += 1
        if not taken and (met[True] or met[False] < trial.settings.examples):
            hypothesis.reject()  # past that it takes none of these: no use in looking for one for long

    search = hypothesis.settings(
        max_examples=trial.settings.examples,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.target, Phase.shrink),
        verbosity=hypothesis.Verbosity.quiet,
    )
    unseeded = search(hypothesis.given(trial.entry.cases(trial.balancer.sizes))(attempt))  # type: ignore[no-untyped-call]
    test: Callable[[], None] = hypothesis.seed(trial.settings.seed)(unseeded)
    ends = (_Enough, Failure, TargetError, hypothesis.errors.Flaky, hypothesis.errors.Unsatisfiable, ExceptionGroup)
    with warnings.catch_warnings(), _nothing_from_other_modules(), contextlib.suppress(*ends):
        warnings.simplefilter("ignore", HypothesisWarning)
        test()


@contextlib.contextmanager
def _nothing_from_other_modules() -> Iterator[None]:
    """Keep Hypothesis from drawing numbers that stand in the source of whatever modules are loaded (since 6.131).

    What is drawn would depend on what else the process has imported.
    """
    try:
        providers: Any = importlib.import_module("hypothesis.internal.conjecture.providers")
        original, drawn = providers._get_local_constants, providers.CONSTANTS_CACHE.cache
        nothing = providers.Constants()
    except (ImportError, AttributeError):
        yield
        return
    drawn.clear()
    providers._get_local_constants = lambda: nothing
    try:
        yield
    finally:
        providers._get_local_constants = original
        drawn.clear()
