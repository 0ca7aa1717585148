"""A target in a process of its own: what it does is named, and nothing it does reaches us."""

import os
import time

import numpy as np
import pytest
from equipoise.isolation.host import plain
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import InProcess, Isolated
from equipoise.isolation.wire import receive, send
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.errors import TargetNotFound
from miniature_routers import top

SCORES = np.array([[0.1, 0.9, 0.5], [0.7, 0.2, 0.3]], np.float32)


class Pipe:
    """Bytes in memory, read once."""

    def __init__(self):
        self.content = b""

    def write(self, data):
        self.content += data

    def flush(self):
        pass

    def read(self, size):
        head, self.content = self.content[:size], self.content[size:]
        return head


arrays = hnp.arrays(
    st.sampled_from(["<f4", ">f8", "<f2", "<i8", "<u1", "?"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@given(arrays, st.booleans(), st.booleans())
def test_arrays_arrive_with_their_values_type_layout_and_permission(array, column_major, writeable):
    array = np.array(array, order="F" if column_major else "C")
    array.flags.writeable = writeable
    pipe = Pipe()
    send(pipe, {"x": array, "y": [1, None, "word"]})
    arrived = receive(pipe)
    assert arrived["y"] == [1, None, "word"]
    assert arrived["x"].dtype == array.dtype
    assert arrived["x"].tobytes() == array.tobytes()
    assert arrived["x"].flags.writeable == writeable
    assert arrived["x"].flags.fnc == array.flags.fnc or array.size == 0


@given(st.binary(max_size=60))
def test_bytes_that_are_no_message_are_refused_and_never_executed(content):
    pipe = Pipe()
    pipe.write(content)
    with pytest.raises((EOFError, ValueError)):
        receive(pipe)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("raises", "raises"),
        ("exits", "raises"),
        ("hangs", "hangs"),
        ("crashes", "crashes"),
        ("returns_ragged_lists", "returns nothing readable"),
    ],
)
def test_misbehaviour_has_a_kind_and_the_next_call_starts_afresh(name, kind):
    with Isolated(f"miniature_routers:{name}", "router", call_seconds=0.5) as subject:
        for _ in range(2):
            with pytest.raises(Misbehaviour) as raised:
                subject.call(SCORES, 1)
            assert raised.value.kind == kind
            assert "\n" not in raised.value.message


def test_a_hanging_target_is_gone_when_its_time_is_up():
    subject = Isolated("miniature_routers:hangs", "router", call_seconds=0.3)
    worker = subject._process.pid
    started = time.monotonic()
    with pytest.raises(Misbehaviour):
        subject.call(SCORES, 1)
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_process_takes_another_target_and_starts_again_where_the_last_one_ended_it():
    with Isolated("sound_schedulers:even_as_lists", "scheduler", call_seconds=0.5) as subject:
        first = subject._process.pid
        subject.take("sound_routers:plain_top_k")
        assert (subject.role, subject._process.pid) == ("router", first)
        assert subject.capabilities == InProcess("sound_routers:plain_top_k").capabilities
        assert np.array_equal(subject.call(SCORES, 2).value, top(SCORES, 2))
        subject.take("miniature_routers:hangs", "router")
        with pytest.raises(Misbehaviour):
            subject.call(SCORES, 1)
        with pytest.raises(TargetNotFound):
            subject.take("miniature_routers:no_such")
        subject.take("sound_routers:plain_top_k")
        assert subject._process.pid != first
        assert np.array_equal(subject.call(SCORES, 2).value, top(SCORES, 2))


def test_isolated_and_in_process_targets_answer_alike():
    with Isolated("sound_routers:plain_top_k", "router") as isolated:
        inside = InProcess("sound_routers:plain_top_k", "router")
        assert isolated.capabilities == inside.capabilities
        one, other = isolated.call(SCORES, 2), inside.call(SCORES, 2)
        assert np.array_equal(one.value, other.value)
        assert np.array_equal(one.value, top(SCORES, 2))


def test_a_target_that_cannot_be_made_is_refused_before_any_check():
    for name in ("miniature_routers:no_such", "no_such_module:x", "miniature_routers:FAULTY"):
        with pytest.raises(TargetNotFound):
            Isolated(name, "router")


def test_a_memory_limit_ends_in_a_finding_and_not_in_our_death():
    with (
        Isolated("hungry_router:route", "router", memory=3 << 30) as subject,
        pytest.raises(Misbehaviour, match="MemoryError"),
    ):
        subject.call(SCORES, 1)


def test_whatever_a_target_returns_becomes_plain_or_a_reason():
    assert plain(None) == (None, None)
    assert plain({"a": (1, "x")})[0] == {"a": [1, "x"]}
    for odd in (object(), [[1], [1, 2]], np.array(["word"]), np.array([1j]), {"a": object()}):
        assert plain(odd)[1]


class Learner:
    """Counts its lessons, and forgets what it learnt when it is called."""

    lessons = 0

    def train(self, series):
        Learner.lessons += 1
        self.learnt = [one.sum() for one in series]

    def __call__(self, history, horizon):
        return np.full((horizon, history.shape[1]), float(self.learnt.pop()))


def test_what_was_learnt_from_the_same_series_is_learnt_once_and_shared_by_nobody():
    subject = InProcess("learner", "predictor", Learner)
    for lesson in (np.ones((2, 3)), np.ones((2, 3)), np.ones((3, 3))):
        subject.fresh()
        subject.train([lesson])
        assert subject.call(np.ones((1, 3)), 1).value.tolist() == [[lesson.sum()] * 3]
    assert Learner.lessons == 2


class LearnsNothing(Learner):
    def train(self, series):
        raise ArithmeticError("too much")


@pytest.mark.parametrize(
    "make",
    [
        lambda: InProcess("x", "predictor", LearnsNothing),
        lambda: Isolated("miniature_predictors:CannotLearnFromOneLayer", "predictor"),
    ],
)
def test_a_lesson_that_fails_is_misbehaviour_wherever_the_target_runs(make):
    subject = make()
    with pytest.raises(Misbehaviour) as raised:
        subject.train([np.ones((2, 3))])
    subject.close()
    assert raised.value.kind == "raises"
