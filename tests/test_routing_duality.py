"""Prices against the certified optimum, and what a sweep does to the dual that is its own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import equipoise
from equipoise import AssignmentProblem, metrics
from equipoise.reference.routing.bip import bip_sweep
from equipoise.reference.routing.midpoint import Midpoint, midpoint_sweep
from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.roles.router import read_routing
from routing_cases import DISTINCT, PRICED, bound, cases, drop_dual, equality_dual, exact, grids, prices_of, tie_free
from strategies_assignment import fewer


def certified(problem):
    solution = equipoise.solve(problem)
    assert solution.evidence == "certified"
    return solution.objective


@pytest.mark.parametrize("name", PRICED)
@fewer(4)
@given(case=cases())
def test_weak_duality_shifted_prices_never_bound_below_the_certified_optimum(name, case):
    scores, top_k = case
    router = PRICED[name]()
    best = certified(AssignmentProblem(scores, top_k))
    for _ in range(3):
        router(scores, top_k)
        if (prices := prices_of(router)) is not None:
            assert bound(scores, prices, top_k) >= best


@pytest.mark.parametrize("name", DISTINCT)
@fewer(4)
@given(case=cases())
def test_regret_at_equal_peak_is_never_negative_for_k_distinct_experts(name, case):
    scores, top_k = case
    router = DISTINCT[name]()
    problem = AssignmentProblem(scores, top_k)
    for _ in range(2):
        mask = read_routing(router(scores, top_k), scores, top_k).mask
    assert (mask.sum(axis=1) == top_k).all()
    fair = metrics.at_peak_of(problem, metrics.loads(mask, scores.shape[1]))
    assert certified(fair) >= metrics.score(problem, mask)


def priced_cases(below: bool, least: int):
    numbers = st.integers(least, 6)
    return cases(below=below).flatmap(
        lambda case: st.tuples(st.just(case), hnp.arrays(float, case[0].shape[1], elements=numbers.map(float)))
    )


@given(priced_cases(below=True, least=-6))
def test_quantile_sweeps_never_raise_the_equality_form_dual(given_case):
    (scores, top_k), q = given_case
    for _ in range(4):
        after = quantile_sweep(scores, q, top_k)
        assert equality_dual(scores, after, top_k) <= equality_dual(scores, q, top_k)
        q = after


@given(priced_cases(below=False, least=0))
def test_bip_sweeps_never_raise_the_drop_form_dual_from_any_nonnegative_prices(given_case):
    (scores, top_k), q = given_case
    mean = Fraction(scores.shape[0] * top_k, scores.shape[1])
    for _ in range(4):
        after = bip_sweep(scores, q, top_k)
        assert (after >= 0).all()
        for rent in {mean.__floor__(), mean, mean.__ceil__()}:
            assert drop_dual(scores, after, top_k, rent) <= drop_dual(scores, q, top_k, rent)
        q = after


@given(priced_cases(below=True, least=-6))
def test_midpoint_sweeps_never_raise_the_dual_of_the_assignment_problem(given_case):
    (scores, top_k), q = given_case
    tokens, experts = scores.shape
    capacity = -(-tokens * top_k // experts)
    if tokens * top_k % experts:
        q = np.abs(q)
    for _ in range(4):
        after = midpoint_sweep(scores, q, top_k)
        if capacity < tokens:
            assert equality_dual(scores, after, top_k, capacity) <= equality_dual(scores, q, top_k, capacity)
        q = after


def test_counter_example_a_bip_sweep_raises_the_equality_form_dual():
    scores, q = np.array([[-2.0, 0.0]]), np.array([0.0, 1.0])
    after = bip_sweep(scores, q, 1)
    assert after.tolist() == [0, 0]
    assert equality_dual(scores, q, 1) == Fraction(-1, 2)
    assert equality_dual(scores, after, 1) == 0


def test_counter_example_raw_quantile_prices_do_not_bound_the_optimum():
    scores = np.array([[3.0, 3.0, 2.0]])
    q = quantile_sweep(scores, np.zeros(3), 1)
    assert q.tolist() == [0, 0, -1]
    assert equality_dual(scores, q, 1, rent=1) == 2
    assert certified(AssignmentProblem(scores, 1)) == 3
    assert bound(scores, q, 1) >= 3


@given(case=tie_free(max_tokens=6, max_experts=4))
@fewer(2)
def test_a_routing_from_midpoint_prices_that_is_balanced_is_optimal(case):
    """Exact balance under prices with tight capacities is a proof of optimality, whoever found the prices."""
    scores, top_k = case
    tokens, experts = scores.shape
    if tokens * top_k % experts:
        return
    router = Midpoint(sweeps=64)
    mask = read_routing(router(scores, top_k), scores, top_k).mask
    problem = AssignmentProblem(scores, top_k)
    if metrics.max_vio(metrics.loads(mask, experts)) == 0:
        assert metrics.score(problem, mask) == certified(problem)


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(16, 4, 2), (17, 4, 2), (10, 4, 1), (65, 8, 2)])
def test_midpoint_prices_reach_the_certified_optimum_without_ties_with_and_without_slack(tokens, experts, top_k):
    scores = np.random.default_rng(tokens).random((tokens, experts))
    router = Midpoint(sweeps=400)
    mask = read_routing(router(scores, top_k), scores, top_k).mask
    problem = AssignmentProblem(scores, top_k)
    best = certified(problem)
    assert metrics.peak(metrics.loads(mask, experts)) == -(-tokens * top_k // experts)
    assert metrics.score(problem, mask) == best
    assert float(bound(scores, router.prices, top_k) - best) < 1e-12


@given(grids().filter(lambda s: s.shape[1] > 1), st.integers(-3, 3))
def test_the_shifted_bound_ignores_a_common_shift_of_the_prices(scores, shift):
    q = scores[0]
    assert bound(scores, q, 1) == bound(scores, q + shift, 1)
    assert exact(q + shift) == [value + shift for value in exact(q)]
