"""The checks as tests of pytest, one for every check and target.

    @parametrize_with_checks(["mypackage:route", other_router], max_gap=0.05)
    def test_routers(target, check):
        check(target)

or, as a class:

    TestRoute = make_suite("mypackage:route")
"""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

try:
    import pytest
except ImportError as error:
    raise ImportError("equipoise.testing needs pytest: pip install 'equipoise[test]'") from error

from equipoise.balancers.adapters.forms import role_of
from equipoise.balancers.balancer import CALL_SECONDS, Balancer
from equipoise.balancers.find import Target, resolve
from equipoise.balancers.in_process import InProcess
from equipoise.balancers.pool import POOL
from equipoise.checks.engine.expected import read_expected, unmatched
from equipoise.checks.engine.registry import Check, check_named, select
from equipoise.checks.engine.run import Battery
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.trial import run_check
from equipoise.conditions import Condition
from equipoise.errors import InvalidProblem, TargetError, TargetNotFound
from equipoise.roles import role_named, said
from equipoise.roles.role import Role

SOME_CHECK_RUNS = "some_check_runs"
"""Name of the test, one per target, that fails if every check would be skipped."""


class BalancerWarning(UserWarning):
    """A finding of a check whose severity is "warning"."""


def parametrize_with_checks(
    targets: Any,
    *,
    role: str | None = None,
    as_: str | None = None,
    form: str | None = None,
    accepts: str | None = None,
    declares: Iterable[str] = (),
    expected_failed_checks: Mapping[str, str] | str | PathLike[str] | None = None,
    max_gap: float | None = None,
    exclude: Iterable[str] = (),
    checks_as_of: str | None = None,
    examples: int = Settings.examples,
    shrink_steps: int = Settings.shrink_steps,
    seed: int = Settings.seed,
    seconds: float = Settings.seconds,
    call_seconds: float = CALL_SECONDS,
) -> pytest.MarkDecorator:
    """Parametrize a test ``(target, check)``, whose body is ``check(target)``: one id per check and target.

    A check that does not apply is skipped with its reason; one test per target, ``some_check_runs``, fails if none
    applies. A failing test shows the finding: the sentence, the smallest case, a better answer, and the command that
    runs it again from ``.equipoise/``. A check that gives up, because a time limit struck before all cases were tried,
    fails and says so: it has shown nothing.

    Parameters
    ----------
    targets
        Balancers, or one: names as :func:`equipoise.balancers.find.resolve` takes them, or Python objects. Names run
        in a process of their own, and so do functions and classes that can be imported from their module. Other
        objects (instances, local functions) run in this process, where nothing stops one that hangs; failures say so.
    role
        Name of a role that ships or is registered; None: told from the target's
        parameters, else "router".
    as_, form, accepts, declares
        What is said of all of them from outside, as for :func:`equipoise.check`: what they compute, how they are
        called, which inputs they take, what they would declare in ``capabilities``.
    expected_failed_checks
        Reasons by name of check, or the TOML file that has them. Such a check fails the test if it passes. A name in a
        file that no check has is a warning.
    max_gap
        Largest relative gap to the certified optimum, for instance 0.01; None: see the checks of quality.
    exclude, checks_as_of
        Names to leave out; version after which checks are left out.
    examples, shrink_steps, seed
        Cases per check, smaller cases to try per finding, and the seed of the search.
    seconds, call_seconds
        Wall time after which a check gives up, and per call of the target, where it has a process of its own.

    Raises
    ------
    InvalidProblem
        If there is no target or no check, or a name or number is none.
    """
    role, declares = said(as_, role, declares)
    path = expected_failed_checks if isinstance(expected_failed_checks, str | PathLike) else None
    given = {} if isinstance(expected_failed_checks, str | PathLike) else dict(expected_failed_checks or {})
    expected = given if path is None else read_expected(path)
    settings = Settings(max_gap, examples, shrink_steps, seed, call_seconds, seconds)
    found = _candidates(targets, role, settings, form, accepts=accepts, declares=tuple(declares))
    trials = [(one, trial) for one in found for trial in _trials(one.role, expected, exclude, checks_as_of)]
    selected = [trial.entry for _, trial in trials if isinstance(trial, Trial)]
    for sentence in unmatched(expected, (entry.name for entry in selected)).values() if path is not None else ():
        warnings.warn(sentence, BalancerWarning, stacklevel=2)
    for name in sorted(given):
        check_named(name, selected, "expected_failed_checks", " or ".join(dict.fromkeys(one.role for one in found)))
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

    def __init__(self, target: Target, name: str, role: str, settings: Settings) -> None:
        self.target, self.name, self.role, self.settings = target, name, role, settings
        self._battery: Battery | None = None
        self._broken: str | None = None

    @property
    def battery(self) -> Battery:
        """The checks on this target, in a process of its own where one can find it by name; fails the test if none."""
        if self._broken is None and self._battery is None:
            try:
                balancer = replace(self.target, role=self.role).hold(call_seconds=self.settings.call_seconds)
                self._battery = Battery(balancer, self.settings)
            except (TargetNotFound, TargetError, InvalidProblem) as error:
                self._broken = f"{self.name} cannot be tried: {error}"
        if self._battery is None:
            pytest.fail(str(self._broken), pytrace=False)
        _STAGE.enter(self._battery.balancer)
        return self._battery

    @property
    def note(self) -> str:
        """What a failure adds where nothing protects the tests from the target."""
        inside = self._battery is not None and isinstance(self._battery.balancer, InProcess)
        return "\nIt ran in the process of the tests: no other one can import it by name." if inside else ""


class _Stage:
    """At most one target has a process at a time, and none outlives the tests; a closed one starts again by itself."""

    def __init__(self) -> None:
        self._balancer: Balancer | None = None
        atexit.register(self.leave)

    def enter(self, balancer: Balancer) -> None:
        if self._balancer is not balancer:
            self.leave()
        self._balancer = balancer

    def leave(self) -> None:
        if self._balancer is not None:
            self._balancer.close()


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
        if outcome.gave_up:
            limit = f"the limit of {candidate.settings.seconds:g} s struck"
            pytest.fail(f"{self.name} {outcome.sentence}: {limit}; neither passed nor failed", pytrace=False)
        finding = outcome.finding
        if finding is None:
            if self.expected is not None:
                words = f"{self.name} holds for {candidate.name}, but expected_failed_checks names it: {self.expected}"
                pytest.fail(words, pytrace=False)
            return
        finding.save()
        words = finding.describe(candidate.settings.max_gap) + candidate.note
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
            if applies and run_check(battery.balancer, asking, candidate.settings).cases:
                return
        pytest.fail(f"none of the {len(self.entries)} checks says anything about {candidate.name}", pytrace=False)


def _candidates(targets: Any, role: str | None, settings: Settings, form: str | None, **said: Any) -> list[Candidate]:
    listed = list(targets) if isinstance(targets, list | tuple) else [targets]
    if not listed:
        raise InvalidProblem("targets", "empty", "at least one balancer")
    found: list[Candidate] = []
    names: list[str] = []
    for one in listed:
        target = replace(Target.of(one, form=form), **said)
        names.append(target.name)
        number = f"#{names.count(target.name)}" if names.count(target.name) > 1 else ""
        told = role_named(role) if role is not None else _role(target)
        told.declared(target.declares)  # an error here, not in every test
        if target.accepts is not None:
            Condition(target.accepts, told.letters)
        found.append(Candidate(target, target.name + number, told.name, settings))
    return found


def _trials(role: str, expected: dict[str, str], exclude: Iterable[str], as_of: str | None) -> list[Trial | Count]:
    entries = select(role, exclude, as_of)
    if not entries:
        raise InvalidProblem("exclude and checks_as_of", "leaving no check", "at least one check")
    return [Count(tuple(entries)), *(Trial(entry, expected.get(entry.name)) for entry in entries)]


def _role(target: Target) -> Role:
    """Return what the target's parameters tell, else the router; a name that leads nowhere fails in its tests."""
    if target.role is not None:
        return role_named(target.role)
    try:
        if target.given is not None:
            role = role_of(target.given)
        elif target.entry is not None:
            role = resolve(target.name)[0]
        else:
            with POOL.borrow(target) as balancer:
                role = balancer.role
    except (TargetNotFound, TargetError):
        role = None
    return role or role_named("router")
