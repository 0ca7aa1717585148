"""The rules of 2025 and 2026, against loops that say them again; and the gates of DeepSeek-V3, K3 and BASE."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.metrics import loads
from equipoise.reference.routing.base_layers import BASE
from equipoise.reference.routing.expert_threshold import ExpertThreshold
from equipoise.reference.routing.group_limited import GroupLimited, group_limited
from equipoise.reference.routing.laser import LASER
from equipoise.reference.routing.longcat import LongCat
from equipoise.reference.routing.loss_free_proportional import LossFreeProportional
from equipoise.reference.routing.maxscore import MaxScore
from equipoise.reference.routing.null_experts import NullExperts
from equipoise.reference.routing.quantile import QuantileBalancing, quantile_sweep
from equipoise.reference.routing.quantile_averaged import QuantileAveraged
from equipoise.reference.routing.quantile_histogram import QuantileHistogram
from equipoise.reference.routing.smebu import SMEBU
from equipoise.reference.routing.sqrt_softplus import SqrtSoftplus
from routing_cases import cases, tie_free
from strategies_assignment import fewer


@given(case=cases())
@fewer(2)
def test_smebu_keeps_the_mean_of_its_bias_and_never_steps_further_than_twice_its_rate(case):
    scores, top_k = case
    router, before = SMEBU(rate=0.5), np.zeros(scores.shape[1])
    for _ in range(4):
        router(scores, top_k)
        assert abs(router.bias.mean()) < 1e-12
        assert (np.abs(router.bias - before) <= 2 * 0.5 + 1e-12).all()
        before = router.bias


@given(case=cases())
@fewer(2)
def test_smebu_without_momentum_moves_the_overloaded_below_the_underloaded(case):
    scores, top_k = case
    router = SMEBU(rate=0.5, momentum=0.0)
    load = loads(router(scores, top_k).chosen, scores.shape[1])
    assert (np.diff(router.bias[np.argsort(load, kind="stable")]) <= 1e-12).all()


def test_smebu_forgets_its_momentum_with_its_bias():
    router, wide, narrow = SMEBU(rate=1), np.eye(3) + np.arange(3), np.eye(2) + np.arange(2)
    router(wide, 1), router(narrow, 1)
    fresh = SMEBU(rate=1)
    fresh(narrow, 1)
    assert (router.bias == fresh.bias).all()
    router.reset()
    router(narrow, 1)
    assert (router.bias == fresh.bias).all()


@given(case=cases())
@fewer(2)
def test_longcat_without_zero_experts_is_the_proportional_rule_in_shares(case):
    scores, top_k = case
    ours, other = LongCat(rate=4), LossFreeProportional("share", rate=4)
    for _ in range(3):
        assert (ours(scores, top_k).chosen == other(scores, top_k).chosen).all()
        assert np.allclose(ours.bias, other.bias)


def test_longcat_prices_computing_experts_until_they_have_their_share():
    scores = np.random.default_rng(0).random((256, 8)) + np.arange(8) / 16
    router = LongCat(rate=1.0, zero_experts=2, expected=0.5)
    for _ in range(400):
        chosen = router(scores, 4).chosen
    assert ((chosen < 6) & (chosen >= -1)).all()
    assert (router.bias[6:] == 0).all()
    assert abs((chosen >= 0).mean() - 0.5) < 0.02
    load = loads(chosen, 8)[:6]
    assert load.max() / load.mean() < 1.1


@given(case=cases(elements=st.integers(1, 8)), budget=st.sampled_from([0.25, 0.5, 1.0]))
@fewer(2)
def test_a_token_uses_the_experts_of_its_top_k_that_score_no_less_than_the_null(case, budget):
    scores, top_k = case
    router = NullExperts(budget, rate=1.0)
    for _ in range(3):
        null, bias = router.null, np.zeros(scores.shape[1]) if router.bias is None else router.bias
        mask = [set(row[row >= 0]) for row in router(scores, top_k).chosen]
        for row, used in zip(scores + bias, mask, strict=True):
            best = sorted(range(len(row)), key=lambda e: (-row[e], e))[:top_k]
            assert used == {e for e in best if row[e] >= null}


def test_null_experts_settle_at_their_budget():
    scores = np.random.default_rng(1).random((256, 8))
    router = NullExperts(0.5, rate=2**-8)
    for _ in range(400):
        chosen = router(scores, 4).chosen
    assert abs((chosen >= 0).mean() - 0.5) < 0.05


@given(case=cases(), ema=st.sampled_from([0.0, 0.5]), parts=st.integers(1, 3))
@fewer(2)
def test_quantiles_are_averaged_over_micro_batches_blended_and_centred(case, ema, parts):
    scores, top_k = case
    router, beta = QuantileAveraged(ema, parts), np.zeros(scores.shape[1])
    for _ in range(3):
        chosen = router(scores, top_k).chosen
        keys = np.take_along_axis(scores - beta, chosen, axis=1)
        assert (keys == -np.sort(-(scores - beta), axis=1)[:, :top_k]).all()
        found = [quantile_sweep(part, beta, top_k) for part in np.array_split(scores, parts) if len(part)]
        blended = ema * beta + (1 - ema) * sum(found) / len(found)
        beta = blended - blended.mean()
        assert np.allclose(router.prices, beta)


@given(case=cases())
@fewer(2)
def test_one_micro_batch_without_memory_routes_as_quantile_balancing(case):
    scores, top_k = case
    ours, other = QuantileAveraged(), QuantileBalancing()
    ours(scores, top_k), other(scores, top_k)
    assert np.allclose(ours.prices, other.prices - other.prices.mean())


@given(case=cases())
@fewer(2)
def test_every_expert_takes_what_reaches_the_average_of_its_past_cuts(case):
    scores, top_k = case
    tokens, experts = scores.shape
    router, cuts = ExpertThreshold(decay=0.5), None
    for shift in (0.0, 1.0, -2.0):
        batch = scores + shift
        rank = -(-tokens * top_k // experts)
        found = np.array([sorted(batch[:, e], reverse=True)[rank - 1] for e in range(experts)])
        cuts = found if cuts is None else cuts
        assert (router(batch, top_k).chosen == (batch >= cuts)).all()
        cuts = 0.5 * cuts + 0.5 * found


@given(case=cases(elements=st.integers(0, 8)))
@fewer(2)
def test_laser_takes_the_least_loaded_of_what_scores_well_enough(case):
    scores, top_k = case
    chosen = LASER(mass=0.8, ratio=0.5)(scores, top_k).chosen
    load = np.zeros(scores.shape[1], int)
    for row, taken in zip(scores, chosen, strict=True):
        best = np.sort(row)[::-1][:top_k]
        if best.sum() > 0 and best.sum() >= 0.8 * row.sum():
            assert sorted(row[taken]) == sorted(best)
        else:
            good = [e for e in range(len(row)) if row[e] >= 0.5 * best[-1]]
            assert sorted(load[taken]) == sorted(load[good])[:top_k]
        load[taken] += 1


@given(case=cases(elements=st.integers(-3, 3)))
@fewer(2)
def test_sqrt_softplus_weighs_by_its_gate_and_selects_as_top_k_at_first(case):
    logits, top_k = case
    routing = SqrtSoftplus(scale=2.0)(logits, top_k)
    gate = np.sqrt(np.log1p(np.exp(np.take_along_axis(logits, routing.chosen, axis=1))))
    wanted = gate / gate.sum(axis=1, keepdims=True) if top_k > 1 else gate
    assert np.allclose(routing.weights, 2 * wanted)
    assert (gate[:, :-1] >= gate[:, 1:]).all()


@given(case=tie_free(max_tokens=4, max_experts=3))
@fewer(2)
def test_maxscore_is_the_best_assignment(case):
    scores, top_k = case
    tokens, experts = scores.shape
    capacity = -(-tokens * top_k // experts)
    routing = MaxScore()(scores, top_k)
    assert (loads(routing.chosen, experts) <= capacity).all()
    rows = product(combinations(range(experts), top_k), repeat=tokens)
    fitting = (one for one in rows if (np.bincount(np.ravel(one), minlength=experts) <= capacity).all())
    best = max(sum(scores[t, list(chosen)].sum() for t, chosen in enumerate(one)) for one in fitting)
    assert routing.weights.sum() == pytest.approx(best, abs=1e-5)


@given(case=cases(elements=st.integers(1, 8)))
@fewer(2)
def test_gates_of_deepseek_v3_and_k3_are_normalised_and_deepseek_v3s_is_scaled(case):
    scores, top_k = case
    for router, scale in ((GroupLimited(1, 1), 2.5), (QuantileHistogram(), 1.0)):
        routing = router(scores, top_k)
        given_scores = np.take_along_axis(scores, routing.chosen, axis=1)
        assert np.allclose(routing.weights, scale * given_scores / given_scores.sum(axis=1, keepdims=True))


def test_groups_are_scored_by_their_two_best_or_by_their_k_over_m_best():
    scores = np.array([[9.0, 0, 0, 0, 5, 5, 0, 0]])
    assert group_limited(scores, 1, 2, 1).tolist() == [[4]]
    assert group_limited(scores, 1, 2, 1, "K/M").tolist() == [[0]]
    assert sorted(group_limited(scores, 3, 2, 1, "K/M")[0]) == [4, 5, 6]
    assert (group_limited(scores, 2, 4, 1) == group_limited(scores, 2, 4, 1, "K/M")).all()


def test_base_replaces_what_is_not_finite_and_gates_by_a_sigmoid():
    scores = np.array([[np.nan, 2.0], [1.0, np.inf], [0.5, -1.0], [-np.inf, 0.0]])
    routing = BASE()(scores, 1)
    plain = np.where(np.isfinite(scores), scores, -1.0)
    assert (routing.chosen == BASE()(plain, 1).chosen).all()
    assert np.allclose(routing.weights, 1 / (1 + np.exp(-np.take_along_axis(plain, routing.chosen, axis=1))))
