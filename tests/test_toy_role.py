"""A role costs three files: a role that only the tests know is checked and replayed, in Python, from the command line
and in pytest, in this process and in others.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from equipoise import roles
from equipoise.balancers.isolated import Isolated
from equipoise.checks.check import check, replay
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.trial import run_check
from equipoise.testing import SOME_CHECK_RUNS, make_suite

HERE = str(Path(__file__).parent)
COMMAND = f"""
import sys
sys.path.insert(0, {HERE!r})
from equipoise.roles import register
register("toy_role")
from equipoise.cli import main
main()
"""
TESTS = f"""
import sys
sys.path.insert(0, {HERE!r})
from equipoise.roles import register
register("toy_role")
from equipoise.testing import parametrize_with_checks

@parametrize_with_checks(["toy_balancers:largest", "toy_balancers:smallest"], examples=5)
def test_toys(target, check):
    check(target)
"""


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    """The role, known for the time of one test, which has a folder of its own."""
    monkeypatch.setattr(roles, "_HOMES", dict(roles._HOMES))
    monkeypatch.chdir(tmp_path)
    return roles.register("toy_role")


def equipoise(*arguments):
    return subprocess.run([sys.executable, "-c", COMMAND, *map(str, arguments)], capture_output=True, text=True)


def kinds():
    from miniatures import faulty_targets

    return faulty_targets("toy")


@pytest.mark.parametrize("target", ["largest", "toy_balancers:largest", "miniatures:toy_KeepsItsState"])
def test_a_sound_toy_passes(target):
    report = check(target, role=None if "miniatures" not in target else "toy", examples=10)
    assert report.passed, report
    assert report.role == "toy"
    assert report.ran >= 8


def test_every_kind_of_faulty_toy_is_caught_by_the_clause_made_for_it(toy):
    entries = {entry.name: entry for entry in select("toy")}
    assert set(kinds().values()) == set(entries)
    with Isolated("largest", "toy", call_seconds=0.5) as balancer:
        for target, name in kinds().items():
            balancer.take(target, "toy")
            outcome = run_check(balancer, entries[name], Settings(shrink_steps=5))
            assert outcome.finding is not None, target


def test_a_faulty_toy_is_shown_and_replayed_in_python_and_on_the_command_line():
    report = check("toy_balancers:smallest", examples=10)
    [finding] = report.findings
    assert finding.message == "what it picks has 0 tokens, 1 can be had"
    assert replay(finding.id) == ("STILL FAILS", finding.message)
    assert replay(finding.id, "toy_balancers:largest")[0] == "FIXED"
    again = equipoise("replay", finding.id)
    assert (again.returncode, again.stdout) == (1, f"STILL FAILS: {finding.message}\n")


def test_the_command_line_says_what_python_says():
    for target, code in (("toy_balancers:largest", 0), ("toy_balancers:smallest", 1)):
        checked = equipoise("check", target, "--role", "toy", "--examples", 10, "--format", "json")
        assert checked.returncode == code, checked.stderr
        assert json.loads(checked.stdout) == check(target, "toy", examples=10).to_dict()
    table = equipoise("check", "toy_balancers:smallest", "--examples", 10)
    assert "toy_picks_the_largest: what it picks has 0 tokens, 1 can be had." in table.stdout


def test_pytest_has_a_test_for_every_check_of_a_toy(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "test_mine.py"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    failed = [line for line in run.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert "toy_balancers:smallest-toy_picks_the_largest" in failed[0]
    names = [SOME_CHECK_RUNS, *(entry.name for entry in select("toy"))]
    shown = [name for name in names if f"[toy_balancers:largest-{name}]" in run.stdout]
    assert set(names) - set(shown) == {"toy_reset_forgets", "toy_state_round_trips"}  # pytest folds what is skipped
    assert {f"test_{name}" for name in names} <= set(vars(make_suite("largest", role="toy")))
