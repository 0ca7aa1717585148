"""`equipoise check` and `equipoise replay` as processes, and `equipoise.checks.check` beside them."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from command_line import run
from equipoise import cli
from equipoise.checks.check import check, replay
from equipoise.checks.engine.findings import SCHEMA, Finding, load
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.report import Outcome, Report
from equipoise.checks.engine.settings import Settings
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.roles.router import RouterCase
from test_cli import folder

__all__ = ["folder"]

QUICK = ("--examples", 15)


def test_a_sound_router_passes_with_code_0_and_leaves_no_files(folder):
    checked = run(folder, "check", "topk", *QUICK, "--format", "json")
    assert checked.returncode == 0, checked.stderr
    document = json.loads(checked.stdout)
    assert document["passed"]
    assert document["gave_up"] == 0
    assert sum(entry["outcome"] == "passed" for entry in document["checks"]) >= 15
    assert not (folder / ".equipoise").exists()


BROKEN = {
    "router": (
        "def broken(scores, top_k):\n    return np.argsort(scores, axis=1)[:, :top_k]\n",
        ["router_is_near_the_optimum: at its own peak load", "scores = np.array("],
        "topk",
    ),
    "scheduler": (
        "def broken(load, hosts):\n    return (hosts.cumsum(1) <= 1) * hosts * load[:, None]\n",
        ["scheduler_uses_idle_replicas: device 0 serves", "hosts = np.array([["],
        "micromoe",
    ),
    "placer": (
        "def broken(load, slots, *machine):\n    return np.zeros((len(load), slots), int)\n",
        ["placer_answers: its phy2log places expert 1 of layer 0 nowhere.", "num_slots = ", "load = np.array("],
        "eplb",
    ),
    "predictor": (
        "def broken(history, horizon):\n    return np.tile(history.mean(axis=0) + 1, (horizon, 1))\n",
        ["history = np.array(", "A better answer: [["],
        "mine:sound",
    ),
}
SOUND = "\n\ndef sound(history, horizon):\n    return np.tile(history.mean(axis=0), (horizon, 1))\n"


@pytest.mark.parametrize("role", BROKEN)
def test_a_broken_balancer_is_shown_with_its_case_and_can_be_replayed_until_fixed(folder, role):
    source, shown, mended = BROKEN[role]
    (folder / "mine.py").write_text("import numpy as np\n\n\n" + source + SOUND)
    checked = run(folder, "check", "mine:broken", "--role", role, *QUICK)
    assert checked.returncode == 1, checked.stderr
    assert all(words in checked.stdout for words in shown), checked.stdout
    check = shown[0].partition(":")[0]
    name = checked.stdout.partition(check if "_" in check else "\n\n")[2].split("equipoise replay ")[1].split()[0]
    again = run(folder, "replay", name)
    assert (again.returncode, again.stdout[:11]) == (1, "STILL FAILS"), again.stdout
    fixed = run(folder, "replay", name, "--target", mended)
    assert (fixed.returncode, fixed.stdout[:5]) == (0, "FIXED"), fixed.stdout
    assert run(folder, "replay", name, "--target", "mine:gone").returncode == 2


def test_python_and_the_command_line_give_the_same_report(folder, monkeypatch):
    (folder / "mine.py").write_text("import numpy as np\n\n\n" + BROKEN["router"][0])
    options = {"max_gap": 0.5, "examples": 8, "seed": 3, "shrink_steps": 20, "exclude": ["router_breaks_ties"]}
    words = ["--max-gap", "50%", "--examples", 8, "--seed", 3, "--shrink-steps", 20, "--exclude", "router_breaks_ties"]
    code = f"from equipoise.checks.check import check; print(check('mine:broken', **{options}).json())"
    inside = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    outside = run(folder, "check", "mine:broken", *words, "--format", "json")
    assert json.loads(inside.stdout) == json.loads(outside.stdout)
    assert outside.returncode == 1


def test_a_report_in_python_reads_like_the_terminal_and_its_findings_can_be_replayed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def broken(scores, top_k):
        return np.argsort(scores, axis=1)[:, :top_k]

    report = check(broken, max_gap=0.5, examples=5)
    assert not report.passed
    assert repr(report).endswith(f"{len(report.findings)} found something")
    near = next(finding for finding in report.findings if finding.check == "router_is_near_the_optimum")
    assert load(near.id).message == near.message
    assert replay(near.id, broken, max_gap=0.5) == ("STILL FAILS", near.message)
    assert replay(near, "topk", max_gap=0.5)[0] == "FIXED"
    assert replay(near, "no_such:router")[0] == "ERROR"


BUSY = "import os\nwhile os.getppid() == {}: pass"
SOME = {
    "topk": ["router_works_with_few_tokens", "router_is_near_the_optimum"],
    "phased_routers:fails_above_a_quarter": ["router_gives_k_experts"],
}


def test_the_report_is_the_same_with_the_machine_loaded_and_other_modules_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other_numbers.py").write_text(f"NUMBERS = {list(range(2, 12))}\n")
    monkeypatch.syspath_prepend(tmp_path)

    def reports():
        left_out = {target: [c.name for c in select("router") if c.name not in kept] for target, kept in SOME.items()}
        return [
            check(target, max_gap=0.05, exclude=left_out[target], examples=12, shrink_steps=30).to_dict()
            for target in SOME
        ]

    idle = reports()
    busy = [subprocess.Popen([sys.executable, "-c", BUSY.format(os.getpid())]) for _ in range(os.cpu_count())]
    try:
        import other_numbers

        loaded = reports()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert other_numbers.NUMBERS
    assert loaded == idle
    assert {entry["outcome"] for report in idle for entry in report["checks"]} >= {"passed", "FAILED"}


@pytest.mark.parametrize("found", [True, False])
def test_a_check_that_gives_up_ends_with_code_3_even_beside_a_finding(monkeypatch, capsys, found):
    outcomes = [Outcome("router_answers", 3, finding(1.0) if found else None), Outcome("router_rests", 7, gave_up=True)]
    monkeypatch.setattr("equipoise.checks.check.check", lambda target, **options: Report(target, "router", outcomes))
    assert cli.run(["check", "topk", "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["gave_up"], document["passed"]) == (1, False)
    assert [entry["outcome"] for entry in document["checks"]] == ["FAILED" if found else "passed", "gave up"]


def test_a_time_limit_makes_checks_give_up(folder):
    checked = run(folder, "check", "topk", "--examples", 10**6, "--run-seconds", 0.1)
    assert checked.returncode == 3
    assert re.search(r"router_breaks_ties +0  gave up after 0 cases", checked.stdout)
    assert re.search(r", [1-9][0-9]* gave up, 0 found something", checked.stdout)


def test_a_gap_above_the_allowed_one_is_a_finding(folder):
    within = run(folder, "check", "quantile", *QUICK, "--max-gap", "300%", "--format", "json")
    assert within.returncode == 0, within.stdout
    beyond = run(folder, "check", "quantile", *QUICK, "--max-gap", "0%", "--format", "json")
    failed = [entry["check"] for entry in json.loads(beyond.stdout)["checks"] if entry["outcome"] == "FAILED"]
    assert failed == ["router_is_near_the_optimum"]


def test_junit_counts_tests_failures_and_skips(folder):
    checked = run(folder, "check", "routers:breaks", *QUICK, "--format", "junit")
    suite = ElementTree.fromstring(checked.stdout)
    assert checked.returncode == 1
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure")) == 1
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["check", "nonsense"],
        ["check", "topk", "--role", "cook"],
        ["check", "topk", "--seed", "little"],
        ["check", "topk", "--shrink-seconds", "1"],
        ["check", "topk", "--exclude", "no_such_check"],
        ["check", "topk", "--checks-as-of", "yesterday"],
        ["check", "topk", "--checks-as-of", "0.0"],
        ["check", "topk", "--max-gap", "little"],
        ["check", "topk", "--max-gap", "-1%"],
        ["replay", "ffffff"],
        ["replay", "routers.py"],
    ],
)
def test_wrong_use_of_check_and_replay_gets_one_sentence_and_code_2(folder, arguments):
    failed = run(folder, *arguments)
    assert failed.returncode == 2, failed.stdout
    assert "Traceback" not in failed.stderr
    assert sum(line.lower().startswith("error:") for line in failed.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "options", [{"examples": 0}, {"seed": 0.5}, {"seconds": -1}, {"max_gap": "1%"}, {"max_gap": -1}]
)
def test_settings_that_make_no_sense_are_refused_in_one_sentence(options):
    with pytest.raises(InvalidProblem, match=next(iter(options))) as raised:
        Settings(**options)
    assert "\n" not in str(raised.value)


def test_the_nearest_name_is_suggested():
    with pytest.raises(InvalidProblem, match="did you mean 'router_breaks_ties'"):
        check("topk", exclude=["router_break_ties"])


def finding(value):
    case = RouterCase((np.full((1, 2), value, np.float32),), 1)
    return Finding("router_answers", "router", "mine:route", "error", "raises", "it raised", case)


def test_a_finding_is_named_by_its_content(tmp_path):
    assert finding(1.0).id == finding(1.0).id != finding(2.0).id
    assert load(str(finding(1.0).save(tmp_path / "here"))).message == "it raised"


def test_a_finding_of_an_earlier_version_is_read(tmp_path, monkeypatch):
    document = {**finding(1.0).to_dict(), "kind": "parts of tokens", "message": "the router chose", "equipoise": "0.0"}
    for later in ("phase", "origin"):
        del document[later]
    (tmp_path / "old.json").write_text(json.dumps(document))
    old = load(str(tmp_path / "old.json"))
    assert (document["schema"], old.kind, old.case.top_k) == (SCHEMA, "parts of tokens", 1)
    monkeypatch.chdir(tmp_path)
    assert replay("old.json", "topk")[0] == "FIXED"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"schema": "equipoise-finding/1"}',
        b'{"schema": "equipoise-finding/1", "role": "cook"}',
        b'{"schema": "equipoise-finding/1", "role": "router", "check": "x", "target": "x", "severity": "error",'
        b' "kind": "x", "message": "x", "case": {"batches": [{"dtype": "O", "shape": [1], "bytes": ""}], "top_k": 1}}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_no_finding_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(InvalidFile) as raised:
        load(str(tmp_path / "f.json"))
    assert "\n" not in str(raised.value)
