"""Every reader refuses hostile files in one sentence: pipes, devices, too deep, twice; names are escaped."""

import json
import os
import time
from fractions import Fraction
from pathlib import Path

import pytest

from command_line import run
from equipoise import Certificate, InvalidFile
from equipoise.audits.baseline import Baseline
from equipoise.certificates.check.placement import Sizes, check_placement
from equipoise.checks.engine import findings
from equipoise.deployment import maps
from equipoise.files import json_of, read_arrays
from equipoise.study import description, exhibits, rows
from equipoise.study.report import kill_matrix, training
from equipoise.tables import Table
from equipoise.traces.formats.source import open_source


def trained(path: Path) -> None:
    folder = path.parent / "runs" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.npz").touch()
    (folder / "run.json").unlink(missing_ok=True)
    (folder / "run.json").symlink_to(path)
    training.read_training(str(folder.parent))


READERS = {
    "certificate": Certificate.load,
    "arrays": read_arrays,
    "trace": open_source,
    "baseline": Baseline.load,
    "finding": lambda path: findings.load(str(path)),
    "map": maps.read_map,
    "description": lambda path: description.read(str(path)),
    "exhibit": exhibits._read,
    "rows": rows._read,
    "kill matrix": lambda path: kill_matrix.read_kill_matrix(str(path)),
    "training run": trained,
}
TEXTS = ("certificate", "arrays", "trace", "baseline", "finding", "map", "exhibit", "training run")
HOSTILE = {
    "a name twice": b'{"a": 1, "a": 2}',
    "many digits": b'{"a": ' + b"9" * 5000 + b"}",
    "deep": b'{"a": ' + b"[" * 200_000,
    "minus zero": b'{"a": -0}',
    "not UTF-8": b'{"a": "\xff"}',
    "half": b'{"a": [1, 2',
}


def refused(reader: str, path: Path) -> str:
    start = time.monotonic()
    with pytest.raises(InvalidFile) as caught:
        READERS[reader](path)
    assert time.monotonic() - start < 10
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_refused_at_once_and_never_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe.json")
    assert "regular file" in refused(reader, tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    assert "regular file" in refused(reader, tmp_path / "device.json")


@pytest.mark.parametrize("reader", READERS)
def test_a_file_beyond_its_limit_is_refused_before_it_is_read(tmp_path, reader):
    with open(tmp_path / "large.json", "wb") as file:
        file.write(b'{"a": 1,')
        file.truncate(17 << 30)  # sparse: no disk is taken
    refused(reader, tmp_path / "large.json")


@pytest.mark.parametrize("reader", TEXTS)
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_json_is_refused_by_every_reader(tmp_path, reader, what):
    (tmp_path / "h.json").write_bytes(HOSTILE[what])
    refused(reader, tmp_path / "h.json")


@pytest.mark.parametrize("what", ["a name twice", "many digits", "deep", "minus zero"])
def test_the_refusal_names_the_file_and_what_is_wrong(tmp_path, what):
    path = tmp_path / "h.json"
    path.write_bytes(HOSTILE[what])
    with pytest.raises(InvalidFile, match=r"h\.json.*(twice|digits|deep)"):
        json_of(path)


def test_a_deep_description_is_refused(tmp_path):
    (tmp_path / "s.toml").write_text("a = " + "[" * 100_000)
    assert "TOML" in refused("description", tmp_path / "s.toml")


@pytest.mark.parametrize("seconds", [30])
def test_a_placement_of_60000_slots_is_checked_in_time_linear_in_it(tmp_path, seconds):
    count = 60_000
    problem = {"load": [1] * count, "num_slots": count, "num_devices": count // 10, "split": "even"}
    problem |= {"num_groups": 1, "num_nodes": 1, "distinct": True}
    document = {"problem_sha256": "0" * 64, "physical_to_logical": list(range(count)), "split": None}
    document |= {"denominator": 1, "bound": "10", "argument": "mean", "problem": problem}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**document, "format": "equipoise-certificate", "version": 1, "kind": "placement"}))
    document["problem_sha256"] = Certificate.load(path).statement.digest
    path.write_text(json.dumps({**document, "format": "equipoise-certificate", "version": 1, "kind": "placement"}))
    start = time.monotonic()
    assert Certificate.load(path).verify().valid
    assert time.monotonic() - start < seconds


def test_control_characters_of_a_hostile_name_do_not_reach_the_terminal(tmp_path):
    name = "\x1b[31mevil\u202e.json"
    (tmp_path / name).write_text("{")
    done = run(tmp_path, "verify", name)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert r"\x1b[31mevil\u202e" in done.stderr


def test_hostile_cells_neither_steer_a_terminal_nor_end_a_row_nor_become_markup():
    table = Table(["name", "x"], [["a\x1b[2Jb\nc|d<script>", "1"]])
    assert "\x1b" not in table.text(80)
    row = table.markdown().splitlines()[2]
    assert row == r"| a\x1b[2Jb\nc\|d&lt;script> | 1 |"


def golden(kind: str) -> dict:
    lines = (Path(__file__).parent / "golden_certificates.jsonl").read_bytes().splitlines()
    return next(document for document in map(json.loads, lines) if document["kind"] == kind and document["problem"])


def test_a_flow_that_is_given_twice_is_refused(tmp_path):
    document = golden("traffic")
    document["flows"].append(document["flows"][0])
    (tmp_path / "c.json").write_text(json.dumps(document))
    assert "twice" in refused("certificate", tmp_path / "c.json")


def test_a_placement_of_more_groups_than_experts_on_one_node_gets_a_verdict():
    loads, sizes = [1, 1], Sizes(2, 2, "even", 5, 1, True)
    assert check_placement(loads, sizes, [0, 1], None, 1, Fraction(1), "mean").valid
