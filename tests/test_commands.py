"""Targets that are commands: exact numbers both ways, every way to break named, nothing left running."""

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from command_line import run
from equipoise.balancers.command import Command
from equipoise.balancers.find import Target
from equipoise.balancers.isolated import Isolated
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
    with Isolated(odd("sound")) as balancer:
        assert balancer.role.name == "router"
        assert balancer.call(SCORES, 2).value.tolist() == TOP
    with Target.of(odd("sound")).hold(in_process=True) as balancer:
        assert balancer.ask(SCORES, 1).mask.tolist() == [[True, False, False], [False, False, True]]


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("errors", "raises", "no gate"),
        ("exits", "crashes", "code 3"),
        ("killed", "crashes", "SIGABRT"),
        ("hangs", "hangs", "within"),
        ("garbage", "returns nothing readable", "loading weights"),
        ("keyless", "returns nothing readable", "'experts'"),
        ("ragged", "returns nothing readable", "experts"),
        ("huge", "returns nothing readable", "64 MiB"),
    ],
)
def test_every_way_to_break_has_a_kind_and_the_next_call_starts_afresh(how, kind, words):
    with Isolated(odd(how), call_seconds=1.0 if how == "hangs" else 20) as balancer:
        for _ in range(2):
            with pytest.raises(TargetError, match=words) as raised:
                balancer.call(SCORES, 1)
            assert raised.value.kind == kind
            assert "\n" not in str(raised.value)


def test_in_this_process_a_broken_command_is_a_target_error():
    balancer = Target.of(odd("exits")).hold(in_process=True)
    with pytest.raises(TargetError, match="exited with code 3"):
        balancer.ask(SCORES, 1)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cmd:", "names no program"),
        ("cmd:'open", "is not a command"),
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
    with Isolated(odd("roleless"), "router") as balancer:
        assert balancer.role.name == "router"
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


def test_a_command_dies_with_its_worker():
    balancer = Isolated(odd("sound"))
    programs = [os.pidfd_open(program) for program in children(balancer._process.pid)]
    assert programs
    balancer.close()
    for program in programs:
        ended, _, _ = select.select([program], [], [], 30)
        os.close(program)
        assert ended


def test_the_python_example_is_a_sound_router():
    with Isolated(f'cmd:"{sys.executable}" "{EXAMPLES / "router.py"}"') as balancer:
        assert {"has reset", "has bias"} <= balancer.capabilities
        assert balancer.call(SCORES, 2).value.tolist() == TOP
        assert balancer.attribute("bias").tolist() == [0.01, -0.01, 0.01]
        balancer.reset()
        assert balancer.attribute("bias") is None


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ here")
def test_the_cpp_example_passes_and_a_broken_one_is_replayed(folder):
    source = (EXAMPLES / "router.cpp").read_text()
    for name, text in (("sound", source), ("broken", source.replace("> scores[token", "< scores[token"))):
        (folder / f"{name}.cpp").write_text(text)
        subprocess.run(["g++", "-std=c++17", "-o", folder / name, folder / f"{name}.cpp"], check=True)
    quick = ("--examples", 10, "--format", "json")
    assert run(folder, "check", "cmd:./sound", *quick).returncode == 0
    checked = run(folder, "check", "cmd:./broken", *quick)
    assert checked.returncode == 1, checked.stderr
    failed = {entry["check"]: entry["finding"] for entry in json.loads(checked.stdout)["checks"] if "finding" in entry}
    name = failed["router_is_near_the_optimum"]["id"]
    assert run(folder, "replay", name).returncode == 1
    assert run(folder, "replay", name, "--target", "cmd:./sound").returncode == 0
