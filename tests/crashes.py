"""Commands that write files, killed at any moment: what is there is whole, nobody is left, and it goes on."""

import json
import shutil
from pathlib import Path

import numpy as np

from command_line import _PROCESSES, _main, environment, wait_until
from equipoise import Certificate
from equipoise.audits.baseline import Baseline
from equipoise.checks.engine import findings
from equipoise.study.rows import RowFile
from equipoise.traces.recorded_file import RecordedLayer, RecordedStep, read_recording, write_recording
from hostile_doors import left_behind

STUDY = """
title = "Crash"
seeds = [0, 1]

[router]
methods = ["topk", "midpoint", "mine.py:short"]
passes = 1
seconds = 20.0

[[router.instances]]
kind = "generated"
gate = ["softmax"]
skew = [0.0, 1.0]
size = [{ tokens = 24, experts = 4, top_k = 2 }]
"""
MINE = """
import numpy as np


def short(scores, top_k):
    chosen = np.argsort(-scores, axis=1)[:, :top_k]
    chosen[0, -1] = chosen[0, 0]
    return chosen
"""
COMMANDS = {
    "study": ("study", "study.toml", "--out", "out"),
    "study with workers": ("study", "study.toml", "--out", "out", "--workers", "2"),
    "audit": ("audit", "topk", "midpoint", "--trace", "scores.npy", "--top-k", "2", "--baseline", "base.json",
              "--update-baseline"),
    "solve": ("solve", "scores.npy", "--top-k", "2", "-o", "proof.json"),
    "record": (),
    "check": ("check", "mine.py:short", "--role", "router", "--examples", "3", "--shrink-steps", "3"),
}  # fmt: skip
MOST = {"study": 6, "study with workers": 6, "audit": 2, "solve": 0.6, "record": 1, "check": 6}
"""Seconds within which a command is killed, at most; one that is ready before is not."""


def prepare(folder: Path):
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text(STUDY)
    (folder / "mine.py").write_text(MINE)
    np.save(folder / "scores.npy", np.random.default_rng(0).random((2000, 16)))


def record(path):
    """Record forty steps, saved one by one, on top of what is there; a step that is there must be whole."""
    layers = read_recording(path) if path.exists() else {}
    layer = layers.setdefault("layer0", RecordedLayer("softmax", 2))
    for step in range(40):
        if step not in layer.steps:
            layer.steps[step] = RecordedStep(np.full((500, 8), float(step), np.float32))
            write_recording(path, layers)


def start(folder, name):
    if name == "record":
        process = _PROCESSES.Process(target=record, args=(folder / "trace.npz",))
        process.start()
        return process
    words = ["equipoise", *COMMANDS[name]]
    streams = [str(folder.parent / f"{folder.name}.{one}") for one in ("output", "errors")]
    process = _PROCESSES.Process(target=_main, args=(words, str(folder), environment(), *streams))
    process.start()
    return process


def killed(folder, name, seconds):
    """Run a command and kill it after so long; return whether it was still running."""
    process = start(folder, name)
    process.join(seconds)
    running = process.exitcode is None
    process.kill()
    process.join()
    return running


def ended(folder, name):
    """Run a command to its end and return its exit code."""
    process = start(folder, name)
    process.join(600)
    return process.exitcode


def rows(folder):
    """The rows of a study without what differs from run to run, and the steps of a recording; each is there once."""
    path, trace = folder / "out" / "rows.parquet", folder / "trace.npz"
    found = {}
    for step, recorded in read_recording(trace)["layer0"].steps.items() if trace.exists() else ():
        assert (recorded.logits == step).all()
        found[step] = recorded.logits.shape
    for key, several in RowFile(path).rows.items() if path.exists() else ():
        assert len(several) == 1
        row = several[0].to_dict()
        found[key] = repr({name: value for name, value in row.items() if "seconds" not in name})
    return found


def whole(folder):
    """Read every file that a command has written; raises where one is half."""
    for path in folder.rglob("*"):
        if path.is_dir() or path.suffix in (".toml", ".py", ".npy", ".pyc", ".partial"):
            continue
        if path.name == "base.json":
            Baseline.load(path)
        elif path.name == "proof.json":
            assert Certificate.load(path).verify().valid
        elif path.parent.name == ".equipoise":
            findings.load(str(path))
        elif path.name in ("rows.parquet", "trace.npz"):
            rows(folder)
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            assert path.suffix in (".md", ".html", ".png", ".svg", ".parquet"), path
            assert path.read_bytes()


def prepared(folder):
    """Empty a folder and write the inputs of the commands into it."""
    shutil.rmtree(folder, ignore_errors=True)
    prepare(folder)


def nobody_left(patience=20):
    """Wait until no process is left."""
    wait_until(lambda: not left_behind(), patience)


def crash(folder, name, moments, seconds=None):
    """Kill a command at each of these shares of its time, then let it end; return how often it was still running.

    Of the ``seconds`` that it takes, where given; then no kill follows one that came too late.
    """
    prepared(folder)
    running, kept = 0, {}
    for moment in moments:
        in_time = killed(folder, name, moment * (seconds or MOST[name]))
        running += in_time
        whole(folder)
        nobody_left()
        now = rows(folder)
        assert kept.items() <= now.items(), "a row is lost or made again"
        kept = now
        if seconds and not in_time:
            break
    code = ended(folder, name)
    assert code == {"check": 1, "study": 1, "study with workers": 1}.get(name, 0), code
    whole(folder)
    assert kept.items() <= rows(folder).items()
    assert not list(folder.rglob("*.partial"))
    return running
