"""The checks as tests of pytest, one for every check and target.

    @parametrize_with_checks(["mypackage:route", other_router], max_gap=0.05)
    def test_routers(target, check):
        check(target)

or, as a class:

    TestRoute = make_suite("mypackage:route")
"""

from __future__ import annotations

import atexit
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, cast

try:
    import pytest
except ImportError as error:
    raise ImportError("equipoise.testing needs pytest: pip install 'equipoise[test]'") from error

from equipoise.adapters.detect import role_of
from equipoise.checks import store
from equipoise.checks.registry import Check, Role, select
from equipoise.checks.run import Battery, run_check
from equipoise.checks.settings import Settings
from equipoise.checks.text import describe
from equipoise.errors import InvalidProblem, TargetNotFound
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import CALL_SECONDS, InProcess, Isolated, Subject
from equipoise.targets import resolve

SOME_CHECK_RUNS = "some_check_runs"
"""Name of the test, one per target, that fails if every check would be skipped."""


class BalancerWarning(UserWarning):
    """A finding of a check whose severity is "warning"."""


def parametrize_with_checks(
    targets: Any,
    *,
    role: Role | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
    max_gap: float | None = None,
    exclude: Iterable[str] = (),
    checks_as_of: str | None = None,
    examples: int = Settings.examples,
    seconds: float = Settings.seconds,
    call_seconds: float = CALL_SECONDS,
) -> pytest.MarkDecorator:
    """Parametrize a test ``(target, check)``, whose body is ``check(target)``: one id per check and target.

    A check that does not apply is skipped with its reason; one test per target, ``some_check_runs``, fails if none
    applies. A failing test shows the finding: the sentence, the smallest case, a better answer, and the command that
    runs it again from ``.equipoise/``.

    Parameters
    ----------
    targets
        Balancers, or one: names as :func:`equipoise.targets.resolve` takes them, or Python objects. Names run in a
        process of their own, and so do functions and classes that can be imported from their module. Other objects
        (instances, local functions) run in this process, where nothing stops one that hangs; failures say so.
    role
        "router", "scheduler", "placer" or "predictor"; None: told from the target's parameters, else
        "router".
    expected_failed_checks
        Reasons by name of check. Such a check fails the test if it passes.
    max_gap
        Largest relative gap to the certified optimum, for instance 0.01; None: see the checks of quality.
    exclude, checks_as_of
        Names to leave out; version after which checks are left out.
    examples, seconds
        Cases and wall time per check.
    call_seconds
        Wall time per call of the target, where it has a process of its own.

    Raises
    ------
    InvalidProblem
        If there is no target or no check, or a name or number is none.
    """
    expected = dict(expected_failed_checks or {})
    settings = _settings(max_gap, examples, seconds)
    found = _candidates(targets, role, settings, call_seconds)
    trials = [(one, trial) for one in found for trial in _trials(one.role, expected, exclude, checks_as_of)]
    unknown = sorted(set(expected) - {trial.name for _, trial in trials if isinstance(trial, Trial)})
    if unknown:
        roles = " or ".join(dict.fromkeys(one.role for one in found))
        raise InvalidProblem("expected_failed_checks", repr(unknown[0]), f"a selected check of the role {roles}")
    marks = [pytest.mark.equipoise]
    rows = [pytest.param(one, trial, id=f"{one.name}-{trial.name}", marks=marks) for one, trial in trials]
    return pytest.mark.parametrize(("target", "check"), rows)


def make_suite(target: Any, **options: Any) -> type:
    """Return a new class of tests, one method per check of ``target``; bind it to a name that starts with ``Test``.

    Options are those of :func:`parametrize_with_checks`.
    """
    rows = parametrize_with_checks([target], **options).args[1]
    methods = {f"test_{trial.name}": _method(one, trial) for one, trial in (row.values for row in rows)}
    return type("Suite", (), {**methods, "pytestmark": [pytest.mark.equipoise]})


def _method(candidate: Candidate, trial: Trial | Count) -> Callable[[Any], None]:
    def test(self: Any) -> None:
        trial(candidate)

    return test


class Candidate:
    """A balancer under test; it starts when it is first asked for."""

    def __init__(self, target: Any, name: str, role: Role, settings: Settings, call_seconds: float) -> None:
        self.target, self.name, self.role, self.settings = target, name, role, settings
        self.note = ""
        self._call_seconds = call_seconds
        self._battery: Battery | None = None
        self._broken: str | None = None

    @property
    def battery(self) -> Battery:
        """The checks on this target, in a process of its own where one can find it by name; fails the test if none."""
        if self._broken is None and self._battery is None:
            try:
                self._battery = Battery(self._start(), self.settings)
            except (TargetNotFound, Misbehaviour) as error:
                self._broken = f"{self.name} cannot be tried: {error}"
        if self._battery is None:
            pytest.fail(str(self._broken), pytrace=False)
        _STAGE.enter(self._battery.subject)
        return self._battery

    def _start(self) -> Subject:
        path = self.target if isinstance(self.target, str) else importable(self.target)
        if path is not None:
            try:
                return Isolated(path, self.role, call_seconds=self._call_seconds)
            except TargetNotFound:
                if path is self.target:
                    raise
        self.note = "\nIt ran in the process of the tests: no other one can import it by name."
        make = self.target if isinstance(self.target, type) else lambda: self.target
        return InProcess(self.name, self.role, make)


def importable(target: Any) -> str | None:
    """Return ``module:name`` of a function or class that its module shows under its own name; None for others."""
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if not isinstance(name, str) or not isinstance(module, str) or module == "__main__" or module not in sys.modules:
        return None
    found = reduce(lambda owner, part: getattr(owner, part, None), name.split("."), cast(Any, sys.modules[module]))
    return f"{module}:{name}" if found is target else None


class _Stage:
    """At most one target has a process at a time, and none outlives the tests; a closed one starts again by itself."""

    def __init__(self) -> None:
        self._subject: Subject | None = None
        atexit.register(self.leave)

    def enter(self, subject: Subject) -> None:
        if self._subject is not subject:
            self.leave()
        self._subject = subject

    def leave(self) -> None:
        if self._subject is not None:
            self._subject.close()


_STAGE = _Stage()


@dataclass(frozen=True)
class Trial:
    """One check; called with a candidate it passes, fails or skips the running test."""

    entry: Check
    expected: str | None

    @property
    def name(self) -> str:
        """Name of the check."""
        return self.entry.name

    def __call__(self, candidate: Candidate) -> None:
        """Run the check."""
        outcome = candidate.battery.run(self.entry)
        if outcome.skipped is not None:
            pytest.skip(outcome.skipped)
        finding = outcome.finding
        if finding is None:
            if self.expected is not None:
                words = f"{self.name} holds for {candidate.name}, but expected_failed_checks names it: {self.expected}"
                pytest.fail(words, pytrace=False)
            return
        store.save(finding)
        words = describe(finding, candidate.settings.max_gap) + candidate.note
        if self.expected is not None:
            pytest.xfail(self.expected)
        if finding.severity != "warning":
            pytest.fail(words, pytrace=False)
        warnings.warn(words, BalancerWarning, stacklevel=2)


@dataclass(frozen=True)
class Count:
    """Fails where every check would be skipped: a suite that is all skips says nothing."""

    entries: tuple[Check, ...]
    name: str = SOME_CHECK_RUNS

    def __call__(self, candidate: Candidate) -> None:
        """Look for a check that applies and has a case that the target accepts; ask nothing but ``accepts``."""
        battery = candidate.battery
        for entry in self.entries:
            asking = replace(entry, function=lambda *_: None)
            applies = entry.skipped(battery.capabilities) is None
            if applies and run_check(battery.subject, asking, candidate.settings).cases:
                return
        pytest.fail(f"none of the {len(self.entries)} checks says anything about {candidate.name}", pytrace=False)


def _settings(max_gap: float | None, examples: int, seconds: float) -> Settings:
    for field, value, least in (("max_gap", max_gap, 0), ("examples", examples, 1), ("seconds", seconds, 0.1)):
        if value is not None and not (isinstance(value, int | float) and value >= least):
            raise InvalidProblem(field, repr(value), f"a number of at least {least}")
    return Settings(max_gap, examples, seconds)


def _candidates(targets: Any, role: Role | None, settings: Settings, call_seconds: float) -> list[Candidate]:
    listed = [targets] if isinstance(targets, str) or callable(targets) else list(targets)
    if not listed:
        raise InvalidProblem("targets", "empty", "at least one balancer")
    found: list[Candidate] = []
    names: list[str] = []
    for target in listed:
        if not isinstance(target, str) and not callable(target):
            raise InvalidProblem("targets", f"a {type(target).__name__}", "names of balancers, or callables")
        name = target if isinstance(target, str) else getattr(target, "__qualname__", type(target).__qualname__)
        names.append(name)
        number = f"#{names.count(name)}" if names.count(name) > 1 else ""
        found.append(Candidate(target, name + number, role or _role(target), settings, call_seconds))
    return found


def _role(target: Any) -> Role:
    """Return what the target's parameters tell, else "router"; a name that leads nowhere is for its tests to report."""
    try:
        role = resolve(target)[0] if isinstance(target, str) else role_of(target)
    except TargetNotFound:
        role = None
    return cast(Role, role or "router")


def _trials(role: Role, expected: dict[str, str], exclude: Iterable[str], as_of: str | None) -> list[Trial | Count]:
    entries = select(role, exclude, as_of)
    if not entries:
        raise InvalidProblem("exclude and checks_as_of", "leaving no check", "at least one check")
    return [Count(tuple(entries)), *(Trial(entry, expected.get(entry.name)) for entry in entries)]
