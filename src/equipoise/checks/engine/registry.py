"""The checks by name: one function per property, with what it needs and where it comes from."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from equipoise.errors import InvalidProblem
from equipoise.roles import role_named
from equipoise.roles.role import with_any_number

Severity = Literal["error", "warning"]

PARTS = ("answers", "weights", "groups", "values", "invariance", "quality", "state", "production")
"""Modules of checks that a role may have, in the order in which they run."""


SIZES: ContextVar[tuple[int, ...] | None] = ContextVar("sizes", default=None)
"""The sizes that a family is to draw, while its strategy is made; None: any."""


class Failure(Exception):
    """A property is broken.

    Parameters
    ----------
    message
        One sentence with the numbers.
    better
        A better answer, as proof that the property can be had; None where there is nothing to show.
    """

    def __init__(self, message: str, better: Any = None) -> None:
        super().__init__(message)
        self.better = better


class Silent(Exception):
    """The property says nothing about the target on this case; the message says why. The case does not count."""


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

    def __call__(self, sizes: tuple[int, ...] | None = None) -> Any:
        """Return the strategy; ``sizes`` are the only ones that the target is asked for, if there are such."""
        if sizes is None:  # also where one family is made of another
            return self.search()
        token = SIZES.set(sizes)
        try:
            return self.search()
        finally:
            SIZES.reset(token)


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
        Name of the role whose property it is.
    function
        ``function(balancer, case, settings)``: raises :class:`Failure` where the property is broken and
        :class:`Silent` where it says nothing; may return a statement, one sentence on what the balancer does where
        nothing is promised.
    cases
        Family of the cases it is tried on.
    part
        Which of :data:`PARTS` it belongs to.
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
    role: str
    function: Callable[..., str | None]
    cases: Family
    part: str
    since: str = "0.1"
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    severity: Severity = "error"

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def skipped(self, capabilities: frozenset[str]) -> str | None:
        """Say why the check says nothing about such a target; None if it does."""
        shown = set(map(with_any_number, capabilities))
        for need in self.needs:
            if not shown & set(need.split("|")):
                return f"the target lacks: {need.replace('|', ' or ')}"
        for exemption in self.unless:
            if exemption in shown:
                return f"the target declares: {exemption}"
        return None


CHECKS: dict[str, Check] = {}


def register(entry: Check) -> None:
    """Add a check, whose name must be new."""
    assert entry.name not in CHECKS, entry.name
    CHECKS[entry.name] = entry


def check(
    role: str,
    cases: Family,
    *,
    since: str = "0.1",
    needs: Iterable[str] = (),
    unless: Iterable[str] = (),
    severity: Severity = "error",
) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
    """Register a function as a check under its own name."""

    def add(function: Callable[..., str | None]) -> Callable[..., str | None]:
        part = function.__module__.rpartition(".")[2]
        register(Check(function.__name__, role, function, cases, part, since, tuple(needs), tuple(unless), severity))
        return function

    return add


def select(role: str, exclude: Iterable[str] = (), as_of: str | None = None) -> list[Check]:
    """Return the checks of a role, part by part, in the order in which they were registered.

    Raises
    ------
    InvalidProblem
        If there is no such role, an excluded name is not a check of it, or the version is not one.
    """
    importlib.import_module(role_named(role).checks)  # registers them
    known = [entry for entry in CHECKS.values() if entry.role == role]
    known.sort(key=lambda entry: PARTS.index(entry.part) if entry.part in PARTS else len(PARTS))
    excluded = set(exclude)
    for name in sorted(excluded):
        check_named(name, known, "exclude", role)
    latest = None if as_of is None else _version(as_of)
    return [e for e in known if e.name not in excluded and (latest is None or _version(e.since) <= latest)]


def check_named(name: str, checks: Iterable[Check], field: str, role: str) -> Check:
    """Return the check of that name; raise :class:`InvalidProblem`, with the nearest name, if it is none of these."""
    known = {entry.name: entry for entry in checks}
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidProblem(field, repr(name), f"a check of the role {role}{hint}")
    return known[name]


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError:
        raise InvalidProblem("checks-as-of", repr(text), "a version such as 0.1") from None
