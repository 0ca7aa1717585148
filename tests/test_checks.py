"""The checks have teeth: each catches a faulty miniature made for it, and no correct balancer is flagged."""

import os
from collections import Counter

import pytest

from equipoise.balancers.find import Target
from equipoise.balancers.isolated import Isolated
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.run import run_checks
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.trial import run_check
from equipoise.roles import all_roles
from miniatures import correct_targets, faulty_targets, has_parts

ROLES = tuple(all_roles())
SLOW = {"arima": "statsmodels", "lstm": "torch"}
"""Built-in predictors that take up to a second a call, or to be trained, and what they need; for nightly runs."""
SLOW_AT_SIZE = ("micromoe",)
"""Built-in placers that take a minute for one layer of production size."""
PROBED = {"returns weights", "by source"}
"""Capabilities that only a call can tell; a faulty miniature is not asked for them."""
NIGHTLY = os.environ.get("EQUIPOISE_PROFILE") == "nightly"
CHECKS = {role: {entry.name: entry for entry in select(role)} for role in ROLES}
FEW = 1
"""Miniatures of each check that are tried outside nightly runs."""


def _correct(role):
    """The correct balancers of a role; those of modules with ``PARTS`` are for nightly runs."""
    names = [*correct_targets(role), *all_roles()[role].catalogue]
    slow = {*SLOW, *(SLOW_AT_SIZE if role == "placer" else ())}
    return names if NIGHTLY else [name for name in names if name not in slow and not has_parts(name)]


def _faulty(role):
    """The faulty balancers of a role: all in nightly runs, else at most a few for each check."""
    checks, found = Counter(), []
    for target, check in faulty_targets(role).items():
        checks[check] += 1
        found += [target] * (NIGHTLY or checks[check] <= FEW)
    return found


CORRECT = [(role, name) for role in ROLES for name in _correct(role)]


@pytest.fixture(scope="module")
def balancer():
    """A process that takes one balancer after the other; one that hangs or crashes ends it, and it starts again."""
    with Isolated("topk", "router") as balancer:
        yield balancer


@pytest.mark.parametrize(("role", "target"), [(role, target) for role in ROLES for target in _faulty(role)])
def test_a_faulty_balancer_is_caught_by_the_check_made_for_its_defect(balancer, role, target):
    entry = CHECKS[role][faulty_targets(role)[target]]
    balancer.take(target, role)
    balancer.call_seconds = 0.5
    assert entry.skipped(balancer.capabilities | PROBED) is None
    finding = run_check(balancer, entry, Settings(max_gap=1.0, examples=60, shrink_steps=5)).finding
    assert finding is not None
    assert finding.check == entry.name
    assert "\n" not in finding.message


@pytest.mark.parametrize("role", ROLES)
def test_every_check_kills_at_least_one_faulty_balancer(role):
    assert not set(CHECKS[role]) - set(faulty_targets(role).values())


@pytest.mark.parametrize(("role", "name"), CORRECT)
def test_no_check_flags_a_correct_balancer(role, name):
    """In this process, where a call costs less."""
    pytest.importorskip(SLOW.get(name, "equipoise"))
    checks = list(CHECKS[role].values())
    if role == "placer" and name in SLOW_AT_SIZE:
        checks = [entry for entry in checks if entry.part != "production"]
    with Target.of(name, role).hold(in_process=True) as balancer:
        report = run_checks(balancer, checks, Settings(examples=6))
    assert [(finding.check, finding.message, finding.case) for finding in report.findings] == []
    assert not report.gave_up
    assert report.ran >= 3
