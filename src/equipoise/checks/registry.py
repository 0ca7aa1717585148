"""The checks by name: one function per property, with what it needs and where it comes from."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from equipoise.errors import InvalidProblem

Role = Literal["router", "scheduler", "placer", "predictor"]
Severity = Literal["error", "warning"]

ROLES: tuple[Role, ...] = tuple(
    role for role in get_args(Role) if importlib.util.find_spec(f"equipoise.checks.{role}") is not None
)
"""The roles that there are checks for; finding them imports none."""


@dataclass(frozen=True)
class Family:
    """Cases of one kind.

    Attributes
    ----------
    search
        Returns the Hypothesis strategy that draws them.
    admits
        Says whether a case of the role, from wherever, is one of them.
    """

    search: Callable[[], Any]
    admits: Callable[[Any], bool]

    def __call__(self) -> Any:
        """Return the strategy."""
        return self.search()


def family(admits: Callable[[Any], bool] = lambda case: True) -> Callable[[Callable[[], Any]], Family]:
    """Make a family of a function that returns a strategy; without ``admits`` it takes every case of its role."""

    def name(search: Callable[[], Any]) -> Family:
        return Family(search, admits)

    return name


@dataclass(frozen=True)
class Check:
    """One property of a role.

    Attributes
    ----------
    name
        Of the function.
    role
        Whose property it is.
    function
        ``function(subject, case, settings)``: raises :class:`Failure` where the property is broken.
    cases
        Family of the cases it is tried on.
    since
        Version of Equipoise that brought it; ``--checks-as-of`` leaves later ones out.
    needs
        Capabilities without which it says nothing, for instance "has bias"; alternatives are joined by "|".
    unless
        Declared capabilities that exempt from it, for instance "drops".
    severity
        "error" fails a run, "warning" is reported.
    """

    name: str
    role: Role
    function: Callable[..., None]
    cases: Family
    since: str
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    severity: Severity = "error"

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def skipped(self, capabilities: frozenset[str]) -> str | None:
        """Say why the check says nothing about such a target; None if it does."""
        for need in self.needs:
            if not capabilities & set(need.split("|")):
                return f"the target lacks: {need.replace('|', ' or ')}"
        for exemption in self.unless:
            if exemption in capabilities:
                return f"the target declares: {exemption}"
        return None


CHECKS: dict[str, Check] = {}


def check(
    role: Role,
    cases: Family,
    *,
    since: str = "0.1",
    needs: Iterable[str] = (),
    unless: Iterable[str] = (),
    severity: Severity = "error",
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a check under its own name."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        name = function.__name__
        assert name not in CHECKS, name
        CHECKS[name] = Check(name, role, function, cases, since, tuple(needs), tuple(unless), severity)
        return function

    return register


def select(role: str, exclude: Iterable[str] = (), as_of: str | None = None) -> list[Check]:
    """Return the checks of a role: its files in the order of the package's ``__all__``, each from top to bottom.

    Raises
    ------
    InvalidProblem
        If the role has no checks, an excluded name is not a check of this role, or the version is not one.
    """
    if role not in ROLES:
        raise InvalidProblem("role", repr(role), f"one that there are checks for: {', '.join(ROLES)}")
    package = importlib.import_module(f"equipoise.checks.{role}")  # registers them
    place = {f"{package.__name__}.{name}": index for index, name in enumerate(package.__all__)}
    known = [entry for entry in CHECKS.values() if entry.role == role]
    known.sort(key=lambda entry: place[entry.function.__module__])
    excluded = set(exclude)
    if unknown := sorted(excluded - {entry.name for entry in known}):
        raise InvalidProblem("exclude", repr(unknown[0]), f"a check of the role {role}")
    latest = None if as_of is None else _version(as_of)
    return [e for e in known if e.name not in excluded and (latest is None or _version(e.since) <= latest)]


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError:
        raise InvalidProblem("checks-as-of", repr(text), "a version such as 0.1") from None
