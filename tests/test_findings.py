"""Each finding of docs/measured/findings.md on a small explicit instance; benchmarks/findings makes the tables."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import equipoise
from equipoise import AssignmentProblem, metrics
from equipoise.reference.routing.bip import bip_sweep
from equipoise.reference.routing.loss_free import LossFree
from equipoise.reference.routing.midpoint import midpoint_sweep
from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.reference.routing.quantile_histogram import QuantileHistogram
from equipoise.reference.routing.topk import top_k_experts
from routing_cases import bound


def settled(sweep, scores, top_k):
    """Prices that a sweep leaves as they are."""
    prices = np.zeros(scores.shape[1])
    for _ in range(500):
        after = sweep(scores, prices, top_k)
        if (after == prices).all():
            return prices
        prices = after
    raise AssertionError("the sweep has not settled")


def optimum(scores, top_k):
    return equipoise.solve(AssignmentProblem(scores, top_k)).objective


def loads(scores, prices, top_k):
    return metrics.loads(top_k_experts(scores - prices, top_k), scores.shape[1]).tolist()


def test_published_sweeps_stall_short_of_the_optimum_without_a_tie_and_the_midpoint_does_not():
    scores = np.array([[4.0, 7.0, 3.0], [1.0, 0.0, 5.0], [2.0, 6.0, 8.0]])
    assert optimum(scores, 1) == 16
    for published in (quantile_sweep, bip_sweep):
        assert settled(published, scores, 1).tolist() == [0, 0, 2]
        assert bound(scores, settled(published, scores, 1), 1) == 18
    reached = settled(midpoint_sweep, scores, 1)
    assert float(bound(scores, reached, 1)) == pytest.approx(16, abs=1e-12)
    assert loads(scores, reached, 1) == [1, 1, 1]


def test_ties_stall_the_midpoint_sweep_too():
    rows = "5414 0540 1554 3010 3440 1410 4102 4342 3250 5232 5414 4331"
    scores = np.array([[float(digit) for digit in row] for row in rows.split()])
    stuck = settled(midpoint_sweep, scores, 2)
    assert stuck.tolist() == [0.875, -0.125, 0.375, -0.625]
    assert bound(scores, stuck, 2) > optimum(scores, 2)


def test_no_bias_balances_tokens_that_are_alike_even_at_the_optimal_prices():
    scores = np.array([[1.0, 0.0]] * 4)
    prices = settled(midpoint_sweep, scores, 1)
    assert bound(scores, prices, 1) == optimum(scores, 1)
    assert max(loads(scores, prices, 1)) == 4


def test_bip_leaves_an_expert_without_a_single_token_that_quantile_balancing_fills():
    scores = np.array([[6.0, 4.0, 0.0], [5.0, 3.0, 1.0], [7.0, 8.0, 2.0]])
    bip, quantile = settled(bip_sweep, scores, 1), settled(quantile_sweep, scores, 1)
    assert bip.tolist() == [2, 0, 0]
    assert quantile.tolist() == [2, 0, -4]
    assert loads(scores, bip, 1)[2] == 0
    assert loads(scores, quantile, 1) == [1, 1, 1]


@pytest.mark.parametrize(("rate", "end"), [(4, [[2, 0], [0, 2]]), (1, [[1, 1], [1, 1]])])
def test_a_fixed_step_too_large_for_the_scores_cycles_for_ever_and_a_smaller_one_comes_to_rest(rate, end):
    router = LossFree(rate)
    scores = np.array([[3.0, 0.0], [1.0, 0.0]])
    seen = [metrics.loads(router(scores, 1).chosen, 2).tolist() for _ in range(100)]
    assert sorted(seen[-2:]) == sorted(end)


def test_no_fixed_step_ends_the_cycle_between_tokens_that_are_alike():
    for rate in (1.0, 0.1, 0.001):
        router = LossFree(rate)
        seen = {tuple(metrics.loads(router(np.array([[1.0, 0.75]] * 2), 1).chosen, 2)) for _ in range(3000)}
        assert seen == {(2, 0), (0, 2)}


def test_bins_wider_than_a_gap_between_tokens_cannot_balance_them():
    scores = np.array([[0.5, 0.0], [0.51, 0.0]])
    coarse, fine = QuantileHistogram(bins=100), QuantileHistogram(bins=1000)
    ends = [[metrics.loads(router(scores, 1).chosen, 2).tolist() for _ in range(6)][-1] for router in (coarse, fine)]
    assert ends == [[0, 2], [1, 1]]


def test_a_bias_stored_in_bfloat16_misses_a_window_narrower_than_its_steps():
    scores = np.array([[1 + 1 / 1024, 0.0], [1 + 3 / 1024, 0.0]])
    problem = AssignmentProblem(scores, 1)
    found = equipoise.margin(problem, equipoise.solve(problem))
    assert found.delta == pytest.approx(1 / 1024)
    stored = found.bias_values.astype(ml_dtypes.bfloat16).astype(np.float64)
    assert loads(scores, -found.bias_values, 1) == [1, 1]
    assert loads(scores, -stored, 1) == [2, 0]
