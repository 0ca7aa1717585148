"""Few experts per batch: every engine has the optimum of brute force, bounds are bounds, forgeries prove nothing."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import AssignmentProblem, FewExpertsProblem, InvalidProblem, solve
from equipoise.certificates.check.few_experts import dual_bound
from equipoise.solvers.solve import claim
from oracles import best_score


def optimum(problem):
    """Try every set of B experts, and of each all assignments: others have no capacity."""
    plain, found = problem.assignment, []
    rows = [list(map(Fraction, row)) for row in plain.real_values.tolist()]
    for kept in combinations(range(plain.num_experts), problem.most_experts):
        capacity = [room if e in kept else 0 for e, room in enumerate(plain.capacity.tolist())]
        found.append(best_score(rows, plain.top_k, capacity, plain.drop))
    return max(one for one in found if one is not None) * problem.grid.unit


@st.composite
def tiny(draw):
    tokens, experts = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    row = st.lists(st.integers(-4, 9), min_size=experts, max_size=experts)
    scores = draw(st.lists(row, min_size=tokens, max_size=tokens))
    top_k = draw(st.integers(1, experts))
    plain = AssignmentProblem(
        scores, top_k, draw(st.integers(-(-tokens * top_k // experts), tokens)), draw(st.booleans())
    )
    for most in range(draw(st.integers(1, experts)), experts + 1):
        try:
            return FewExpertsProblem(plain, most)
        except InvalidProblem:
            continue
    raise AssertionError("all experts together have room")


@given(tiny())
@settings(max_examples=50)
def test_optimum_is_that_of_brute_force_and_proved_or_cross_checked(problem):
    solution, best = solve(problem), optimum(problem)
    assert (solution.objective, solution.status) == (best, "optimal")
    assert len(set(solution.experts[solution.experts >= 0].tolist())) <= problem.most_experts
    searched = solve(problem, "exchange-search")
    assert searched.upper >= best
    assert searched.objective is None or searched.objective <= best


@given(tiny())
@settings(max_examples=12)
def test_engines_of_two_families_claim_the_optimum_of_brute_force(problem):
    assert claim(problem, "ortools-cpsat").objective == claim(problem, "pulp-cbc").objective == optimum(problem)


@given(tiny(), st.data())
@settings(max_examples=60)
def test_any_token_prices_bound_the_optimum(problem, data):
    plain = problem.assignment
    low = 0 if plain.drop else -9
    prices = np.array(data.draw(st.lists(st.integers(low, 9), min_size=plain.num_tokens, max_size=plain.num_tokens)))
    bound = dual_bound(problem.real_values, plain.top_k, plain.capacity, problem.most_experts, prices)
    assert bound * problem.grid.unit >= optimum(problem)


@given(tiny(), st.data())
@settings(max_examples=50)
def test_forged_certificate_proves_nothing_false(problem, data):
    best, proof = optimum(problem), solve(problem).proof
    field = data.draw(st.sampled_from(["experts", "token_prices"]))
    forged = getattr(proof, field).copy()
    forged.flat[data.draw(st.integers(0, forged.size - 1))] += data.draw(st.integers(-5, 5))
    verdict = replace(proof, **{field: forged}).verify()
    assert verdict.upper is None or verdict.upper >= best
    assert verdict.lower is None or verdict.lower <= best
    assert not verdict or verdict.lower == verdict.upper == best


@given(tiny(), st.randoms())
@settings(max_examples=15)
def test_more_experts_never_lower_the_optimum_and_order_does_not_matter(problem, random):
    plain, best = problem.assignment, solve(problem).objective
    if problem.most_experts < plain.num_experts:
        assert solve(FewExpertsProblem(plain, problem.most_experts + 1)).objective >= best
    assert solve(FewExpertsProblem(plain, plain.num_experts)).objective == solve(plain).objective
    order = random.sample(range(plain.num_experts), plain.num_experts)
    renamed = AssignmentProblem(plain.scores[:, order], plain.top_k, plain.capacity[order], plain.drop)
    assert solve(FewExpertsProblem(renamed, problem.most_experts)).objective == best


def test_a_batch_of_production_size_is_searched_and_bounded():
    scores = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    problem = FewExpertsProblem(AssignmentProblem(scores, 4, 64), 24)
    solution = solve(problem)
    assert solution.solver == "exchange-search"
    assert solution.proof.verify().upper == solution.upper
    assert 0.95 * float(solution.upper) <= float(solution.objective) <= float(solution.upper)


def test_too_few_experts_are_refused():
    plain = AssignmentProblem([[1, 2, 3], [3, 2, 1]], 1, 1)
    with pytest.raises(InvalidProblem, match="room for all tokens"):
        FewExpertsProblem(plain, 1)
    for most in (0, 4, True):
        with pytest.raises(InvalidProblem, match="most_experts"):
            FewExpertsProblem(plain, most)
