"""Quantile balancing: exact, from pooled histograms, and at midpoints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.metrics import loads
from equipoise.reference.routing.midpoint import Midpoint
from equipoise.reference.routing.quantile import QuantileBalancing, quantile_sweep
from equipoise.reference.routing.quantile_histogram import QuantileHistogram
from equipoise.reference.routing.ranks import halfway, ranked
from equipoise.reference.routing.topk import top_k_experts
from routing_cases import cases
from strategies_assignment import fewer

SIGMOID = st.integers(0, 64).map(lambda n: n / 64)


@given(
    hnp.arrays(float, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-3, 3).map(float)),
    st.data(),
)
def test_ranks_are_those_of_a_sorted_axis(values, data):
    axis = data.draw(st.integers(0, 1))
    size = values.shape[axis]
    rank = data.draw(st.integers(1, size + 2))
    ordered = -np.sort(-values, axis=axis)
    if rank > size:
        assert (ranked(values, rank, axis) == -np.inf).all()
    else:
        assert (ranked(values, rank, axis) == ordered.take(rank - 1, axis)).all()
    if rank < size:
        assert (halfway(values, rank, axis) == ordered.take([rank - 1, rank], axis).mean(axis=axis)).all()


@given(case=cases())
def test_quantile_balancing_routes_with_the_previous_bias_and_then_sweeps_once(case):
    scores, top_k = case
    router = QuantileBalancing()
    assert (router(scores, top_k).chosen == top_k_experts(scores, top_k)).all()
    first = router.prices
    assert (first == quantile_sweep(scores, np.zeros(scores.shape[1]), top_k)).all()
    assert (router(scores[::-1], top_k).chosen == top_k_experts(scores[::-1] - first, top_k)).all()


@given(case=cases(below=True))
def test_after_a_quantile_sweep_every_expert_has_its_share_of_tokens_above_their_cutoffs(case):
    """The block minimum in words: at most C tokens strictly, at least C + 1 weakly, beat their cutoff at the price."""
    scores, top_k = case
    tokens, experts = scores.shape
    q = quantile_sweep(scores, np.zeros(experts), top_k)
    margins = scores - ranked(scores, top_k + 1, axis=1)[:, None]
    share = tokens * top_k // experts
    assert ((margins > q).sum(axis=0) <= share).all()
    assert ((margins >= q).sum(axis=0) >= share + 1).all()


@given(case=cases(elements=SIGMOID, max_tokens=12), data=st.data())
def test_the_histogram_form_is_invariant_to_how_tokens_are_sharded(case, data):
    scores, top_k = case
    pooled, sharded = QuantileHistogram(bins=50), QuantileHistogram(bins=50)
    for _ in range(2):
        owner = data.draw(hnp.arrays(int, len(scores), elements=st.integers(0, 2)))
        shards = [scores[owner == number] for number in range(3) if (owner == number).any()]
        counts = sum(sharded.count(shard, top_k) for shard in shards)
        pooled(scores, top_k)
        sharded.learn(counts, top_k)
        assert (pooled.bias == sharded.bias).all()


def test_averaged_exact_quantiles_are_not_invariant_to_sharding():
    """One shard likes expert 0, the other has no opinion: the average prices what the pool does not."""
    shards = [np.array([[4.0, 0.0], [4.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.0]])]
    pooled = quantile_sweep(np.concatenate(shards), np.zeros(2), 1)
    averaged = np.mean([quantile_sweep(shard, np.zeros(2), 1) for shard in shards], axis=0)
    assert pooled.tolist() == [0, 0]
    assert averaged.tolist() == [2, 0]


@given(case=cases(elements=SIGMOID, below=True, max_tokens=12))
def test_the_histogram_bias_is_within_a_bin_of_the_quantile_that_it_estimates_and_centred(case):
    scores, top_k = case
    tokens, experts = scores.shape
    router = QuantileHistogram(bins=40)
    router(scores, top_k)
    required = ranked(scores, top_k + 1, axis=1)[:, None] - scores
    quantile = np.sort(required, axis=0)[-(-tokens * top_k // experts) - 1]
    offset = router.bias - quantile
    assert np.ptp(offset) <= 2 * (2 / 40) + 1e-12
    assert abs(router.bias.sum()) < 1e-12


def test_histogram_scores_outside_zero_to_one_fall_into_the_end_bins():
    router = QuantileHistogram(bins=4)
    counts = router.count(np.array([[9.0, -9.0, -9.0], [9.0, 9.0, -9.0]]), 1)
    assert counts.tolist() == [[1, 0, 1, 0], [0, 0, 2, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("router", [QuantileBalancing, QuantileHistogram, Midpoint])
@fewer(4)
@given(scores=hnp.arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=SIGMOID))
def test_at_k_equal_to_e_the_bias_stays_as_it_is(router, scores):
    tested = router()
    tested(scores, scores.shape[1])
    assert (tested.bias == 0).all()


def test_a_step_without_tokens_leaves_the_histogram_bias_alone():
    router = QuantileHistogram(bins=10)
    router(np.array([[0.5, 0.25]]), 1)
    before = router.bias
    router.learn(np.zeros((2, 10), np.int64), 1)
    assert (router.bias == before).all()


def test_midpoint_prices_are_zero_where_no_capacity_can_bind():
    router = Midpoint()
    router(np.array([[3.0, 2.0, 1.0]]), 1)
    assert router.prices.tolist() == [0, 0, 0]


def test_midpoint_balances_exactly_where_the_published_sweeps_stall():
    scores = np.random.default_rng(5).random((64, 8))
    midpoint, quantile = Midpoint(sweeps=200), QuantileBalancing(sweeps=200)
    assert loads(midpoint(scores, 2).chosen, 8).tolist() == [16] * 8
    quantile(scores, 2)
    assert loads(quantile(scores, 2).chosen, 8).tolist() != [16] * 8
