"""A target in a process of its own: what it does is named, and nothing it does reaches us."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.balancers.find import Target
from equipoise.balancers.in_process import InProcess, plain
from equipoise.balancers.isolated import FIRST, Isolated
from equipoise.balancers.wire import receive, send
from equipoise.errors import TargetError, TargetNotFound
from equipoise.roles import role_named
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
        ("Raises", "raises"),
        ("Exits", "raises"),
        ("Hangs", "hangs"),
        ("Crashes", "crashes"),
        ("ReturnsRaggedLists", "returns nothing readable"),
    ],
)
def test_what_breaks_has_a_kind_and_the_next_call_starts_afresh(name, kind):
    with Isolated(f"miniatures:router_{name}", "router", call_seconds=0.5) as balancer:
        for _ in range(2):
            with pytest.raises(TargetError) as raised:
                balancer.call(SCORES, 1)
            assert raised.value.kind == kind
            assert "\n" not in str(raised.value)


def test_a_hanging_target_is_gone_when_its_time_is_up_and_has_more_of_it_once_alone():
    balancer = Isolated("miniatures:router_Hangs", "router", call_seconds=0.3)
    worker = balancer._process.pid
    for limit in (rf"within {FIRST * 0.3:g} s", r"within 0\.3 s"):
        with pytest.raises(TargetError, match=limit):
            balancer.call(SCORES, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_process_takes_another_target_and_starts_again_where_the_last_one_ended_it():
    with Isolated("sound_schedulers:even_as_floats", "scheduler", call_seconds=0.5) as balancer:
        first = balancer._process.pid
        balancer.take("sound_routers:plain_top_k")
        assert (balancer.role.name, balancer._process.pid) == ("router", first)
        assert balancer.capabilities == Target.of("sound_routers:plain_top_k").hold(in_process=True).capabilities
        assert np.array_equal(balancer.call(SCORES, 2).value, top(SCORES, 2))
        balancer.take("miniatures:router_Hangs", "router")
        with pytest.raises(TargetError):
            balancer.call(SCORES, 1)
        with pytest.raises(TargetNotFound):
            balancer.take("miniature_routers:no_such")
        balancer.take("sound_routers:plain_top_k")
        assert balancer._process.pid != first
        assert np.array_equal(balancer.call(SCORES, 2).value, top(SCORES, 2))


def test_isolated_and_in_process_targets_answer_alike():
    with Isolated("sound_routers:plain_top_k", "router") as isolated:
        inside = Target.of("sound_routers:plain_top_k", "router").hold(in_process=True)
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
        Isolated("hungry_router:route", "router", memory=3 << 30) as balancer,
        pytest.raises(TargetError, match="MemoryError"),
    ):
        balancer.call(SCORES, 1)


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
    balancer = InProcess("learner", role_named("predictor"), Learner)
    for lesson in (np.ones((2, 3)), np.ones((2, 3)), np.ones((3, 3))):
        balancer.fresh()
        balancer.train([lesson])
        assert balancer.call(np.ones((1, 3)), 1).value.tolist() == [[lesson.sum()] * 3]
    assert Learner.lessons == 2


class LearnsNothing(Learner):
    def train(self, series):
        raise ArithmeticError("too much")


@pytest.mark.parametrize(
    "make",
    [
        lambda: InProcess("x", role_named("predictor"), LearnsNothing),
        lambda: Isolated("miniature_predictors:CannotLearnFromOneLayer", "predictor"),
    ],
)
def test_a_lesson_that_fails_is_an_error_of_the_target_wherever_the_target_runs(make):
    balancer = make()
    with pytest.raises(TargetError) as raised:
        balancer.train([np.ones((2, 3))])
    balancer.close()
    assert raised.value.kind == "raises"
