"""Killed, without room, without rights, two at once: no half file, no row lost or double, and it goes on afterwards."""

import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

import crashes
import equipoise
from command_line import run, wait_until
from equipoise import InvalidFile, files
from equipoise.monitor import jsonl
from equipoise.traces import read_recording
from hostile_doors import left_behind, look
from standin_routers import Model, SomeTopKRouter, hidden

SCORES = np.random.default_rng(0).random((6, 3))
HANGING = """
import numpy as np
from equipoise.balancers.isolated import Isolated
balancer = Isolated("hostile_targets:forks_twice_and_hangs", "router", call_seconds=60)
print("ready", flush=True)
balancer.call(np.ones((2, 3)), 1)
"""
SOLVING = """
import equipoise.solvers.child as child
print("ready", flush=True)
child.call("time", "sleep", 600)
"""


@pytest.fixture(autouse=True)
def others():
    look()


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for seed, name in enumerate(crashes.COMMANDS)])
def test_killed_at_some_moments_a_command_leaves_whole_files_and_goes_on(name, seed, tmp_path):
    moments = np.random.default_rng(seed).random(1 if "study" in name else 2)
    crashes.crash(tmp_path / "killed", name, moments.tolist())


@pytest.mark.parametrize("script", [HANGING, SOLVING])
def test_who_is_killed_takes_all_that_it_has_started_along(script):
    words = [sys.executable, "-c", script]
    path = os.pathsep.join([*filter(None, sys.path), os.path.dirname(crashes.__file__)])
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as process:
        assert process.stdout.readline() == b"ready\n"
        try:
            wait_until(lambda: len(left_behind()) > 1, 30)
            time.sleep(0.5)
        finally:
            process.kill()
    crashes.nobody_left()


def test_a_second_study_in_the_same_folder_is_refused_and_harms_nothing(tmp_path):
    crashes.prepare(tmp_path)
    with files.alone(tmp_path / "out", "study"):
        done = run(tmp_path, "study", "study.toml", "--out", "out")
        assert (done.returncode, done.stderr) == (2, "error: out is in use by another study; allowed: one at a time\n")
        assert list((tmp_path / "out").iterdir()) == []
    with files.alone(tmp_path / "out", "study"):
        pass


def test_a_second_recording_of_the_same_file_is_refused_and_the_model_goes_on(tmp_path):
    path, model = tmp_path / "trace.npz", Model(router=SomeTopKRouter())
    one, other = (equipoise.record(model, path) for _ in range(2))
    model(hidden())
    one.close()
    content = path.read_bytes()
    with pytest.raises(InvalidFile, match="was written by another recording meanwhile"):
        other.close()
    assert path.read_bytes() == content


@contextlib.contextmanager
def room(size):
    """Let files grow to so many bytes and no further: what is beyond is refused as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_a_file_stays_what_it_was_and_nothing_is_left(tmp_path):
    path = tmp_path / "a.json"
    files.write_whole(path, b"before")
    with room(1000), pytest.raises(InvalidFile, match="cannot be written: File too large"):
        files.write_whole(path, b"x" * 5000)
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"before"
    files.write_whole(path, b"x" * 5000)
    assert path.read_bytes() == b"x" * 5000


def test_without_room_a_log_has_whole_lines_only_and_goes_on(tmp_path):
    path = tmp_path / "run.jsonl"
    sink = jsonl(path)
    record = {"step": 1, "note": "x" * 100}
    with room(300), equipoise.Monitor([sink]) as monitor:
        for _ in range(3):
            monitor.step(SCORES, SCORES.argmax(axis=1)[:, None])
    again = jsonl(path)
    again(record)
    again.close()
    lines = path.read_text().splitlines()
    assert json.loads(lines[-1]) == record
    assert all(json.loads(line) for line in lines)


def test_without_room_a_recording_is_kept_in_memory_and_the_model_goes_on(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(importlib.import_module("equipoise.recorder.record"), "LEAST_SAVED", 1)
    path, model, inputs = tmp_path / "trace.npz", Model(router=SomeTopKRouter()), hidden()
    with equipoise.record(model, path):
        with room(200):
            for _ in range(4):
                model(inputs)
        assert "cannot be written: File too large" in caplog.text
        assert not path.exists()
    assert sorted(read_recording(path)["router"].steps) == [0, 1, 2, 3]


@pytest.mark.parametrize("command", ["solve", "audit", "study"])
def test_where_nothing_can_be_written_the_answer_is_one_sentence(command, tmp_path):
    crashes.prepare(tmp_path)
    (tmp_path / "file").touch()
    words = {
        "solve": ("solve", "scores.npy", "--top-k", 2, "-o", "file/proof.json"),
        "audit": ("audit", "topk", "--trace", "scores.npy", "--top-k", 2, "--baseline", "file/b", "--update-baseline"),
        "study": ("study", "study.toml", "--out", "file/out"),
    }
    done = run(tmp_path, *words[command])
    assert done.returncode == 2
    assert done.stderr.startswith("error: file/")
    assert done.stderr.count("\n") == 1


def test_what_a_killed_writer_left_goes_and_what_another_is_writing_stays(tmp_path):
    left, other = tmp_path / ".a.json.0badcafe.partial", tmp_path / ".a.json.1badcafe.partial"
    left.write_bytes(b"{")
    with open(other, "xb") as file:
        assert files._held(file)
        files.write_whole(tmp_path / "a.json", b"{}")
    assert sorted(one.name for one in tmp_path.iterdir()) == [other.name, "a.json"]
