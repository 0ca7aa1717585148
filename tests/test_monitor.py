"""The monitor: its bound is never below the exact regret, its audits are those of equipoise.audit, its loop goes on."""

import json
import logging
import threading
import time
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import equipoise
from equipoise.errors import ExtraMissing, InvalidFile, InvalidProblem
from equipoise.monitor import exact

FINITE = st.floats(-1e6, 1e6, width=32) | st.floats(-1, 1) | st.sampled_from([0.0, 5e-324, 1e-310, -1e-308, 1e300])


def exact_regret(scores, mask, top_k):
    """By enumeration, in rationals: the most score of any routing with the same peak, minus the score of this one."""
    tokens, experts = mask.shape
    value = [[Fraction(float(s)) for s in row] for row in scores]
    peak, exactly = mask.sum(axis=0).max(), (mask.sum(axis=1) == top_k).all()
    sizes = [top_k] if exactly else range(top_k + 1)
    options = [chosen for size in sizes for chosen in combinations(range(experts), size)]
    reached = sum(value[t][e] for t, e in np.argwhere(mask))
    best = None
    for routing in product(options, repeat=tokens):
        load = np.bincount([e for chosen in routing for e in chosen], minlength=experts)
        if load.max() <= peak:
            total = sum((value[t][e] for t, chosen in enumerate(routing) for e in chosen), Fraction(0))
            best = total if best is None else max(best, total)
    random = sum(map(sum, value)) * Fraction(top_k, experts)
    return best - reached, best - random


@st.composite
def routings(draw):
    tokens, experts = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    top_k = draw(st.integers(1, experts))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    values = FINITE if kind is np.float64 else st.floats(-1e6, 1e6, width=32)
    scores = draw(arrays(kind, (tokens, experts), elements=values))
    drop = draw(st.booleans())
    rows = [draw(st.permutations(range(experts)))[:top_k] for _ in range(tokens)]
    mask = np.zeros((tokens, experts), bool)
    for token, row in enumerate(rows):
        mask[token, row[: draw(st.integers(0, top_k)) if drop else top_k]] = True
    bias = draw(st.none() | arrays(np.float64, experts, elements=values))
    return scores, mask, top_k, bias


@settings(deadline=None, max_examples=300)
@given(routings())
def test_the_bound_is_never_below_the_exact_regret_not_even_by_rounding(routing):
    scores, mask, top_k, bias = routing
    bound = equipoise.monitor.regret_bound(scores, mask, top_k, bias)
    regret, gain = exact_regret(scores, mask, top_k)
    assert 0 <= regret <= Fraction(bound.regret)
    if bound.relative is not None:
        assert gain > 0
        assert regret / gain <= Fraction(bound.relative)


@given(st.integers(0, 2**32 - 1), st.integers(1, 64), st.integers(2, 16), st.sampled_from([0.0, 0.01, 1.0]))
@settings(deadline=None)
def test_the_bound_is_tight_up_to_its_rounding_where_the_bias_made_the_routing(seed, tokens, experts, scale):
    random = np.random.default_rng(seed)
    scores, bias = random.random((tokens, experts)), scale * random.standard_normal(experts)
    chosen = np.argsort(-(scores + bias), axis=1)[:, :1]
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, chosen, True, axis=1)
    load = mask.sum(axis=0)
    bound = equipoise.monitor.regret_bound(scores, mask, 1, bias)
    rent = float(((bias.max() - bias) * (load.max() - load)).sum())
    assert abs(bound.regret - bound.rounding - rent) <= 1e-9 * max(1.0, rent)
    assert bound.rounding <= 1e-10 * max(1.0, tokens * (1 + np.ptp(bias)))
    if scale == 0:
        assert bound.regret == bound.rounding  # plain top-K has no regret at its own peak


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.full((2, 2), np.nan)}, "finite"),
        ({"scores": np.ones((3, 2))}, "shape"),
        ({"scores": np.full((2, 2), 2**60)}, "2\\^53"),
        ({"scores": np.full((2, 2), 1e308)}, "too large"),
        ({"bias": [1.0, np.inf]}, "bias"),
        ({"bias": [1.0]}, "bias"),
        ({"mask": np.ones((2, 2), bool)}, "at most K=1"),
    ],
)
def test_what_has_no_bound_is_refused(changes, message):
    given = {"scores": np.ones((2, 2)), "mask": np.eye(2, dtype=bool), "top_k": 1, **changes}
    with pytest.raises(InvalidProblem, match=message):
        equipoise.monitor.regret_bound(**given)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def batches(steps, seed=0, tokens=32, experts=6):
    random = np.random.default_rng(seed)
    for _ in range(steps):
        scores = random.random((tokens, experts)).astype(np.float32)
        bias = 0.2 * random.random(experts)
        yield scores, np.argsort(-(scores + bias), axis=1)[:, :2], bias


class Answer:
    def __init__(self, chosen, bias):
        self.chosen, self.bias = chosen, bias

    def __call__(self, scores, top_k):
        return self.chosen


def test_an_exact_audit_in_the_background_says_what_equipoise_audit_says(tmp_path):
    scores, chosen, bias = next(batches(1))
    with equipoise.Monitor([equipoise.monitor.jsonl(tmp_path / "run.jsonl")], exact_every=1) as monitor:
        step = monitor.step(scores, chosen, layer="a", bias=bias)
    found = next(line for line in lines(tmp_path / "run.jsonl") if line["kind"] == "exact")
    audit = equipoise.audit([Answer(chosen, bias)], role="router", trace=scores, top_k=2, passes=1)
    (row,) = audit.rows
    assert found["error"] is None
    assert (found["compared_with"], found["evidence"]) == ("exactly K", "certified")
    assert Fraction(found["exact_regret"]) == row.values["regret"] > 0
    for name in ("relative_regret", "excess_peak", "relative_dual_gap"):
        assert found[name] == row.values[name]
    assert found["regret"] <= step["regret_bound"]
    assert found["relative_regret"] <= step["relative_regret_bound"]
    assert (monitor.audited, monitor.skipped) == (1, 0)


def test_records_name_the_step_and_the_layer_and_count_loads_violations_and_drops(tmp_path):
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0], [9.0, 9.0, 9.0]])
    chosen = np.array([[0, 1], [0, -1], [2, 1]])
    with equipoise.Monitor([equipoise.monitor.jsonl(tmp_path / "run.jsonl")]) as monitor:
        first = monitor.step(scores, chosen, layer="a", mask=[True, True, False])
        assert monitor.step(scores, chosen, layer="b")["step"] == 0
        assert monitor.step(scores, chosen, layer="a")["step"] == 1
        assert monitor.step(scores, chosen, layer="a", step=41)["step"] == 41
        assert monitor.step(scores, chosen, layer="a")["step"] == 42
    assert first["loads"] == [2, 1, 0]
    assert (first["tokens"], first["experts"], first["top_k"], first["dropped"]) == (2, 3, 2, 1)
    assert (first["max_vio"], first["min_vio"]) == (1.0, -1.0)
    written = lines(tmp_path / "run.jsonl")
    assert written[0] == first
    assert [line["kind"] for line in written] == ["step"] * 5 + ["end"]


def test_a_map_and_indices_give_the_same_record_and_a_map_needs_k():
    scores, chosen, _ = next(batches(1))
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, chosen, True, axis=1)
    monitor = equipoise.Monitor()
    assert monitor.step(scores, mask, top_k=2, step=0) == monitor.step(scores, chosen, step=0)
    with pytest.raises(InvalidProblem, match="top_k"):
        monitor.step(scores, mask)
    with pytest.raises(InvalidProblem, match="no routing"):
        monitor.step(scores, np.full((32, 2), 6))
    with pytest.raises(InvalidProblem, match="mask"):
        monitor.step(scores, chosen, mask=np.zeros(32, bool))


def test_scores_that_are_not_finite_are_noted_and_do_not_stop_the_loop():
    record = equipoise.Monitor().step(np.full((4, 3), np.nan), np.zeros((4, 1), int))
    assert record["loads"] == [4, 0, 0]
    assert record["regret_bound"] is None
    assert "finite" in record["note"]


def test_only_every_nth_step_is_looked_at():
    seen = []
    monitor = equipoise.Monitor([seen.append], every=3)
    for scores, chosen, bias in batches(7):
        monitor.step(scores, chosen, bias=bias)
    assert [record["step"] for record in seen] == [0, 3, 6]
    for bad in ({"every": 0}, {"exact_every": 0}, {"exact_every": 1.5}):
        with pytest.raises(InvalidProblem):
            equipoise.Monitor(**bad)


def test_layers_take_turns_at_exact_audits(monkeypatch):
    offered = []
    monkeypatch.setattr(exact.Background, "offer", lambda self, about, batch: offered.append(about) or True)
    monitor = equipoise.Monitor(exact_every=4)
    for scores, chosen, _ in batches(8):
        for layer in "ab":
            monitor.step(scores, chosen, layer=layer)
    assert [(about["layer"], about["step"]) for about in offered] == [("a", 0), ("b", 1), ("a", 4), ("b", 5)]


def test_the_loop_never_waits_for_an_audit_and_what_was_due_is_counted(monkeypatch):
    over = threading.Event()

    class Slow(exact.Background):
        def _asked(self, batch):
            return {"error": None if over.wait(60) else "the loop waited"}

    monkeypatch.setattr("equipoise.monitor.monitor.Background", Slow)
    seen = []
    monitor = equipoise.Monitor([seen.append], exact_every=1)
    for scores, chosen, _ in batches(5):
        monitor.step(scores, chosen)
    over.set()
    monitor.close()
    assert seen[-1] == {"schema": "equipoise-monitor/1", "kind": "end", "audited": 1, "skipped": 4}


def test_an_audit_sees_the_batch_as_it_was_when_it_was_given(monkeypatch):
    kept = []

    class Late(exact.Background):
        def _asked(self, batch):
            time.sleep(0.2)
            kept.append(batch["scores"])
            return {"error": None}

    monkeypatch.setattr("equipoise.monitor.monitor.Background", Late)
    scores, chosen, _ = next(batches(1))
    before = scores.copy()
    with equipoise.Monitor(exact_every=1) as monitor:
        monitor.step(scores, chosen)
        scores[:] = 0
    assert (kept[0] == before).all()


def test_a_process_that_dies_is_an_error_in_a_record_and_the_next_audit_has_a_new_one():
    background = exact.Background()
    scores, chosen, _ = next(batches(1))
    batch = {"scores": scores, "chosen": chosen, "top_k": 2}

    def outcome():
        deadline = time.monotonic() + 60
        while not (found := background.finished()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found[0]

    assert background.offer({"n": 0}, batch)
    assert outcome()["error"] is None
    background._process.kill()
    background._process.wait()
    assert background.offer({"n": 1}, batch)
    assert "ended" in outcome()["error"]
    assert background.offer({"n": 2}, {**batch, "top_k": 3})
    assert "shape" in outcome()["error"]
    background.close(10)
    assert background._process is None


def test_a_sink_that_raises_is_reported_once_and_the_others_get_everything(caplog):
    seen = []

    def broken(record):
        raise RuntimeError("disk full")

    with caplog.at_level(logging.WARNING), equipoise.Monitor([broken, seen.append]) as monitor:
        for scores, chosen, _ in batches(3):
            monitor.step(scores, chosen)
    assert len(seen) == 4
    assert [record.getMessage().count("disk full") for record in caplog.records] == [1]


def test_json_lines_continue_a_file_and_start_on_a_line_of_their_own(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"kind":"step"}\n{"kind":"st')
    sink = equipoise.monitor.jsonl(path)
    sink({"a": 1})
    sink.close()
    assert path.read_text().splitlines() == ['{"kind":"step"}', '{"kind":"st', '{"a":1}']
    with pytest.raises(InvalidFile, match="cannot be written"):
        equipoise.monitor.jsonl(tmp_path / "none" / "run.jsonl")


class Writer:
    def __init__(self):
        self.drawn, self.closed = [], False

    def add_scalar(self, tag, value, step):
        self.drawn.append((tag, value, step))

    def close(self):
        self.closed = True


def test_tensorboard_draws_what_a_record_measures_and_leaves_a_given_writer_open():
    writer = Writer()
    with equipoise.Monitor([equipoise.monitor.tensorboard(writer)]) as monitor:
        record = monitor.step([[1.0, 0.0]], [[0]], layer="a", step=7)
    assert ("equipoise/max_vio/a", record["max_vio"], 7) in writer.drawn
    assert ("equipoise/regret_bound/a", record["regret_bound"], 7) in writer.drawn
    assert not writer.closed


def test_a_folder_for_tensorboard_without_a_writer_installed_says_what_to_install(monkeypatch):
    for name in ("torch.utils.tensorboard", "tensorboardX"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ExtraMissing, match="tensorboardX"):
        equipoise.monitor.tensorboard("runs")


def test_prometheus_has_the_latest_numbers_of_every_layer_and_labels_are_escaped(tmp_path):
    path = tmp_path / "equipoise.prom"
    with equipoise.Monitor([equipoise.monitor.prometheus(path)]) as monitor:
        monitor.step([[1.0, 0.0]], [[0]], layer='a"\\\n', step=1)
        monitor.step([[1.0, 0.0]], [[-1]], layer='a"\\\n', step=2)
        monitor.step([[1.0, 0.0]], [[0]], layer="b", step=5)
    text = path.read_text()
    assert 'equipoise_step{layer="a\\"\\\\\\n"} 2.0\n' in text
    assert 'equipoise_dropped{layer="a\\"\\\\\\n"} 1.0\n' in text
    assert 'equipoise_max_vio{layer="b"} 1.0\n' in text
    assert text.count("# TYPE equipoise_max_vio gauge\n") == 1
