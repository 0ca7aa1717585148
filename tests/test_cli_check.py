"""`equipoise check` and `equipoise replay` as processes."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from equipoise.checks.cases import RouterCase
from equipoise.checks.run import Finding
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from command_line import run
from equipoise.checks import store
from equipoise.errors import InvalidFile
from test_cli import folder

__all__ = ["folder"]

QUICK = ("--examples", 15, "--seconds", 2)


def test_a_sound_router_passes_with_code_0_and_leaves_no_files(folder):
    checked = run(folder, "check", "topk", *QUICK, "--format", "json")
    assert checked.returncode == 0, checked.stderr
    document = json.loads(checked.stdout)
    assert document["passed"]
    assert sum(entry["outcome"] == "passed" for entry in document["checks"]) >= 15
    assert not (folder / ".equipoise").exists()


def test_a_broken_router_is_shown_with_its_case_and_can_be_replayed_until_fixed(folder):
    source = (folder / "routers.py").read_text()
    (folder / "routers.py").write_text(
        source + "\n\ndef mine(scores, top_k):\n    return np.argsort(scores, axis=1)[:, :top_k]\n"
    )
    checked = run(folder, "check", "routers:mine", *QUICK)
    assert checked.returncode == 1
    assert "router_is_near_the_optimum" in checked.stdout
    assert "scores = np.array(" in checked.stdout
    name = checked.stdout.split("equipoise replay ")[1].split()[0]
    again = run(folder, "replay", name)
    assert (again.returncode, again.stdout[:11]) == (1, "STILL FAILS")
    fixed = run(folder, "replay", name, "--target", "topk")
    assert (fixed.returncode, fixed.stdout[:5]) == (0, "FIXED")
    assert run(folder, "replay", name, "--target", "routers:gone").returncode == 2


def test_a_broken_scheduler_is_shown_with_its_case_and_can_be_replayed(folder):
    (folder / "mine.py").write_text(
        "def first_host(load, hosts):\n    return (hosts.cumsum(1) <= 1) * hosts * load[:, None]\n"
    )
    checked = run(folder, "check", "mine.py:first_host", "--role", "scheduler", *QUICK)
    assert checked.returncode == 1, checked.stderr
    assert "scheduler_uses_idle_replicas: device 0 serves" in checked.stdout
    assert "hosts = np.array([[" in checked.stdout
    name = checked.stdout.split("equipoise replay ")[1].split()[0]
    assert run(folder, "replay", name).stdout.startswith("STILL FAILS")
    assert run(folder, "replay", name, "--target", "micromoe").stdout.startswith("FIXED")


def test_a_broken_placer_is_shown_with_its_machine_and_loads_and_can_be_replayed(folder):
    source = "import numpy as np\n\n\ndef mine(load, slots, *machine):\n    return np.zeros((len(load), slots), int)\n"
    (folder / "placers.py").write_text(source)
    checked = run(folder, "check", "placers:mine", "--role", "placer", *QUICK)
    assert checked.returncode == 1
    assert "placer_answers: phy2log places expert 1 of layer 0 nowhere." in checked.stdout
    assert "num_slots = " in checked.stdout
    assert "load = np.array(" in checked.stdout
    name = checked.stdout.split("equipoise replay ")[1].split()[0]
    assert run(folder, "replay", name).returncode == 1
    assert run(folder, "replay", name, "--target", "eplb").returncode == 0


def test_a_gap_above_the_allowed_one_is_a_finding(folder):
    within = run(folder, "check", "bip", *QUICK, "--max-gap", "300%", "--format", "json")
    assert within.returncode == 0, within.stdout
    beyond = run(folder, "check", "bip", *QUICK, "--max-gap", "0%", "--format", "json")
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


cases = st.builds(
    lambda batches, k: RouterCase(tuple(batches), k),
    st.lists(hnp.arrays(np.float32, (2, 3), elements=st.floats(width=32, allow_nan=False)), min_size=1, max_size=3),
    st.integers(1, 3),
)


@given(cases)
def test_a_case_goes_through_json_without_losing_a_bit(case):
    again = RouterCase.from_json(json.loads(json.dumps(case.to_json())))
    assert again.top_k == case.top_k
    assert [batch.tobytes() for batch in again.batches] == [batch.tobytes() for batch in case.batches]
    assert again.batches[0].dtype == np.float32


def test_a_finding_is_named_by_its_content(tmp_path):
    def finding(value):
        case = RouterCase((np.full((1, 2), value, np.float32),), 1)
        return Finding("router_answers", "router", "mine:route", "error", "raises", "it raised", case)

    assert store.identity(finding(1.0)) == store.identity(finding(1.0)) != store.identity(finding(2.0))
    path = store.save(finding(1.0), tmp_path / "here")
    assert store.load(str(path)).message == "it raised"


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
        store.load(str(tmp_path / "f.json"))
    assert "\n" not in str(raised.value)
