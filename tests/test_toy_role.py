"""A role costs three files: one that only the tests know (toy_role, toy_audit, toy_checks) is audited, compared with a
baseline, checked, replayed and studied, in Python, from the command line and in pytest, here and in other processes.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

from equipoise import audit, roles
from equipoise.balancers.isolated import Isolated
from equipoise.checks.check import check, replay
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.settings import Settings
from equipoise.checks.engine.trial import run_check
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.study.description import decode
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


LOADS = np.random.default_rng(0).integers(1, 50, (3, 6))
TARGETS = ["largest", "toy_balancers:largest", "toy_balancers:smallest"]


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


def test_an_audit_of_toys_measures_what_the_role_says_whatever_the_process_and_the_workers(tmp_path):
    result = audit(TARGETS, trace=LOADS, count=2)
    assert result.kind.role == "toy"
    for row, load in zip(result.rows, np.tile(LOADS, (3, 1)), strict=True):
        ordered = np.sort(load)
        reached = ordered[:2].sum() if row.balancer.endswith("smallest") else ordered[-2:].sum()
        assert row["lost"] == ordered[-2:].sum() - reached
    assert [summary["mean_lost"] for summary in result.summary][:2] == [0.0, 0.0]
    assert "load beyond that of the picked" in result.table()
    assert audit(TARGETS, trace=LOADS, count=2, workers=2).rows == result.rows
    with pytest.raises(InvalidProblem, match="--count is given for a router; allowed: only for toy"):
        audit(["topk"], count=2)


def test_the_command_line_audits_toys_in_every_form_and_compares_them_with_a_baseline(tmp_path):
    np.savez(tmp_path / "loads.npz", load=LOADS[:, None])
    command = ("audit", "toy_balancers:largest", "--trace", "loads.npz", "--steps", 3)
    document = json.loads(equipoise(*command, "--format", "json").stdout)
    assert (document["role"], document["options"]["count"]) == ("toy", 2)
    assert [row["lost"] for row in document["rows"]] == [0, 0, 0]
    for form in ("table", "markdown"):
        shown = equipoise(*command, "--format", form)
        assert (shown.returncode, "toy_balancers:largest" in shown.stdout) == (0, True), shown.stderr
    stored = ("--baseline", "b.json")
    assert equipoise(*command, *stored, "--update-baseline").returncode == 0
    assert "None of 3 gaps is worse" in equipoise(*command, *stored).stdout
    content = json.loads((tmp_path / "b.json").read_text())
    content["gaps"]["toy_balancers:smallest"] = content["gaps"]["toy_balancers:largest"]
    (tmp_path / "b.json").write_text(json.dumps(content))
    worse = equipoise("audit", "toy_balancers:smallest", "--trace", "loads.npz", "--steps", 3, *stored)
    assert (worse.returncode, "3 of 3 gaps are worse" in worse.stdout) == (1, True)


STUDY = """
title = "Picks"
seeds = [0, 1]
baseline = "toy_balancers:largest"

[toy]
methods = ["toy_balancers:largest", "toy_balancers:smallest"]
count = 3

[[toy.instances]]
kind = "generated"
zipf = [0.5, 1.5]
experts = [6]
tokens = 400
"""


def test_toys_are_studied_end_to_end_and_the_rows_are_those_of_the_audit_with_any_workers(tmp_path):
    (tmp_path / "picks.toml").write_text(STUDY)
    for place, options in (("alone", ()), ("spread", ("--workers", 2))):
        done = equipoise("study", "picks.toml", "--out", place, *options)
        assert done.returncode == 0, done.stderr
    alone, spread = (polars.read_parquet(tmp_path / place / "rows.parquet") for place in ("alone", "spread"))
    assert alone.drop("seconds", strict=False).equals(spread.drop("seconds", strict=False))
    assert len(alone) == 2 * 2 * 2
    shares = np.arange(1, 7) ** -0.5
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        load = np.sort(rng.multinomial(400, rng.permutation(shares / shares.sum())))
        of_seed = (polars.col("seed") == seed) & (polars.col("instance") == "zipf0.5/E6")
        lost = dict(alone.filter(of_seed).select("balancer", "lost").iter_rows())
        assert lost == {
            "toy_balancers:largest": 0,
            "toy_balancers:smallest": load[-3:].sum() - load[:3].sum(),
        }
    report = (tmp_path / "alone" / "report.md").read_text()
    assert "## Toys\n\n| method | loss |" in report
    assert '<section id="toy"' in (tmp_path / "alone" / "report.html").read_text()


def test_a_study_refuses_what_is_not_an_option_of_the_toys_audit_and_a_role_that_nobody_registered(monkeypatch):
    with pytest.raises(InvalidFile, match="toy has the key 'counts'; allowed: methods, "):
        decode(STUDY.replace("count =", "counts ="), "x")
    with pytest.raises(InvalidFile, match=r"toy\.count: expected int >= 1"):
        decode(STUDY.replace("count = 3", "count = 0"), "x")
    monkeypatch.setattr(roles, "_HOMES", {})
    with pytest.raises(InvalidFile, match="the file has the key 'toy'; allowed: title, seeds, metric"):
        decode(STUDY, "x")
