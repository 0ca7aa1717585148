"""The router checks have teeth: each catches a faulty miniature made for it, and no correct router is flagged."""

import pytest

from equipoise.checks.registry import select
from equipoise.checks.run import run_check, run_checks
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Isolated
from equipoise.reference.routing.catalogue import ROUTERS
from miniature_routers import FAULTY
from sound_routers import CORRECT

CHECKS = {entry.name: entry for entry in select("router")}


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_router_is_caught_by_the_check_made_for_its_defect(name):
    entry = CHECKS[FAULTY[name]]
    with Isolated(f"miniature_routers:{name}", "router", call_seconds=0.5) as subject:
        assert entry.skipped(subject.capabilities | {"returns weights"}) is None
        outcome = run_check(subject, entry, Settings(max_gap=1.0, examples=60, seconds=6))
    assert outcome.finding is not None
    assert outcome.finding.check == FAULTY[name]
    assert "\n" not in outcome.finding.message


def test_every_check_kills_at_least_one_faulty_router():
    without = set(CHECKS) - set(FAULTY.values())
    assert not without


@pytest.mark.parametrize("name", [*(f"sound_routers:{name}" for name in CORRECT), *ROUTERS])
def test_no_check_flags_a_correct_router(name):
    with Isolated(name, "router") as subject:
        report = run_checks(subject, list(CHECKS.values()), Settings(examples=12, seconds=3))
    assert [(finding.check, finding.message, finding.case) for finding in report.findings] == []
    assert report.ran >= 3
