"""The rivals of the dual rules: Sinkhorn, the BASE auction, expert choice and group limits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import equipoise
from equipoise import AssignmentProblem, metrics
from equipoise.errors import InvalidProblem
from equipoise.reference.routing.base_layers import BASE, auction, deferred_acceptance
from equipoise.reference.routing.expert_choice import expert_choice
from equipoise.reference.routing.group_limited import GroupLimited, group_limited
from equipoise.reference.routing.sinkhorn import (
    Sinkhorn,
    entropic_gap,
    entropic_objective,
    megatron_plan,
    rounded,
    stable_plan,
)
from routing_cases import cases, exact, grids
from strategies_assignment import fewer

PLANS = hnp.arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(0, 2, width=16))


def skewed(tokens: int, experts: int, scale: float):
    """Normal logits with popular and unpopular experts."""
    random = np.random.default_rng(0)
    return scale * (random.normal(size=(tokens, experts)) + 2 * random.normal(size=experts))


@given(cases())
def test_the_stable_plan_meets_both_marginals_and_has_no_entropic_gap(case):
    logits, _ = case
    plan, ended = stable_plan(logits, tolerance=1e-10, max_iterations=2000)
    assert ended
    np.testing.assert_allclose(plan.sum(axis=1), 1 / len(logits), atol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / logits.shape[1], atol=1e-9)
    assert abs(entropic_gap(logits, plan)) < 1e-6


@given(grids().flatmap(lambda s: st.tuples(st.just(s), hnp.arrays(float, s.shape, elements=st.floats(0, 2, width=16)))))
def test_the_entropic_gap_of_any_plan_bounds_its_distance_to_the_optimum(case):
    logits, plan = case
    best, _ = stable_plan(logits, tolerance=1e-10, max_iterations=2000)
    feasible = rounded(plan + 1e-3)
    distance = entropic_objective(logits, best) - entropic_objective(logits, feasible)
    assert distance >= -1e-8
    assert entropic_gap(logits, plan + 1e-3) >= distance - 1e-8


@given(PLANS)
def test_rounding_a_plan_makes_its_marginals_exact(plan):
    tokens, experts = plan.shape
    feasible = rounded(plan)
    assert (feasible >= 0).all()
    np.testing.assert_allclose(feasible.sum(axis=1), 1 / tokens, atol=1e-12)
    np.testing.assert_allclose(feasible.sum(axis=0), 1 / experts, atol=1e-12)


def test_the_megatron_loop_ends_on_mild_logits_close_to_the_entropic_optimum():
    logits = np.random.default_rng(0).normal(size=(256, 16))
    plan, ended = megatron_plan(logits)
    assert ended
    assert 0 <= entropic_gap(logits, plan) < 1e-3
    np.testing.assert_allclose(plan, stable_plan(logits, 1e-8)[0], atol=1e-6)


def test_the_megatron_loop_never_meets_its_own_test_on_skewed_logits_although_the_plan_is_balanced():
    logits = skewed(1024, 16, 3)
    plan, ended = megatron_plan(logits, max_iterations=2000)
    assert not ended
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 16, rtol=0.01)


def test_the_megatron_plan_is_nan_beyond_the_range_of_float32_and_the_stable_one_is_not():
    logits = skewed(64, 8, 60)
    assert np.abs(logits).max() > 89
    assert np.isnan(megatron_plan(logits)[0]).any()
    assert np.isnan(entropic_gap(logits, megatron_plan(logits)[0]))
    assert np.isfinite(stable_plan(logits)[0]).all()


@pytest.mark.parametrize("top_k", [1, 2])
def test_sinkhorn_gate_weights_are_the_activation_of_the_logits_not_the_plan(top_k):
    logits = np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]])
    routing = Sinkhorn()(logits, top_k)
    gate = 1 / (1 + np.exp(-logits)) if top_k == 1 else np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(routing.weights, np.take_along_axis(gate, routing.chosen, axis=1))


@pytest.mark.parametrize("make", [Sinkhorn, lambda: Sinkhorn(stable=True)])
def test_a_token_shift_of_the_logits_moves_the_sinkhorn_plan_only_by_rounding(make):
    random = np.random.default_rng(3)
    logits = random.normal(size=(64, 8))
    assert (make()(logits, 2).chosen == make()(logits + random.normal(size=(64, 1)), 2).chosen).all()


@given(grids(max_tokens=12))
def test_base_ends_on_every_input_and_gives_an_expert_at_most_its_share(scores):
    tokens, experts = scores.shape
    router = BASE(max_rounds=200)
    chosen = router(scores, 1).chosen
    assert chosen.shape == (tokens, 1)
    assert metrics.loads(chosen, experts).max() <= -(-tokens // experts)


@given(grids(max_tokens=8, max_experts=4))
@fewer(2)
def test_base_never_scores_above_the_certified_optimum(scores):
    problem = AssignmentProblem(scores, 1)
    chosen = BASE(max_rounds=200)(scores, 1).chosen
    reached = sum(exact(np.take_along_axis(scores, chosen, axis=1)))
    assert reached <= equipoise.solve(problem).objective


def test_base_is_within_its_epsilon_of_the_optimum_while_it_holds_tokens():
    scores = np.random.default_rng(1).random((32, 4))
    router = BASE()
    reached = np.take_along_axis(scores, router(scores, 1).chosen, axis=1).sum()
    assert not router.guarded
    assert float(equipoise.solve(AssignmentProblem(scores, 1)).objective) - reached <= 32 / 50


def test_the_published_auction_never_ends_on_250_tokens_and_16_experts_and_the_guarded_one_does():
    scores = np.random.default_rng(0).random((250, 16))
    assert auction(scores, 3000)[0] is None
    router = BASE()
    load = metrics.loads(router(scores, 1).chosen, 16)
    assert not router.guarded
    assert load.max() == 16
    assert load.sum() == 250


def test_base_finishes_by_deferred_acceptance_when_rounds_run_out():
    scores = np.random.default_rng(0).random((64, 8))
    router = BASE(max_rounds=1)
    assert metrics.loads(router(scores, 1).chosen, 8).tolist() == [8] * 8
    assert router.guarded


@given(grids())
def test_deferred_acceptance_is_stable_and_keeps_to_the_room(values):
    """No token and expert would both rather have each other than what they have."""
    tokens, experts = values.shape
    room = -(-tokens // experts)
    chosen = deferred_acceptance(values, room)
    assert np.bincount(chosen, minlength=experts).max() <= room
    for token in range(tokens):
        for expert in range(experts):
            if values[token, expert] > values[token, chosen[token]]:
                held = np.flatnonzero(chosen == expert)
                assert len(held) == room
                assert (values[held, expert] >= values[token, expert]).all()


def test_base_refuses_more_than_one_expert_a_token():
    with pytest.raises(InvalidProblem, match="top_k is 2"):
        BASE()(np.zeros((4, 2)), 2)


@given(cases(elements=st.integers(0, 8)))
def test_expert_choice_takes_the_best_tokens_of_every_expert_and_reaches_its_own_relaxation(case):
    scores, top_k = case
    tokens, experts = scores.shape
    routing = expert_choice(scores, top_k)
    capacity = -(-tokens * top_k // experts)
    assert (routing.chosen.sum(axis=0) == capacity).all()
    assert (routing.weights == np.where(routing.chosen, scores, 0)).all()
    problem = AssignmentProblem(scores, top_k)
    assert metrics.score(problem, routing.chosen) == equipoise.expert_choice_optimum(problem, capacity)


def test_expert_choice_scores_above_the_assignment_optimum_and_leaves_a_token_without_experts():
    scores = np.array([[0.9, 0.8], [0.1, 0.2]])
    mask = expert_choice(scores, 1).chosen
    problem = AssignmentProblem(scores, 1)
    assert mask.tolist() == [[True, True], [False, False]]
    assert float(metrics.score(problem, mask)) == pytest.approx(1.7)
    assert float(equipoise.solve(problem).objective) == pytest.approx(1.1)


@st.composite
def grouped_cases(draw):
    groups, size = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    scores = draw(hnp.arrays(float, (draw(st.integers(1, 5)), groups * size), elements=st.integers(-8, 4).map(float)))
    best = draw(st.integers(1, groups))
    return scores, draw(st.integers(1, best * size)), groups, best


@given(grouped_cases())
def test_group_limited_choices_are_those_of_its_definition_and_masked_groups_are_never_chosen(case):
    scores, top_k, groups, best = case
    size = scores.shape[1] // groups
    for row, chosen in zip(scores, group_limited(scores, top_k, groups, best), strict=True):
        worth = [sum(sorted(row[g * size : (g + 1) * size])[-2:]) for g in range(groups)]
        kept = sorted(range(groups), key=lambda g: (-worth[g], g))[:best]
        allowed = [g * size + i for g in sorted(kept) for i in range(size)]
        assert set(chosen // size) <= set(kept)
        assert chosen.tolist() == sorted(allowed, key=lambda e: (-row[e], e))[:top_k]


def test_group_limited_never_leaves_its_groups_even_where_all_biased_scores_are_negative():
    router = GroupLimited(num_groups=2, topk_groups=1)
    router.bias = np.full(4, -10.0)
    assert sorted(router(np.array([[0.9, 0.8, 0.1, 0.2]]), 2).chosen[0]) == [0, 1]


@given(cases())
def test_one_group_is_plain_top_k_of_the_biased_scores(case):
    scores, top_k = case
    chosen = group_limited(scores, top_k, 1, 1)
    totals = [max(row[list(c)].sum() for c in combinations(range(len(row)), top_k)) for row in scores]
    assert (np.take_along_axis(scores, chosen, axis=1).sum(axis=1) == totals).all()


@pytest.mark.parametrize(
    ("groups", "best", "field"),
    [(3, 1, "num_groups"), (0, 1, "num_groups"), (2, 3, "topk_groups"), (4, 1, "topk_groups")],
)
def test_group_limits_that_cannot_be_met_are_refused_by_name(groups, best, field):
    with pytest.raises(InvalidProblem, match=field):
        GroupLimited(groups, best)(np.zeros((2, 8)), 3)
