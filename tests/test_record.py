"""Recording: every known form of a router, samples and bounds, and what goes wrong. No torch."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.recorder import Observed
from equipoise.recorder.routers import KNOWN, gate_of
from equipoise.traces import apply_gate, read_recording
from standin_routers import (
    Block,
    E,
    JetMoeTopKGating,
    K,
    Linear,
    Llama4Router,
    Model,
    OldGate,
    SomeTopKRouter,
    SwitchTransformersTop1Router,
    T,
    TokenChoiceTopKRouter,
    TopKRouter,
    Weighted,
    hidden,
    top,
)

FORMS = [
    (SomeTopKRouter, "router", "sigmoid", K),
    (OldGate, "router", "sigmoid", K),
    (Llama4Router, "router", "sigmoid", K),
    (JetMoeTopKGating, "router", "softmax", K),
    (SwitchTransformersTop1Router, "router", "softmax", 1),
    (TopKRouter, "layer7", "sigmoid", K),
    (TokenChoiceTopKRouter, "router", "sigmoid", K),
]


@pytest.mark.parametrize(("kind", "name", "gate", "k"), FORMS, ids=[form[0].__name__ for form in FORMS])
def test_every_form_gives_logits_choice_gate_and_k(kind, name, gate, k, tmp_path):
    router, inputs = kind(), hidden()
    model = Model(router=router)
    with equipoise.record(model, tmp_path / "trace.npz"):
        model(inputs)
    layer = read_recording(tmp_path / "trace.npz")[name]
    assert (layer.gate, layer.top_k) == (gate, k)
    np.testing.assert_allclose(layer.steps[0].logits, router.logits(inputs), rtol=1e-5)
    assert (np.sort(layer.steps[0].chosen) == np.sort(top(router.logits(inputs), k))).all()


def test_a_linear_layer_as_gate_is_found_by_the_block_around_it(tmp_path):
    model = Model(block=Block(Linear()))
    with equipoise.record(model, tmp_path / "trace.npz") as recording:
        model(hidden())
    assert recording.routers == ["block.gate"]
    layer = read_recording(tmp_path / "trace.npz")["block.gate"]
    assert (layer.top_k, layer.gate, layer.steps[0].chosen) == (K, "softmax", None)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("k", [1, 2])
def test_the_gate_is_told_from_the_weights(gate, k):
    logits = np.random.default_rng(1).standard_normal((T, E)).astype(np.float32)
    scores = apply_gate(logits, gate)
    chosen = top(scores, k)
    weights = np.take_along_axis(scores, chosen, axis=1)
    weights = weights.view(np.uint32) + 2**15 & np.uint32(0xFFFF0000)  # rounded to bfloat16
    assert gate_of(object(), Observed(logits, chosen, weights.view(np.float32))) == gate


def test_the_rare_gate_is_told_where_its_weights_are_exact():
    logits = np.random.default_rng(1).standard_normal((T, E)).astype(np.float32)
    scores = apply_gate(logits, "sqrtsoftplus")
    chosen = top(scores, 2)
    observed = Observed(logits, chosen, np.take_along_axis(scores, chosen, axis=1))
    assert gate_of(object(), observed) == "sqrtsoftplus"


def test_where_nothing_tells_the_gate_it_is_the_usual_one():
    assert gate_of(object(), Observed(np.zeros((T, E), np.float32))) == "softmax"
    assert gate_of(SimpleNamespace(e_score_correction_bias=0), Observed(np.zeros((T, E)))) == "sigmoid"
    zeros = Observed(np.zeros((T, E)), np.zeros((T, 1), int), np.ones((T, 1)))
    assert gate_of(object(), zeros) == "softmax"


def test_a_router_of_ones_own_is_read_by_a_function(tmp_path):
    class Mine(Weighted):
        def forward(self, hidden):
            return {"who": self.logits(hidden)}

    def read(module, args, kwargs, output):
        return Observed(output["who"], top_k=3, gate="none")

    model = Model(one=Mine())
    with pytest.raises(InvalidProblem, match="without a router that is known"):
        equipoise.record(model, tmp_path / "trace.npz")
    with equipoise.record(model, tmp_path / "trace.npz", readers={"Mine": read}):
        model(hidden())
    assert read_recording(tmp_path / "trace.npz")["one"].top_k == 3


def test_what_looks_like_a_router_and_is_none_is_left_alone_once_and_the_model_goes_on(tmp_path, caplog):
    class ForgetGate(Weighted):
        calls = 0

        def forward(self, hidden):
            self.calls += 1
            return {"nothing": 1}

    class BrokenRouter(Weighted):
        def forward(self, hidden):
            return self.logits(hidden) * np.nan, top(self.logits(hidden))

    model = Model(a=SomeTopKRouter(), b=ForgetGate(), c=BrokenRouter())
    with caplog.at_level(logging.WARNING), equipoise.record(model, tmp_path / "trace.npz") as recording:
        model(hidden())
        model(hidden())
    assert recording.routers == ["a"]
    assert model.b.calls == 2
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == ["b", "c"]
    assert list(read_recording(tmp_path / "trace.npz")["a"].steps) == [0, 1]


@given(every=st.integers(1, 4), most=st.integers(1, 30), calls=st.integers(1, 9), tokens=st.integers(1, 25))
@settings(deadline=None, max_examples=25)
def test_every_nth_step_is_taken_and_no_more_tokens_than_allowed(every, most, calls, tokens, tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "trace.npz"
    model = Model(router=SomeTopKRouter())
    with equipoise.record(model, path, every=every, tokens=most):
        for call in range(calls):
            model(hidden(call, tokens))
    steps = read_recording(path)["router"].steps
    assert list(steps) == list(range(0, calls, every))
    for number, step in steps.items():
        logits = model.router.logits(hidden(number, tokens))
        assert min(tokens, most) / 2 < len(step.logits) <= most
        stride = -(-tokens // most)
        assert (step.logits == logits[::stride]).all()
        assert (step.chosen == top(apply_gate(logits, "sigmoid"))[::stride]).all()


def test_a_recording_stops_before_its_limit_and_says_so(tmp_path, caplog):
    model = Model(router=SomeTopKRouter())
    one = T * E * 4 + T * K * 4
    with (
        caplog.at_level(logging.WARNING),
        equipoise.record(model, tmp_path / "trace.npz", max_bytes=3 * one + 1) as recording,
    ):
        for call in range(5):
            model(hidden(call))
    assert recording.full
    assert recording.nbytes == 3 * one
    assert list(read_recording(tmp_path / "trace.npz")["router"].steps) == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records if "is full" in record.getMessage()]


def test_a_file_is_continued_after_its_last_step(tmp_path):
    model = Model(router=SomeTopKRouter())
    for _ in range(2):
        with equipoise.record(model, tmp_path / "trace.npz", every=2):
            for call in range(3):
                model(hidden(call))
    assert list(read_recording(tmp_path / "trace.npz")["router"].steps) == [0, 2, 3, 5]


def test_a_router_that_runs_twice_in_a_step_counts_once_and_hooks_are_gone_afterwards(tmp_path):
    model = Model(router=SomeTopKRouter())
    with equipoise.record(model, tmp_path / "trace.npz") as recording:
        model(hidden())
        model.router(hidden(1))
        recording.save()
    assert (read_recording(tmp_path / "trace.npz")["router"].steps[0].logits == model.router.logits(hidden())).all()
    assert not model.before
    assert not model.router.hooks


def test_a_crash_in_the_loop_leaves_what_was_recorded(tmp_path):
    model = Model(router=SomeTopKRouter())

    def loop():
        with equipoise.record(model, tmp_path / "trace.npz"):
            model(hidden())
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        loop()
    assert list(read_recording(tmp_path / "trace.npz")["router"].steps) == [0]


def test_a_model_that_is_never_called_leaves_no_file_and_a_warning(tmp_path, caplog):
    model = Model(router=SomeTopKRouter())
    with caplog.at_level(logging.WARNING), equipoise.record(model, tmp_path / "trace.npz"):
        model.router(hidden())
    assert not (tmp_path / "trace.npz").exists()
    assert "was the model called?" in caplog.text


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"every": 0}, InvalidProblem, "every"),
        ({"tokens": 1.5}, InvalidProblem, "tokens"),
        ({"max_bytes": -1}, InvalidProblem, "max_bytes"),
        ({"path": "trace.json"}, InvalidProblem, "npz"),
        ({"path": "nowhere/trace.npz"}, InvalidFile, "cannot be written"),
        ({"path": "scores.npz"}, InvalidFile, "not a recording"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_the_first_step(changes, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("scores.npz", scores=np.ones((2, 2)))
    with pytest.raises(error, match=message):
        equipoise.record(Model(router=SomeTopKRouter()), **{"path": "trace.npz", **changes})


def test_an_audit_takes_a_recording_layer_by_layer_and_step_by_step(tmp_path):
    model = Model(a=SomeTopKRouter(1), b=SomeTopKRouter(2))
    with equipoise.record(model, tmp_path / "trace.npz"):
        for call in range(2):
            model(hidden(call))
    instances = equipoise.read_trace(tmp_path / "trace.npz")
    assert [(one.name, one.sequence, one.top_k) for one in instances] == [
        (f"{layer}/step{step}", layer, K) for layer in "ab" for step in range(2)
    ]
    np.testing.assert_allclose(instances[3].scores, apply_gate(model.b.logits(hidden(1)), "sigmoid"))
    assert len(equipoise.audit("topk", trace=str(tmp_path / "trace.npz")).rows) == 4
    assert equipoise.read_trace(tmp_path / "trace.npz", top_k=3)[0].top_k == 3


def test_the_table_of_known_routers_has_the_frameworks():
    assert {"TopKRouter", "TokenChoiceTopKRouter", "Llama4Router", "JetMoeTopKGating"} <= set(KNOWN)
