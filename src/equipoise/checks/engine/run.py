"""All checks on one target, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.findings import PROPERTY
from equipoise.checks.engine.refusals import Refusals
from equipoise.checks.engine.registry import Check
from equipoise.checks.engine.report import Outcome, Report
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.trial import Behaviour, run_check

MOST_HANGS = 5
"""Hanging calls of one target, after which no other check is tried: each costs the time limit of a call."""


class Battery:
    """The checks on one target.

    A check that does not apply is skipped, and so is one that meets a failure which another has reported: a target that
    raises, hangs, crashes or returns nothing readable is reported once per kind, a broken property once per sentence.
    """

    def __init__(self, balancer: Balancer, settings: Settings) -> None:
        self.balancer, self.settings = balancer, settings
        self.capabilities = balancer.probe()
        self.refusals = Refusals(balancer)
        self._reported: dict[Behaviour, str] = {}
        self._hangs: list[str] = []
        self._slow = ""

    def run(self, entry: Check, deadline: float = float("inf")) -> Outcome:
        """Try one check, until the deadline of :func:`time.monotonic` at the latest."""
        reason = entry.skipped(self.capabilities)
        if reason is not None:
            return Outcome(entry.name, skipped=reason)
        if len(self._hangs) >= MOST_HANGS:
            return Outcome(entry.name, skipped=f"the target hangs: see {self._hangs[0]}")
        if self._slow and entry.part == "production":
            return Outcome(entry.name, skipped=f"the target is slow: see {self._slow}")
        known = {key for key, first in self._reported.items() if first != entry.name}
        outcome = run_check(self.balancer, entry, self.settings, known, deadline, self.refusals)
        self._slow = self._slow or entry.name * bool(outcome.slow)
        finding = outcome.finding
        if finding is None:
            return outcome
        if finding.kind == "hangs":
            self._hangs.append(entry.name)
        first = self._reported.setdefault(finding.behaviour, entry.name)
        if first == entry.name:
            return outcome
        words = "fails in the same way" if finding.kind == PROPERTY else finding.kind
        return Outcome(entry.name, skipped=f"the target {words}: see {first}")


def run_checks(
    balancer: Balancer,
    checks: Sequence[Check],
    settings: Settings,
    progress: Callable[[Check], None] = lambda entry: None,
) -> Report:
    """Try every check on the target."""
    battery = Battery(balancer, settings)
    deadline = time.monotonic() + settings.run_seconds
    outcomes: list[Outcome] = []
    for entry in checks:
        progress(entry)
        outcomes.append(battery.run(entry, deadline))
    return Report(
        balancer.name, balancer.role.name, outcomes, settings.max_gap, battery.refusals.found(), balancer.misspelt
    )
