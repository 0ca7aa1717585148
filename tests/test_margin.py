"""The margin: the most robust bias, against enumeration of circles and of assignments."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from equipoise import AssignmentProblem, InvalidProblem, Solution, margin, solve
from oracles import assignments_with_loads, grid_scores, least_cycle_mean, margin_of_bias
from strategies_assignment import ALL, DISTINCT, TAME, contests, problems


def chosen_sets(problem, solution) -> list[set[int]]:
    return [{e for e in row if e >= 0} for row in solution.experts[problem.tokens].tolist()]


def solved(problem):
    solution = solve(problem)
    return margin(problem, solution), grid_scores(problem), chosen_sets(problem, solution)


@given(problems(ALL, drop=False) | contests())
@example(AssignmentProblem([[1.7e308, -1.7e308], [-1.7e308, 1.7e308]], 1))
@example(AssignmentProblem([[3, 1, 0], [0, 3, 1], [1, 0, 3]], 1))
@example(AssignmentProblem([[3, 1, 0], [0, 3, 1]], 3))
def test_delta_is_the_least_mean_loss_over_all_circles_of_experts(problem):
    found, scores, chosen = solved(problem)
    assert found.delta == least_cycle_mean(scores, chosen)


@given(contests(DISTINCT))
@example(AssignmentProblem([[1.7e308, -1.7e308], [-1.7e308, 1.7e308]], 1))
@example(AssignmentProblem([[3, 1, 0], [0, 3, 1], [1, 0, 3]], 1))
def test_bias_makes_plain_top_k_the_assignment_by_exactly_delta(problem):
    found, scores, chosen = solved(problem)
    assume(found.delta is not None and found.delta > 0)
    assert margin_of_bias(scores, chosen, found.bias) == found.delta
    assert found.statement.startswith("plain top-K of scores + bias is exactly this assignment")
    for row, held in zip(scores, chosen, strict=True):
        ranked = sorted(range(len(row)), key=lambda e: row[e] + found.bias[e], reverse=True)
        assert set(ranked[: problem.top_k]) == held


@given(contests(TAME), st.data())
def test_no_bias_has_a_larger_margin(problem, data):
    found, scores, chosen = solved(problem)
    assume(found.delta is not None)
    numbers = st.fractions(-3, 3, max_denominator=64)
    size = problem.num_experts
    bias = data.draw(st.lists(numbers, min_size=size, max_size=size))
    if found.bias and data.draw(st.booleans()):
        bias = [a + b * found.delta for a, b in zip(found.bias, bias, strict=True)]
    assert margin_of_bias(scores, chosen, bias) <= found.delta


@given(contests(TAME))
@example(AssignmentProblem([[1, 0], [1, 0]], 1))
@example(AssignmentProblem([[1, 0], [0, 1]], 1))
def test_delta_is_positive_exactly_when_no_other_assignment_with_these_loads_scores_as_much(problem):
    found, scores, chosen = solved(problem)
    assume(found.delta is not None)
    loads = [sum(e in held for held in chosen) for e in range(problem.num_experts)]
    best = sum(row[e] for row, held in zip(scores, chosen, strict=True) for e in held)
    every = assignments_with_loads(len(scores), problem.num_experts, problem.top_k, loads)
    totals = [sum(scores[t][e] for t, held in enumerate(other) for e in held) for other in every]
    assert max(totals) == best
    assert (found.delta > 0) == (totals.count(best) == 1)


@given(problems(ALL, drop=False))
@example(AssignmentProblem([[1.0, 2.0]], 2))
@example(AssignmentProblem([[1.0, 2.0]], 1))
@example(AssignmentProblem([[5, 0], [5, 0]], 1, [2, 2]))
def test_unbounded_margins_come_with_a_bias_that_has_a_margin_of_one_unit(problem):
    found, scores, chosen = solved(problem)
    assume(found.delta is None)
    assert found.statement.startswith("unbounded")
    gap = margin_of_bias(scores, chosen, found.bias)
    assert gap is None or gap >= problem.grid.unit


def test_ties_leave_no_bias_and_the_statement_says_so():
    problem = AssignmentProblem([[1, 0], [1, 0]], 1)
    found = margin(problem, solve(problem))
    assert (found.delta, found.bias) == (0, ())
    assert found.statement == "no bias reproduces it: another assignment with the same loads ties with this one"


def test_assignment_that_is_not_optimal_has_a_negative_margin_and_no_bias():
    problem = AssignmentProblem([[1, 0], [0, 1]], 1)
    found = margin(problem, Solution("bounded", "hand", experts=np.array([[1], [0]])))
    assert (found.delta, found.bias) == (-1, ())
    assert found.statement == "no bias reproduces it: another assignment with the same loads is better than this one"


def test_dropped_tokens_leave_the_margin_undefined():
    problem = AssignmentProblem([[1, 2], [3, 4]], 1, [1, 0], drop=True)
    found = margin(problem, solve(problem))
    assert (found.delta, found.bias) == (None, ())
    assert found.statement.startswith("undefined: the assignment drops tokens")


def test_drop_form_without_dropped_tokens_has_a_margin():
    problem = AssignmentProblem([[3, 0], [0, 1]], 1, drop=True)
    assert margin(problem, solve(problem)).delta == 2


def test_solution_without_an_assignment_is_refused():
    problem = AssignmentProblem([[1, 2]], 1)
    with pytest.raises(InvalidProblem) as caught:
        margin(problem, Solution("unknown", "hand"))
    assert caught.value.field == "solution"
    assert "without an assignment" in str(caught.value)


def test_margin_is_a_fraction_where_the_circle_is_long():
    scores = [[3, 2, 0], [0, 3, 2], [1, 0, 3]]
    found, rows, chosen = solved(AssignmentProblem(scores, 1))
    assert found.delta == Fraction(4, 3)
    assert margin_of_bias(rows, chosen, found.bias) == Fraction(4, 3)


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(64, 8, 2), (256, 16, 4), (512, 32, 8)])
def test_rounded_bias_reproduces_the_optimum_at_working_sizes(tokens, experts, top_k):
    scores = np.random.default_rng(tokens).random((tokens, experts), np.float32)
    problem = AssignmentProblem(scores, top_k)
    solution = solve(problem)
    found = margin(problem, solution)
    assert found.delta > 0
    keys = scores.astype(np.float64) + found.bias_values
    top = np.sort(np.argsort(-keys, axis=1)[:, :top_k], axis=1)
    np.testing.assert_array_equal(top, solution.experts)
