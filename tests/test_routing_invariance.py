"""What a change of the input changes: where a rule is invariant, and the smallest case where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.reference.routing.bip import BIP, bip_sweep
from equipoise.reference.routing.expert_choice import expert_choice
from equipoise.reference.routing.loss_free_multiplicative import LossFreeMultiplicative
from equipoise.reference.routing.midpoint import midpoint_sweep
from equipoise.reference.routing.quantile import QuantileBalancing
from equipoise.reference.routing.sinkhorn import megatron_plan
from equipoise.routing import Routing
from routing_cases import BIASED, EVERY, ONLINE, SWEEPING, cases, drop_dual, prices_of, tie_free
from strategies_assignment import fewer

QUANTILES = ("quantile", "quantile-histogram", "midpoint")
SHIFTABLE = [*BIASED, *QUANTILES]
"""Rules that see differences of biases and of a token's scores only."""


def started(name, bias):
    """A router that has already learnt ``bias``."""
    router = (BIASED | SWEEPING)[name]()
    if hasattr(type(router), "bias"):
        router.prices = -bias
    else:
        router.bias = bias
    return router


def chosen(routing):
    return routing.chosen if isinstance(routing, Routing) else routing


def biased_cases(case):
    numbers = st.integers(-5, 5).map(float)
    return case.flatmap(lambda c: st.tuples(st.just(c), hnp.arrays(float, c[0].shape[1], elements=numbers)))


@pytest.mark.parametrize("name", SHIFTABLE)
@fewer(2)
@given(case=biased_cases(cases()), shift=st.integers(-9, 9))
def test_a_common_shift_of_the_bias_changes_no_choice_and_shifts_the_next_bias(name, case, shift):
    (scores, top_k), bias = case
    assume(name != "midpoint" or scores.shape[0] * top_k % scores.shape[1] == 0)
    plain, shifted = started(name, bias), started(name, bias + shift)
    if name != "midpoint":
        assert (chosen(plain(scores, top_k)) == chosen(shifted(scores, top_k))).all()
    else:
        plain(scores, top_k), shifted(scores, top_k)
    moved = prices_of(plain) - prices_of(shifted)
    np.testing.assert_allclose(moved, moved[0], atol=1e-12)


@pytest.mark.parametrize("name", SHIFTABLE)
@fewer(2)
@given(case=biased_cases(cases()), data=st.data())
def test_a_shift_of_one_token_changes_nothing_in_rules_of_the_equality_form(name, case, data):
    (scores, top_k), bias = case
    shifts = data.draw(hnp.arrays(float, (len(scores), 1), elements=st.integers(-5, 5).map(float)))
    plain, shifted = started(name, bias), started(name, bias)
    assert (chosen(plain(scores, top_k)) == chosen(shifted(scores + shifts, top_k))).all()
    assert (prices_of(plain) == prices_of(shifted)).all()


@pytest.mark.parametrize("name", [*BIASED, *SWEEPING])
@fewer(2)
@given(case=biased_cases(cases()), data=st.data())
def test_the_order_of_tokens_means_nothing_to_batch_rules(name, case, data):
    (scores, top_k), bias = case
    order = data.draw(st.permutations(range(len(scores))))
    plain, mixed = started(name, bias), started(name, bias)
    assert (chosen(plain(scores, top_k))[order] == chosen(mixed(scores[order], top_k))).all()
    assert (prices_of(plain) == prices_of(mixed)).all()


@pytest.mark.parametrize("name", ["topk", "loss-free-multiplicative", "expert-choice"])
@fewer(2)
@given(case=tie_free(), data=st.data())
def test_the_order_of_tokens_means_nothing_to_rules_without_prices(name, case, data):
    scores, top_k = case
    order = data.draw(st.permutations(range(len(scores))))
    plain, mixed = EVERY[name](), EVERY[name]()
    assert (chosen(plain(scores, top_k))[order] == chosen(mixed(scores[order], top_k))).all()


@given(case=cases(), data=st.data())
def test_the_order_of_tokens_moves_the_sinkhorn_plan_only_by_rounding(case, data):
    scores, _ = case
    order = data.draw(st.permutations(range(len(scores))))
    np.testing.assert_allclose(megatron_plan(scores)[0][order], megatron_plan(scores[order])[0], rtol=1e-2)


@pytest.mark.parametrize("name", BIASED)
@fewer(2)
@given(case=biased_cases(tie_free(scale=64)), data=st.data())
def test_the_order_of_experts_means_nothing_to_bias_rules_without_ties(name, case, data):
    (scores, top_k), bias = case
    order = np.array(data.draw(st.permutations(range(scores.shape[1]))))
    plain, mixed = started(name, bias), started(name, bias[order])
    assert (chosen(plain(scores, top_k)) == order[chosen(mixed(scores[:, order], top_k))]).all()
    np.testing.assert_allclose(plain.bias[order], mixed.bias, atol=1e-12)


@pytest.mark.parametrize("name", [*SWEEPING, *ONLINE])
@fewer(2)
@given(case=cases(), data=st.data())
def test_the_order_of_experts_permutes_prices_even_with_ties(name, case, data):
    scores, top_k = case
    order = data.draw(st.permutations(range(scores.shape[1])))
    plain, mixed = (SWEEPING | ONLINE)[name](), (SWEEPING | ONLINE)[name]()
    plain(scores, top_k), mixed(scores[:, order], top_k)
    if prices_of(plain) is not None:
        np.testing.assert_allclose(prices_of(plain)[order], prices_of(mixed), atol=1e-12)


@given(tie_free(scale=64), st.sampled_from([0.5, 2.0, 8.0]))
def test_a_common_scale_of_multiplicative_factors_changes_no_choice(case, scale):
    scores, top_k = case
    plain, scaled = LossFreeMultiplicative(), LossFreeMultiplicative()
    plain.factors = np.arange(1.0, scores.shape[1] + 1)
    scaled.factors = scale * plain.factors
    assert (plain(scores, top_k).chosen == scaled(scores, top_k).chosen).all()


def test_counter_example_a_common_shift_of_prices_changes_bip():
    scores = np.array([[2.0, 3.0], [2.0, 0.0]])
    assert bip_sweep(scores, np.array([0.0, 0.0]), 1).tolist() == [0, 0]
    assert bip_sweep(scores, np.array([1.0, 1.0]), 1).tolist() == [1, 0]


def test_counter_example_a_common_shift_of_prices_changes_the_midpoint_sweep_where_capacities_have_slack():
    scores = np.array([[2.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
    low, high = (midpoint_sweep(scores, np.full(2, float(level)), 1) for level in (-4, 4))
    assert np.ptp(high - low) > 0


def test_counter_example_a_common_shift_of_factors_changes_the_multiplicative_rule():
    scores = np.array([[3.0, 2.0]])
    plain, shifted = LossFreeMultiplicative(), LossFreeMultiplicative()
    plain.factors, shifted.factors = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert plain(scores, 1).chosen.tolist() == [[1]]
    assert shifted(scores, 1).chosen.tolist() == [[0]]


def test_counter_example_a_shift_of_one_token_changes_bip():
    scores, shift = np.array([[0.0, 3.0]]), -2.0
    assert BIP(sweeps=1)(scores, 1).chosen.tolist() == [[0]]
    assert BIP(sweeps=1)(scores + shift, 1).chosen.tolist() == [[1]]


def test_counter_example_a_shift_of_one_token_changes_the_multiplicative_rule():
    router = LossFreeMultiplicative()
    router.factors = np.array([1.0, 2.0])
    assert router(np.array([[3.0, 2.0]]), 1).chosen.tolist() == [[1]]
    router.factors = np.array([1.0, 2.0])
    assert router(np.array([[3.0, 2.0]]) + 4, 1).chosen.tolist() == [[1]]
    router.factors = np.array([1.0, 2.0])
    assert router(np.array([[3.0, 2.0]]) - 1.5, 1).chosen.tolist() == [[0]]


def test_counter_example_a_shift_of_one_token_changes_expert_choice():
    scores = np.array([[2.0, 2.0], [1.0, 1.0]])
    assert expert_choice(scores, 1).chosen.tolist() == [[True, True], [False, False]]
    assert expert_choice(scores + [[0.0], [3.0]], 1).chosen.tolist() == [[False, False], [True, True]]


def test_counter_example_a_shift_of_one_token_moves_the_drop_form_dual_by_something_else():
    scores, none = np.array([[1.0, 0.0]]), [0.0, 0.0]
    assert drop_dual(scores, none, 1, 1) == 1
    assert drop_dual(scores - 3, none, 1, 1) == 0


@pytest.mark.parametrize("name", ONLINE)
def test_counter_example_the_order_of_tokens_changes_the_online_rules(name):
    scores = np.array([[3.0, 4.0], [1.0, 4.0]])
    first, last = (ONLINE[name]()(given, 1).chosen.ravel().tolist() for given in (scores, scores[::-1]))
    assert first == [1, 1]
    assert last == [1, 0]


def test_counter_example_the_clamp_hides_a_starved_expert_from_bip_but_not_from_quantile_balancing():
    """Expert 2 is nobody's choice; only a negative price would fill it."""
    scores = np.array([[6.0, 6.0, 0.0], [5.0, 6.0, 1.0], [6.0, 5.0, 0.0]])
    bip, quantile = BIP(sweeps=8), QuantileBalancing(sweeps=8)
    bip(scores, 1), quantile(scores, 1)
    assert bip.prices.min() >= 0
    assert (quantile.prices - quantile.prices.max())[2] < 0
