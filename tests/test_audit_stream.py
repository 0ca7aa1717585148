"""Streams: order, state, and the comparators that cannot see the future."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from command_line import run
from equipoise import metrics
from equipoise.audits.comparators import FixedBias, LastPrices, exact_bias
from equipoise.audits.router import BALANCED_AT, FIXED_BIAS, LAST_PRICES, steps_until_balanced
from equipoise.reference.routing.topk import topk
from equipoise.traces import drifting
from test_cli import folder

__all__ = ["folder"]


def stream(**options):
    return drifting(**{"steps": 6, "tokens": 40, "experts": 5, "top_k": 2, **options})


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=12))
def test_steps_until_balanced_is_the_least_number_after_which_no_step_is_unbalanced(series):
    naive = [n for n in range(len(series)) if all(value <= BALANCED_AT for value in series[n:])]
    assert steps_until_balanced(series) == (naive[0] if naive else None)


def test_a_stream_is_seen_once_in_order_and_each_sequence_starts_afresh():
    calls = []

    class Router:
        def reset(self):
            calls.append("reset")

        def __call__(self, scores, top_k):
            calls.append(scores.tobytes())
            return topk(scores, top_k)

    batches = stream(seed=1) + stream(seed=2)
    equipoise.audit([Router()], trace=batches, stream=True)
    contents = [batch.scores.tobytes() for batch in batches]
    assert calls == ["reset", *contents[:6], "reset", *contents[6:]]


def test_stream_summaries_follow_from_the_rows_and_name_both_comparators():
    result = equipoise.audit(["topk"], trace=stream(), stream=True)
    assert [summary["balancer"] for summary in result.summary] == ["topk", LAST_PRICES, FIXED_BIAS]
    loads = np.array([np.bincount(topk(batch.scores, 2).ravel(), minlength=5) for batch in stream()])
    assert result.summary[0]["avg_max_vio"] == pytest.approx(metrics.avg_max_vio(loads))
    assert result.summary[0]["sup_max_vio"] == pytest.approx(metrics.sup_max_vio(loads))
    assert result.proved
    assert all(row["regret"] >= 0 for row in result.rows)


def test_the_last_prices_comparator_knows_only_the_past():
    batches = stream()
    router = LastPrices()
    assert np.array_equal(router(batches[0].scores, 2), topk(batches[0].scores, 2))
    expected = topk(batches[1].scores + exact_bias(equipoise.AssignmentProblem(batches[0].scores, 2)), 2)
    assert np.array_equal(router(batches[1].scores, 2), expected)
    router.reset()
    assert np.array_equal(router(batches[1].scores, 2), topk(batches[1].scores, 2))


def test_on_a_stream_that_repeats_one_batch_both_comparators_reach_its_optimum():
    batch = stream()[0]
    optimum = equipoise.solve(equipoise.AssignmentProblem(batch.scores, 2)).objective
    last = LastPrices()
    last(batch.scores, 2)
    for router in (last, FixedBias([batch.scores] * 3, 2)):
        mask = np.zeros((40, 5), bool)
        np.put_along_axis(mask, router(batch.scores, 2), True, axis=1)
        assert metrics.loads(mask, 5).tolist() == [16] * 5
        assert metrics.score(equipoise.AssignmentProblem(batch.scores, 2), mask) == optimum


@given(st.integers(0, 50))
def test_no_fixed_bias_has_a_smaller_total_dual_bound_than_the_best_one_in_hindsight(seed):
    batches = stream(seed=seed, steps=3, tokens=10)
    pooled = equipoise.AssignmentProblem(np.concatenate([batch.scores for batch in batches]), 2)
    best = metrics.dual_value(pooled, FixedBias([batch.scores for batch in batches], 2).bias)
    other = np.random.default_rng(seed).normal(size=5)
    rounding = float(pooled.grid.unit) * pooled.demand * 2
    assert float(best - metrics.dual_value(pooled, other)) <= rounding
    assert float(best - equipoise.solve(pooled).objective) <= rounding


def test_ties_everywhere_still_give_optimal_prices():
    scores = np.ones((8, 4))
    assert (
        metrics.dual_gap(equipoise.AssignmentProblem(scores, 2), exact_bias(equipoise.AssignmentProblem(scores, 2)), 16)
        == 0
    )


def test_generated_streams_are_a_function_of_their_seed_and_say_that_they_are_generated():
    first, again, other = stream(seed=3), stream(seed=3), stream(seed=4)
    assert all(np.array_equal(a.scores, b.scores) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].scores, other[0].scores)
    assert all("generated" in batch.name for batch in first)


def test_audit_stream_from_the_command_line_certifies_every_step(folder):
    audited = run(folder, "audit", "bip", "--stream", "--trace", "trace.npz", "--format", "json")
    assert audited.returncode == 0, audited.stderr
    rows = json.loads(audited.stdout)["rows"]
    assert {row["evidence"]["optimum"] for row in rows} == {"certified"}
    assert [row["balancer"] for row in rows] == ["bip"] * 3 + [LAST_PRICES] * 3 + [FIXED_BIAS] * 3
    assert run(folder, "audit", "bip", "--stream", "--passes", 3).returncode == 2
