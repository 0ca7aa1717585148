"""Rules that learn from past loads: which way they move, what they leave alone, and the loss they descend on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.metrics import loads
from equipoise.reference.routing.alf_lb import ALFLB
from equipoise.reference.routing.loss_controlled import (
    LossControlled,
    balance_loss,
    balance_loss_gradient,
    softmax,
    through_softmax,
)
from equipoise.reference.routing.loss_free import LossFree
from equipoise.reference.routing.loss_free_multiplicative import LossFreeMultiplicative
from equipoise.reference.routing.loss_free_proportional import LossFreeProportional
from equipoise.reference.routing.topk import top_k_experts
from routing_cases import BIASED, PRICED, cases, exact
from strategies_assignment import fewer


def same_sign(moved, error):
    return (np.sign(np.round(moved, 12)) == np.sign(error)).all()


@pytest.mark.parametrize("name", BIASED)
@given(case=cases())
@fewer(2)
def test_overload_lowers_the_bias_and_underload_raises_it(name, case):
    scores, top_k = case
    router = BIASED[name]()
    before = np.zeros(scores.shape[1])
    for _ in range(3):
        load = loads(router(scores, top_k).chosen, scores.shape[1])
        assert same_sign(router.bias - before, load.mean() - load)
        before = router.bias


@given(case=cases(elements=st.integers(1, 8)))
def test_overload_lowers_the_factor_of_the_multiplicative_rule(case):
    scores, top_k = case
    router = LossFreeMultiplicative(rate=0.25)
    load = loads(router(scores, top_k).chosen, scores.shape[1])
    assert same_sign(router.factors - 1, load.mean() - load)


def test_counter_example_negative_scores_turn_the_multiplicative_rule_around():
    scores = np.array([[-2.0, -3.0]])
    router = LossFreeMultiplicative(rate=0.75)
    assert [router(scores, 1).chosen.item() for _ in range(4)] == [0, 0, 0, 0]
    assert router.factors.tolist() == [1 - 3.0, 1 + 3.0]


@pytest.mark.parametrize("name", sorted(PRICED.keys() - {"loss-controlled", "group-limited", "quantile-histogram"}))
@given(case=cases())
@fewer(2)
def test_gate_weights_are_the_scores_and_never_depend_on_the_bias(name, case):
    scores, top_k = case
    router = PRICED[name]()
    for _ in range(3):
        routing = router(scores, top_k)
        assert (routing.weights == np.take_along_axis(scores, routing.chosen, axis=1)).all()


def test_gate_weights_of_loss_controlled_do_contain_its_offsets_for_they_stand_for_the_network():
    router = LossControlled(alpha=1)
    scores = np.array([[3.0, 1.0], [3.0, 1.0]])
    router(scores, 1)
    assert router.bias.tolist() == [-1, 1]
    assert router(scores, 1).weights.tolist() == [[2], [2]]


def test_proportional_units_are_tokens_share_and_relative():
    scores = np.array([[2.0, 1.0, 0.0, 0.0]] * 3)
    moved = {}
    for unit in ("tokens", "share", "relative"):
        router = LossFreeProportional(unit, rate=1)
        router(scores, 2)
        moved[unit] = router.bias
    np.testing.assert_allclose(moved["tokens"], [-1.5, -1.5, 1.5, 1.5])
    np.testing.assert_allclose(moved["share"], moved["tokens"] / 6)
    np.testing.assert_allclose(moved["relative"], moved["tokens"] / 1.5)


@given(case=cases())
def test_loss_controlled_on_scores_is_the_proportional_rule_in_relative_units(case):
    scores, top_k = case
    loss, rule = LossControlled(alpha=0.5, learning_rate=2), LossFreeProportional("relative", rate=1)
    for _ in range(3):
        loss.bias = rule.bias
        assert (loss(scores, top_k).chosen == rule(scores, top_k).chosen).all()
        np.testing.assert_allclose(loss.bias, rule.bias, atol=1e-12)


@given(case=cases())
def test_alf_lb_with_a_constant_step_is_the_proportional_rule_in_tokens(case):
    scores, top_k = case
    alf, rule = ALFLB(rate=0.5, decay=0), LossFreeProportional("tokens", rate=0.5)
    for _ in range(3):
        assert (alf(scores, top_k).chosen == rule(scores, top_k).chosen).all()
        assert (alf.bias == rule.bias).all()


def test_alf_lb_takes_shrinking_steps_of_its_own_for_every_expert():
    scores = np.array([[9.0, 0.0], [9.0, 0.0]])
    router = ALFLB(rate=np.array([1.0, 0.5]), decay=1)
    router(scores, 1)
    assert router.bias.tolist() == [-1, 0.5]
    router(scores, 1)
    assert router.bias.tolist() == [-1.5, 0.75]
    router.reset()
    assert router.bias is None
    assert router.step == 0


def test_one_step_of_loss_free_by_hand():
    router = LossFree(rate=0.25)
    assert router(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), 1).chosen.tolist() == [[0], [0]]
    assert router.bias.tolist() == [-0.25, 0.25, 0.25]


@given(case=cases(), alpha=st.integers(1, 4), data=st.data())
def test_the_loss_is_what_its_definition_says_in_fractions(case, alpha, data):
    scores, top_k = case
    tokens, experts = scores.shape
    chosen = top_k_experts(scores, top_k)
    total = Fraction(0)
    for expert in range(experts):
        frequency = Fraction(experts, top_k * tokens) * int((chosen == expert).sum())
        total += frequency * sum(exact(scores[:, expert])) / tokens
    assert balance_loss(scores, chosen, alpha) == pytest.approx(float(alpha * total), abs=1e-12)


@given(case=cases(), data=st.data())
def test_the_gradient_of_the_loss_equals_exact_differences(case, data):
    """L is linear in the scores while the counts are held, so a finite difference is the derivative."""
    scores, top_k = case
    chosen = top_k_experts(scores, top_k)
    gradient = balance_loss_gradient(scores, chosen, 0.5)
    assert gradient.shape == scores.shape
    step = data.draw(hnp.arrays(float, scores.shape, elements=st.integers(-4, 4).map(float)))
    change = balance_loss(scores + step, chosen, 0.5) - balance_loss(scores, chosen, 0.5)
    assert float((gradient * step).sum()) == pytest.approx(change, abs=1e-12)


@given(case=cases(), data=st.data())
def test_the_gradient_through_the_softmax_equals_central_differences(case, data):
    logits, top_k = case
    chosen = top_k_experts(logits, top_k)
    gate = softmax(logits)
    slope = through_softmax(gate, balance_loss_gradient(gate, chosen, 1.0)).sum(axis=0)
    expert, tiny = data.draw(st.integers(0, logits.shape[1] - 1)), 1e-5
    nudge = tiny * (np.arange(logits.shape[1]) == expert)
    up, down = (balance_loss(softmax(logits + sign * nudge), chosen, 1.0) for sign in (1, -1))
    assert slope[expert] == pytest.approx((up - down) / (2 * tiny), abs=1e-8)


@given(case=cases())
def test_softmax_offsets_stay_centred_and_the_loss_does_not_rise_while_choices_stay(case):
    logits, top_k = case
    router = LossControlled(alpha=1, learning_rate=0.01, gate="softmax")
    first = router(logits, top_k).chosen
    assert abs(router.bias.sum()) < 1e-12
    before, after = softmax(logits), softmax(logits + router.bias)
    assert balance_loss(after, first, 1) <= balance_loss(before, first, 1) + 1e-12
