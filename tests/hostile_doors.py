"""Every door of Equipoise that holds somebody's code: a hostile target goes through it beside a sound one.

A door returns what it reported of the hostile target, in one line, and whether the sound one had its right answer.
"""

import contextlib
import logging
import os
import secrets
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

import equipoise
import hostile_targets
from equipoise.checks.engine.registry import select
from equipoise.study import description
from equipoise.study.run import run_study

SECONDS = 0.5
"""Time limit of a call; the first of a process has several times as much."""
RUN = "EQUIPOISE_HOSTILE_RUN"
"""In the environment of all that a door starts, and of nothing else on the machine."""
os.environ.setdefault(RUN, secrets.token_hex(8))
FINE = "nothing"
KEPT = "router_gives_k_experts"
HERE = Path(__file__).parent
SCORES = np.random.default_rng(0).random((12, 3))
LOAD = np.array([[5, 3, 2, 1]])
NO_ANSWER = "crashes: its process sent something that is no answer during a call"
HANGS = "hangs: it did not answer within "
HOSTILE = {
    "hangs": HANGS,
    "hangs_at_2": HANGS,
    "stops_itself": HANGS,
    "kills_itself": "crashes: its process was killed by SIGKILL during a call",
    "dies_of_a_signal_without_a_name": "crashes: its process was killed by signal ",
    "leaves_at_once": "crashes: its process exited with code 0 during a call",
    "exits": "raises: it raised SystemExit: 0 (hostile_targets.py, line ",
    "raises_base": "raises: it raised BaseException: out (hostile_targets.py, line ",
    "raises_what_cannot_be_said": "raises: it raised Unspeakable (hostile_targets.py, line ",
    "steers_the_terminal": "raises: it raised ArithmeticError: \\x1b[2J\\x00 ]]> <script> | \\u202e \\x07 (",
    "closes_everything_and_stays": "crashes: its process closed its output during a call",
    "floods_every_stream": NO_ANSWER,
    "forges_messages": NO_ANSWER,
    "answers_twice": NO_ANSWER,
    "answers_partly": HANGS,
    "answers_slowly": FINE,
    "leaves_an_orphan_in_a_session_of_its_own": FINE,
    "forks_twice_and_hangs": HANGS,
    "relays_through_forks_in_sessions_of_their_own": FINE,
    "leaves_threads": FINE,
    "allocates": "raises: it raised MemoryError: Unable to allocate 74.5 GiB for an array with shape (10000000000,)",
    "returns_ten_billion_by_strides": "returns nothing readable: it returned an array of shape (10000000000,), which "
    "has more than 1 GiB",
    "returns_a_number_beyond_64_bits": "returns nothing readable: it returned something that cannot be sent (can't "
    "serialize ints ",
    "returns_what_contains_itself": "returns nothing readable: it returned not convertible to an array (setting an ",
    "returns_an_evil_word": "raises: it raised SystemExit: 6 (hostile_targets.py, line ",
    "returns_what_has_no_class": "raises: it raised KeyboardInterrupt (hostile_targets.py, line ",
    "returns_an_evil_subclass": FINE,
    "changes_directory": FINE,
    "patches_json": FINE,
    "patches_numpy": "returns nothing readable: it returned not convertible to an array (MemoryError)",
    "patches_the_wire": HANGS,
    "patches_the_clock": NO_ANSWER,
    "patches_the_reply": NO_ANSWER,
}
"""How what is reported of each hostile router starts, its kind first; of what does no harm to us, nothing."""

LATER = ("hangs_at_2", "answers_twice", "patches_the_reply")
"""What shows at the second call; a placer is asked once, and the first of two answers is the router's."""

COMMANDS = {
    "twice": "returns nothing readable: it wrote a line that nobody had asked for",
    "partly": HANGS,
    "slowly": FINE,
    "floods": "returns nothing readable: it wrote a line that nobody had asked for",
    "closes": "crashes: its process closed its output",
    "orphan": HANGS,
    "stops": HANGS,
    "exits": "crashes: its process exited with code 3",
    "killed": "crashes: its process was killed by SIGABRT",
}
SINKS = {
    name: f"sink 0 of the monitor raised {HOSTILE[name].removeprefix('raises: it raised ')}"
    for name in ("exits", "raises_base", "raises_what_cannot_be_said", "steers_the_terminal")
} | {"changes_its_record": FINE}

SUITE = """
from equipoise.checks.engine.registry import select
from equipoise.testing import parametrize_with_checks

OTHERS = [one.name for one in select("router") if one.name != "{kept}"]


@parametrize_with_checks(["{hostile}", "{sound}"], role="router", exclude=OTHERS, examples=3, call_seconds={seconds})
def test_them(target, check):
    check(target)
"""
STUDY = """
title = "Hostile"
seeds = [0]

[router]
methods = ["{hostile}", "{sound}"]
passes = 1
seconds = 2.0

[[router.instances]]
kind = "generated"
gate = ["softmax"]
skew = [0.0, 1.0]
size = [{{ tokens = 12, experts = 3, top_k = 1 }}]
"""


def named(name):
    return f"hostile_targets:{name}"


def command(how):
    return f'cmd:"{sys.executable}" "{HERE / "odd_command.py"}" {how}'


def _others():
    return [one.name for one in select("router") if one.name != KEPT]


def _of(report):
    found = report.findings
    return f"{found[0].kind}: {found[0]}" if found else FINE


def check(folder, name):
    options = {"examples": 3, "shrink_steps": 0, "call_seconds": SECONDS, "exclude": _others()}
    report, sound = (equipoise.check(named(one), "router", **options) for one in (name, "top"))
    return _of(report), sound.passed


def replay(folder, name):
    """What running the finding of such a target again says; its file is in the folder."""
    from equipoise.checks.check import replay

    options = {"examples": 3, "shrink_steps": 0, "call_seconds": SECONDS, "exclude": _others()}
    found = equipoise.check(named(name), "router", **options).findings
    path = str(found[0].save(folder))
    return ": ".join(replay(path)), replay(path, named("top"))[0] == "FIXED"


def _rows(rows, balancers):
    hostile, sound = ([row for row in rows if row.balancer == one] for one in balancers)
    said = next((f"{row.kind}: {row.error}" for row in hostile if row.error), FINE)
    return said, bool(sound) and all(row.error is None for row in sound)


def audit(folder, name, hostile=None):
    targets = [hostile or named(name), named("top")]
    rows = equipoise.audit(targets, role="router", trace=[SCORES] * 2, top_k=1, call_seconds=SECONDS).rows
    return _rows(rows, targets)


def placer(folder, name):
    targets = [named(f"placer_{name}"), named("placer_top")]
    options = {"slots": 4, "devices": 2, "call_seconds": SECONDS}
    return _rows(equipoise.audit(targets, role="placer", trace=LOAD, **options).rows, targets)


def study(folder, name):
    targets = [named(name), named("top")]
    text = STUDY.format(hostile=targets[0], sound=targets[1])
    return _rows(run_study(description.decode(text, "hostile.toml"), folder / "study").rows, targets)


def suite(folder, name):
    """The door of pytest, in a process of its own."""
    text = SUITE.format(kept=KEPT, hostile=named(name), sound=named("top"), seconds=SECONDS)
    (folder / "test_suite.py").write_text(text)
    arguments = ["-q", "-p", "no:cacheprovider", "-o", f"pythonpath={HERE}", "--junit-xml=report.xml", "test_suite.py"]
    subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=folder, capture_output=True, timeout=600)
    said, sound = FINE, False
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        failed = case.find("failure")
        if KEPT in case.get("name") and named("top") + "-" in case.get("name"):
            sound = len(case) == 0
        elif KEPT in case.get("name") and failed is not None:
            said = failed.get("message").removeprefix("Failed: ").splitlines()[0]
    return said, sound


def commands(folder, how):
    return audit(folder, how, command(how))


def monitor(folder, name):
    """Sinks are called in the loop's own process: a record that one is given, and the next one too."""
    got, said = [], []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("equipoise").addHandler(handler)
    try:
        hostile = getattr(hostile_targets, name)
        with equipoise.Monitor([lambda record: hostile(record, 1), got.append]) as watch:
            records = [watch.step(SCORES, SCORES.argmax(axis=1)[:, None]) for _ in range(2)]
    finally:
        logging.getLogger("equipoise").removeHandler(handler)
    return said[0] if said else FINE, got[:2] == records and got[2]["kind"] == "end" and len(said) < 2


DOORS = {
    "check": check,
    "replay": replay,
    "audit": audit,
    "placer": placer,
    "study": study,
    "pytest": suite,
    "commands": commands,
    "monitor": monitor,
}


EARLIER: set[Path] = set()
"""Processes that other tests have started in this one's process."""


def look():
    """Take note of what runs already."""
    EARLIER.clear()
    EARLIER.update(_running())


def left_behind():
    """Processes that were started under :data:`RUN` after the last look, and still run; Python's own helpers may."""
    return [command for entry, command in _running().items() if entry not in EARLIER]


def _running():
    found, run = {}, f"{RUN}={os.environ[RUN]}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if run in (entry / "environ").read_bytes().split(b"\0"):
                found[entry] = (entry / "cmdline").read_bytes()
    return {entry: command for entry, command in found.items() if b"multiprocessing." not in command}
