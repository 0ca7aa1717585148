"""Hostile targets in a process of their own: a named failure in time, nothing left behind, others untouched."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from command_line import wait_until
from equipoise.balancers.isolated import Isolated
from equipoise.balancers.marked import MARK
from equipoise.errors import TargetError

SCORES = np.array([[0.1, 0.9, 0.5], [0.7, 0.2, 0.3]])
LARGE = np.ones((50_000, 3))
OUTCOMES = {
    "hangs": "hangs",
    "stops_itself": "hangs",
    "kills_itself": "crashes",
    "leaves_at_once": "crashes",
    "raises_base": "raises",
    "closes_everything_and_stays": "crashes",
    "floods_every_stream": "crashes",
    "forges_messages": "crashes",
    "leaves_an_orphan_in_a_session_of_its_own": None,
    "forks_twice_and_hangs": "hangs",
    "leaves_threads": None,
    "allocates": "raises",
    "changes_directory": None,
    "patches_the_wire": ("crashes", "hangs", None),
    "patches_numpy": ("raises", "crashes", "hangs", "returns nothing readable", None),
    "returns_an_evil_subclass": ("raises", "crashes", "returns nothing readable", None),
    "returns_ten_billion_by_strides": ("raises", "crashes", "hangs", "returns nothing readable"),
}


def left(mark):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_hostile_target_is_named_in_time_and_leaves_nothing_behind(name):
    kind, said, here = None, "", os.getcwd()
    with Isolated(f"hostile_targets:{name}", "router", call_seconds=0.5, memory=4 << 30) as balancer:
        mark, start = balancer._mark, time.monotonic()
        try:
            balancer.call(SCORES, 1)
        except TargetError as error:
            kind, said = error.kind, str(error)
        assert time.monotonic() - start < 30
    assert "\n" not in said
    expected = OUTCOMES[name]
    assert kind in expected if isinstance(expected, tuple) else kind == expected
    wait_until(lambda: not left(mark), 5)
    assert os.getcwd() == here
    with Isolated("hostile_targets:top", "router") as other:
        assert other.call(SCORES, 1).value.tolist() == [[1], [0]]


def test_a_target_that_reads_nothing_more_does_not_block_a_large_request():
    with Isolated("hostile_targets:stops_after_its_answer", "router", call_seconds=1) as balancer:
        balancer.call(SCORES, 1)
        time.sleep(1)
        with pytest.raises(TargetError) as caught:
            balancer.call(LARGE, 1)
        assert caught.value.kind == "hangs"
