"""The checks have teeth: each catches a faulty miniature made for it, and no correct balancer is flagged.

Of every role, ``miniature_<role>s`` has the faulty balancers and ``sound_<role>s`` the correct ones.
"""

import importlib
import os

import pytest
from equipoise.isolation.subject import CALL_SECONDS, Isolated
from equipoise.targets import CATALOGUES

from equipoise.checks.registry import select
from equipoise.checks.run import run_check, run_checks
from equipoise.checks.settings import Settings

ROLES = ("router", "scheduler", "placer", "predictor")
SLOW = {"arima": "statsmodels", "lstm": "torch"}
"""Built-in predictors that take up to a second a call, or to be trained, and what they need; for nightly runs."""
NIGHTLY = os.environ.get("EQUIPOISE_PROFILE") == "nightly"
CHECKS = {role: {entry.name: entry for entry in select(role)} for role in ROLES}
FAULTY = {role: importlib.import_module(f"miniature_{role}s").FAULTY for role in ROLES}
SOUND = {role: importlib.import_module(f"sound_{role}s").CORRECT for role in ROLES}
CORRECT = [
    (role, name)
    for role in ROLES
    for name in [*(f"sound_{role}s:{name}" for name in SOUND[role]), *CATALOGUES[role]]
    if NIGHTLY or name not in SLOW
]


@pytest.fixture(scope="module")
def subject():
    """A process that takes one balancer after the other; one that hangs or crashes ends it, and it starts again."""
    with Isolated("topk", "router") as subject:
        yield subject


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in ROLES for name in FAULTY[role]])
def test_a_faulty_balancer_is_caught_by_the_check_made_for_its_defect(subject, role, name):
    entry = CHECKS[role][FAULTY[role][name]]
    subject.take(f"miniature_{role}s:{name}", role)
    subject.call_seconds = 0.5
    assert entry.skipped(subject.capabilities | {"returns weights"}) is None
    outcome = run_check(subject, entry, Settings(max_gap=1.0, examples=60, seconds=6, shrink_seconds=0.1))
    assert outcome.finding is not None
    assert outcome.finding.check == FAULTY[role][name]
    assert "\n" not in outcome.finding.message


@pytest.mark.parametrize("role", ROLES)
def test_every_check_kills_at_least_one_faulty_balancer(role):
    without = set(CHECKS[role]) - set(FAULTY[role].values())
    assert not without


@pytest.mark.parametrize(("role", "name"), CORRECT)
def test_no_check_flags_a_correct_balancer(subject, role, name):
    pytest.importorskip(SLOW.get(name, "equipoise"))
    subject.take(name, role)
    subject.call_seconds = CALL_SECONDS
    seconds = 4 if name in SLOW else 1
    report = run_checks(subject, list(CHECKS[role].values()), Settings(examples=12, seconds=seconds))
    assert [(finding.check, finding.message, finding.case) for finding in report.findings] == []
    assert report.ran >= 3
