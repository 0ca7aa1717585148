"""Targets that are commands: exact numbers both ways, every way to break named, nothing left running."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from equipoise.commands import Command
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Isolated
from equipoise.targets import find
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from command_line import run
from equipoise.errors import TargetError, TargetNotFound
from test_cli import folder

__all__ = ["folder"]

ODD = Path(__file__).with_name("odd_command.py")
EXAMPLES = Path(__file__).parents[1] / "examples" / "commands"
SCORES = np.array([[0.5, 0.25, 0.125], [0.25, 0.5, 0.75]], np.float32)
TOP = [[0, 1], [2, 1]]


def odd(how):
    return f'cmd:"{sys.executable}" "{ODD}" {how}'


@pytest.fixture(scope="module")
def echo():
    command = Command(odd("echo"))
    yield command
    command.close()


@settings(max_examples=40)
@given(st.data())
def test_numbers_arrive_and_come_back_exactly(echo, data):
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64, np.int64]))
    scores = data.draw(
        hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=4),
            elements=st.integers(-(2**63), 2**63 - 1)
            if dtype is np.int64
            else st.floats(width=np.dtype(dtype).itemsize * 8, allow_nan=False, allow_infinity=False),
        )
    )
    _, returned = echo(scores, 1)
    assert np.array_equal(returned.astype(dtype), scores)


def test_a_command_answers_like_a_function_in_check_and_in_audit():
    with Isolated(odd("sound")) as subject:
        assert subject.role == "router"
        assert subject.call(SCORES, 2).value.tolist() == TOP
    target = find(odd("sound"))
    assert target.route(SCORES, 1).tolist() == [[True, False, False], [False, False, True]]
    target.balancer.close()


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("errors", "raises", "no gate"),
        ("exits", "crashes", "code 3"),
        ("killed", "crashes", "signal 6"),
        ("hangs", "hangs", "within"),
        ("garbage", "returns nothing readable", "loading weights"),
        ("keyless", "returns nothing readable", "'experts'"),
        ("ragged", "returns nothing readable", "experts"),
        ("huge", "returns nothing readable", "64 MiB"),
    ],
)
def test_every_way_to_break_has_a_kind_and_the_next_call_starts_afresh(how, kind, words):
    with Isolated(odd(how), call_seconds=1.0 if how == "hangs" else 20) as subject:
        for _ in range(2):
            with pytest.raises(Misbehaviour, match=words) as raised:
                subject.call(SCORES, 1)
            assert raised.value.kind == kind
            assert "\n" not in raised.value.message


def test_in_this_process_a_broken_command_is_a_target_error():
    target = find(odd("exits"))
    with pytest.raises(TargetError, match="exited with code 3"):
        target.route(SCORES, 1)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cmd:", "names no program"),
        ("cmd:'open", "is no command"),
        ("cmd:./no-such-program", "cannot be started"),
        (odd("silent"), "does not introduce itself"),
        (odd("foreign"), "something-else/7"),
        (odd("roleless"), "does not say its role"),
    ],
)
def test_a_command_that_cannot_be_used_is_refused_in_one_sentence(command, words):
    with pytest.raises(TargetNotFound, match=words) as raised:
        Isolated(command)
    assert "\n" not in str(raised.value)


def test_the_role_may_be_said_for_it_but_not_against_it():
    with Isolated(odd("roleless"), "router") as subject:
        assert subject.role == "router"
    with pytest.raises(TargetNotFound, match="is a router, not a placer"):
        Isolated(odd("sound"), "placer")


def test_no_shell_sees_the_command(tmp_path):
    with pytest.raises(TargetNotFound):
        Isolated(f"cmd:{tmp_path}/x; touch {tmp_path}/touched")
    assert not (tmp_path / "touched").exists()


def children(pid):
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("no /proc here")
    return [int(child) for child in path.read_text().split()]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_a_command_dies_with_its_worker():
    subject = Isolated(odd("sound"))
    programs = children(subject._process.pid)
    assert programs
    subject.close()
    deadline = time.monotonic() + 10
    while any(alive(program) for program in programs) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(program) for program in programs)


def test_the_python_example_is_a_sound_router():
    with Isolated(f'cmd:"{sys.executable}" "{EXAMPLES / "router.py"}"') as subject:
        assert {"has reset", "has bias"} <= subject.capabilities
        assert subject.call(SCORES, 2).value.tolist() == TOP
        assert subject.attribute("bias").tolist() == [0.01, -0.01, 0.01]
        subject.reset()
        assert subject.attribute("bias") is None


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ here")
def test_the_cpp_example_passes_and_a_broken_one_is_replayed(folder):
    source = (EXAMPLES / "router.cpp").read_text()
    for name, text in (("sound", source), ("broken", source.replace("> scores[token", "< scores[token"))):
        (folder / f"{name}.cpp").write_text(text)
        subprocess.run(["g++", "-std=c++17", "-o", folder / name, folder / f"{name}.cpp"], check=True)
    quick = ("--examples", 10, "--seconds", 1, "--format", "json")
    assert run(folder, "check", "cmd:./sound", *quick).returncode == 0
    checked = run(folder, "check", "cmd:./broken", *quick)
    assert checked.returncode == 1, checked.stderr
    failed = {entry["check"]: entry["finding"] for entry in json.loads(checked.stdout)["checks"] if "finding" in entry}
    name = failed["router_is_near_the_optimum"]["id"]
    assert run(folder, "replay", name).returncode == 1
    assert run(folder, "replay", name, "--target", "cmd:./sound").returncode == 0
