"""Failures that are known: a file of checks with reasons, and what it makes of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from os import PathLike

from equipoise.checks.engine.report import Outcome, Report
from equipoise.errors import InvalidFile
from equipoise.files import strict_toml, text_of

LARGEST = 1 << 20


def read_expected(path: str | PathLike[str]) -> dict[str, str]:
    """Return the reasons by name of check that a TOML file states, as in ``router_breaks_ties = "ticket 17"``.

    Raises
    ------
    InvalidFile
        If it cannot be read, or holds anything else.
    """
    table = strict_toml(text_of(path, LARGEST), path)
    for name, reason in table.items():
        if not isinstance(reason, str) or not reason:
            raise InvalidFile(f'{path}: {name} is {reason!r}; allowed: a reason, as in {name} = "ticket 17"')
    return table


def unmatched(expected: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return a sentence for each expected name that is no check, with the nearest one."""
    names = list(known)
    sentences = {}
    for name in (name for name in expected if name not in names):
        near = get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        sentences[name] = f"{name!r} is expected to fail, but no check has that name{hint}"
    return sentences


def expecting(report: Report, expected: Mapping[str, str]) -> Report:
    """Return the report with expected failures as warnings; what was expected in vain is a warning too."""
    outcomes = [_expected(outcome, expected.get(outcome.check)) for outcome in report.outcomes]
    held = [
        f"{outcome.check} is expected to fail ({expected[outcome.check]}), but holds"
        for outcome in outcomes
        if outcome.check in expected and outcome.verdict == "passed"
    ]
    vain = unmatched(expected, (outcome.check for outcome in outcomes)).values()
    return replace(report, outcomes=outcomes, warnings=(*vain, *held))


def _expected(outcome: Outcome, reason: str | None) -> Outcome:
    if reason is None or outcome.finding is None:
        return outcome
    message = f"{outcome.finding.message} (expected: {reason})"
    return replace(outcome, finding=replace(outcome.finding, severity="warning", message=message))
