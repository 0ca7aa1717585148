"""The audit of routers: what it compares them with, and that no router takes it down."""

import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise import Routing, audit
from equipoise.balancers.find import Target
from equipoise.errors import TargetError, TargetNotFound
from equipoise.roles.router import read_routing
from equipoise.traces import Instance


def instances(count=3, tokens=24, experts=4, top_k=2):
    rng = np.random.default_rng(7)
    return [Instance(f"i{n}", rng.random((tokens, experts)), top_k, "layer") for n in range(count)]


def here(name, router):
    """A router that no other process can find: it runs in this one."""
    return Target(name, None, router, "router")


def audited(router, **options):
    return audit([here("mine", router)], trace=instances(), **options).rows


def plain_top_k(scores, top_k):
    return np.argsort(-scores, axis=1)[:, :top_k]


def test_the_certified_optimum_as_a_router_has_no_regret_and_no_violation():
    rows = audited(lambda scores, k: equipoise.solve(equipoise.AssignmentProblem(scores, k)).experts)
    assert [(row["regret"], row["max_vio"], row["score_ratio"]) for row in rows] == [(0, 0.0, 1.0)] * 3
    assert all(row.evidence == {"optimum": "certified"} for row in rows)


def test_plain_top_k_has_no_regret_at_its_own_peak_but_outscores_the_balanced_optimum():
    for row in audited(plain_top_k):
        assert row["regret"] == 0
        assert row["score"] > row["balanced_optimum"]
        assert row["max_vio"] > 0


@given(st.integers(0, 1000))
def test_regret_is_exactly_the_distance_to_the_optimum_at_the_routers_peak(seed):
    rng = np.random.default_rng(seed)
    batch = instances(1)[0]
    chosen = np.array([rng.permutation(4)[:2] for _ in range(24)])
    row = audit([here("random", lambda s, k: chosen)], trace=[batch]).rows[0]
    problem = equipoise.AssignmentProblem(batch.scores, 2, int(np.bincount(chosen.ravel()).max()))
    reached = sum(Fraction(float(batch.scores[t, e])) for t, row in enumerate(chosen) for e in row)
    assert row["regret"] == equipoise.solve(problem, "ortools-highs").objective - reached >= 0


def test_a_router_that_drops_is_compared_with_the_best_routing_that_drops_as_many():
    """Of 48 assignments it gives 40, at a peak that leaves room for all: the best 40 of the plain top-K."""

    def dropper(scores, top_k):
        chosen = plain_top_k(scores, top_k).copy()
        chosen[::3, -1] = -1
        return chosen

    for row, batch in zip(audited(dropper), instances(), strict=True):
        assert row.compared_with == "at most K, as many dropped"
        free = equipoise.AssignmentProblem(batch.scores, 2, row["peak"], drop=True)
        fewer = equipoise.LimitedProblem(free, [equipoise.Limit(40)])
        best = equipoise.solve(fewer, "ortools-highs").objective
        assert row["regret"] == best - row["score"] >= 0
        random = sum(Fraction(float(score)) for score in batch.scores.ravel()) * 40 / batch.scores.size
        assert row["relative_regret"] == float(row["regret"] / (best - random))


@given(st.integers(1, 12), st.integers(0, 99))
def test_a_router_that_drops_cannot_look_balanced_by_dropping(capacity, seed):
    """Every expert keeps its first tokens: evenly loaded, and yet far below what was asked for."""

    def dropper(scores, top_k):
        chosen = plain_top_k(scores, top_k)
        for expert in range(scores.shape[1]):
            token, place = np.nonzero(chosen == expert)
            chosen[token[capacity:], place[capacity:]] = -1
        return chosen

    batch = Instance("one", np.random.default_rng(seed).random((24, 4)), 2, "layer")
    (row,) = audit([here("mine", dropper)], trace=[batch]).rows
    kept = [min(capacity, n) for n in np.bincount(plain_top_k(batch.scores, 2).ravel(), minlength=4).tolist()]
    assert row["dropped"] == (48 - sum(kept)) / 48
    assert row["starved"] == kept.count(0)
    assert (row["max_vio"], row["min_vio"]) == (max(kept) / 12 - 1, min(kept) / 12 - 1)
    assert row["imbalance"] == 1 + row["max_vio"]
    assert row["min_vio"] < 0 or not row["dropped"]


def test_expert_choice_is_compared_with_the_relaxation_without_token_rows_and_is_optimal_there():
    def expert_choice(scores, top_k):
        tokens, experts = scores.shape
        best = np.argsort(-scores, axis=0)[: tokens * top_k // experts]
        mask = np.zeros(scores.shape, bool)
        np.put_along_axis(mask, best, True, axis=0)
        return mask

    rows = audited(expert_choice)
    assert {row.compared_with for row in rows} == {"no token rows"}
    assert {row["regret"] for row in rows} == {0}


class Recorder:
    """A stateful router that writes down how it is used."""

    def __init__(self):
        self.calls = []
        self.bias = None

    def reset(self):
        self.calls.append("reset")

    def __call__(self, scores, top_k):
        self.calls.append(scores.shape)
        self.bias = np.zeros(scores.shape[1])
        return plain_top_k(scores, top_k)


def test_a_stateful_router_sees_each_batch_as_often_as_asked_and_is_reset_once_a_sequence():
    router = Recorder()
    batches = instances(2) + [Instance("other", np.ones((8, 4)), 2, "another layer")]
    rows = audit([here("recorder", router)], trace=batches, passes=3).rows
    assert router.calls == ["reset", *[(24, 4)] * 6, "reset", *[(8, 4)] * 3]
    assert all(row["dual_gap"] is not None and row["dual_gap"] >= 0 for row in rows)


@pytest.mark.parametrize(
    "bias", [None, np.zeros(3), [0.0, float("nan"), 0.0, 0.0], "words", np.zeros((4, 4)), [[1], [1, 2]]]
)
def test_an_attribute_that_is_no_bias_of_e_finite_numbers_gives_no_dual_gap(bias):
    def router(scores, top_k):
        return plain_top_k(scores, top_k)

    router.bias = bias
    assert [row["dual_gap"] for row in audited(router)] == [None] * 3


def test_a_stateless_router_sees_each_batch_once():
    seen = []
    audited(lambda scores, k: (seen.append(1), plain_top_k(scores, k))[1], passes=50)
    assert len(seen) == 3


def breaks(scores, top_k):
    raise ValueError("first line\nsecond line")


def leaves(scores, top_k):
    sys.exit(3)


@pytest.mark.parametrize(
    ("router", "words"),
    [
        (breaks, "ValueError: first line (test_audit.py"),
        (leaves, "SystemExit"),
        (lambda s, k: None, "None"),
        (lambda s, k: s, "float64 of shape (24, 4)"),
        (lambda s, k: [[0], [1, 2]], "not convertible"),
        (lambda s, k: np.zeros((24, 2), int), "twice for token 0"),
        (lambda s, k: np.full((24, 2), 4), "expert 4"),
        (lambda s, k: np.full((24, 2), -2), "expert -2"),
        (lambda s, k: plain_top_k(s, k)[:5], "shape (5, 2)"),
        (lambda s, k: "nonsense", "shape ()"),
    ],
)
def test_a_router_that_breaks_is_a_finding_in_one_line_and_not_our_exception(router, words):
    rows = audited(router)
    assert len(rows) == 3
    for row in rows:
        assert words in row.error
        assert "\n" not in row.error
        assert not row.values


def test_one_broken_router_does_not_disturb_another():
    result = audit([here("broken", breaks), here("fine", plain_top_k)], trace=instances())
    assert [summary["errors"] for summary in result.summary] == [3, 0]
    assert result.proved
    assert not result.passed


def test_a_router_that_overwrites_its_input_spoils_neither_the_trace_nor_the_next_router():
    batches = instances()
    before = [batch.scores.copy() for batch in batches]

    def vandal(scores, top_k):
        scores[:] = 0
        return plain_top_k(scores, top_k)

    result = audit([here("vandal", vandal), here("fine", plain_top_k)], trace=batches)
    assert all(np.array_equal(batch.scores, old) for batch, old in zip(batches, before, strict=True))
    assert all(row["regret"] == 0 for row in result.rows if row.balancer == "fine")
    assert "vandal: it writes into its input" in result.words()


def test_what_a_router_prints_does_not_reach_standard_output_and_is_a_warning(capsys):
    rows = audited(lambda scores, k: (print("noise"), plain_top_k(scores, k))[1])
    assert capsys.readouterr().out == ""
    assert {row.warnings for row in rows} == {("it prints to standard output",)}


def test_worst_instance_is_the_one_with_the_largest_relative_regret():
    batches = instances()
    shifted = {id(batches[1].scores): 1}

    def router(scores, top_k):
        good = plain_top_k(scores, top_k)
        return (good + 1) % 4 if np.array_equal(scores, batches[1].scores) and shifted else good

    assert audit([here("mine", router)], trace=batches).summary[0]["worst"] == "i1"


def test_masks_indices_tuples_and_routings_mean_the_same():
    experts = np.array([[0, 2], [1, -1]])
    mask = np.array([[True, False, True], [False, True, False]])
    for returned in (experts, experts.tolist(), (experts, None), Routing(experts), mask, Routing(mask)):
        assert np.array_equal(read_routing(returned, np.zeros((2, 3)), 2).mask, mask)


def test_a_short_routing_object_is_refused():
    with pytest.raises(TargetError, match="shape"):
        read_routing(Routing(np.zeros((1, 2), int)), np.zeros((2, 3)), 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "allowed"),
        (":route", "allowed"),
        ("json:", "allowed"),
        ("no_such_module:route", "cannot be imported"),
        ("json:no_such_thing", "no attribute"),
        ("json:__name__", "cannot be called"),
        ("missing.py:route", "does not exist"),
        ("decimal:Context.nothing", "no attribute"),
        ("fractions:Fraction.numerator", "cannot be called"),
    ],
)
def test_a_target_that_names_no_router_is_refused_in_one_sentence(name, words):
    with pytest.raises(TargetNotFound, match=words) as raised:
        Target.of(name, "router").hold(in_process=True)
    assert "\n" not in str(raised.value)


def test_a_target_can_be_a_function_an_object_or_a_class_in_a_module_or_a_file(tmp_path, monkeypatch):
    (tmp_path / "balancer_under_test.py").write_text(
        "def route(scores, top_k): return scores.argsort(axis=1)[:, -top_k:]\n"
        "class Router:\n"
        "    def __call__(self, scores, top_k): return route(scores, top_k)\n"
        "made = Router()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for place in ("balancer_under_test", "balancer_under_test.py", str(tmp_path / "balancer_under_test.py")):
        for attribute in ("route", "Router", "made"):
            router = Target.of(f"{place}:{attribute}").hold(in_process=True)
            assert router.ask(np.array([[0.1, 0.9, 0.5]]), 2).mask.tolist() == [[False, True, True]]


HOSTILE = """
import os
import time
import numpy as np

def plain(scores, top_k):
    return np.argsort(-scores, axis=1)[:, :top_k]

def hangs(scores, top_k):
    while True:
        time.sleep(1)

def crashes(scores, top_k):
    os.kill(os.getpid(), 9)

def leaves(scores, top_k):
    os._exit(5)

def hungry(scores, top_k):
    return np.zeros(10**13)

def prints(scores, top_k):
    os.write(1, b"noise")
    return plain(scores, top_k)

def changes(scores, top_k):
    chosen = plain(scores, top_k)
    scores[:] = 0
    return chosen
"""

FAILURES = {
    "hangs": ("hangs", "it did not answer within"),
    "crashes": ("crashes", "its process was killed by SIGKILL during a call"),
    "leaves": ("crashes", "its process exited with code 5 during a call"),
    "hungry": ("raises", "it raised MemoryError"),
}


def test_a_hostile_router_is_a_named_failure_and_the_rows_of_the_others_are_complete(tmp_path, monkeypatch):
    (tmp_path / "hostile.py").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    names = [f"hostile:{name}" for name in (*FAILURES, "prints", "changes", "plain")]
    result = audit(names, trace=instances(), call_seconds=0.3)
    for name, (kind, words) in FAILURES.items():
        rows = [row for row in result.rows if row.balancer == f"hostile:{name}"]
        assert [row.kind for row in rows] == [kind] * 3
        assert all(words in row.error for row in rows)
        assert f"hostile:{name} broke on 3 of 3 instances, first on i0: {words}" in result.words()
    values = {name: [r["score"] for r in result.rows if r.balancer == name] for name in names[len(FAILURES) :]}
    assert len({tuple(scores) for scores in values.values()}) == 1
    assert result.proved
    assert not result.passed


class Grouped:
    """Top-K within the best group, and it says so."""

    capabilities = frozenset({"group limited"})
    num_groups, topk_groups = 2, 1

    def __call__(self, scores, top_k):
        best = scores.reshape(len(scores), 2, -1).max(axis=2).argmax(axis=1)
        return plain_top_k(np.where(np.arange(scores.shape[1]) // 2 == best[:, None], scores, -1), top_k)


def test_a_group_limited_router_is_compared_with_a_proved_bound_of_the_group_limited_optimum():
    for row in audited(Grouped()):
        batch = next(one for one in instances() if one.name == row.instance)
        plain = equipoise.AssignmentProblem(batch.scores, 2, row["peak"])
        best = equipoise.solve(equipoise.GroupLimitedProblem(plain, 2, 1))
        assert row.compared_with == "at most 1 of 2 groups"
        assert best.objective <= row["equal_peak_optimum"] <= equipoise.solve(plain).objective
        assert row.evidence["optimum"] in ("certified", "bounded")
        assert (row["regret"] == 0) == (row.evidence["optimum"] == "certified")
