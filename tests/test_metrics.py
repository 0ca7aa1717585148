"""Metrics against their definitions, written out naively, and against the certified optimum."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import equipoise
from equipoise import metrics

score_matrices = hnp.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.integers(-9, 9))


def random_routing(scores, top_k, seed):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(scores.shape[1])[:top_k] for _ in scores])


def mask_of(experts, num_experts):
    mask = np.zeros((len(experts), num_experts), bool)
    np.put_along_axis(mask, experts, True, axis=1)
    return mask


@given(score_matrices, st.data())
def test_loads_count_every_assignment_once_in_both_forms(scores, data):
    top_k = data.draw(st.integers(1, scores.shape[1]))
    experts = random_routing(scores, top_k, data.draw(st.integers(0, 99)))
    naive = [sum(e in row for row in experts.tolist()) for e in range(scores.shape[1])]
    assert metrics.loads(experts, scores.shape[1]).tolist() == naive
    assert metrics.loads(mask_of(experts, scores.shape[1]), scores.shape[1]).tolist() == naive


def test_dropped_assignments_are_not_counted_as_load():
    assert metrics.loads(np.array([[0, -1], [-1, -1]]), 3).tolist() == [1, 0, 0]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_violations_follow_their_definition_and_are_zero_without_load(load):
    mean = Fraction(sum(load), len(load))
    expected = (Fraction(0), Fraction(0)) if mean == 0 else ((max(load) - mean) / mean, (min(load) - mean) / mean)
    found = metrics.max_vio(np.array(load)), metrics.min_vio(np.array(load))
    assert found == pytest.approx([float(value) for value in expected])


@given(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 5))), st.data())
def test_what_was_asked_for_and_not_given_is_counted_token_by_token(mask, data):
    top_k = data.draw(st.integers(1, mask.shape[1]))
    missing = sum(max(0, top_k - sum(row)) for row in mask.tolist())
    load = mask.sum(axis=0)
    assert metrics.dropped(mask, top_k) == missing
    assert metrics.starved(load) == sum(not any(column) for column in mask.T.tolist())
    asked = len(mask) * top_k
    fair = Fraction(asked, mask.shape[1])
    found = metrics.max_vio(load, asked), metrics.min_vio(load, asked)
    assert found == pytest.approx([float(int(load.max()) / fair - 1), float(int(load.min()) / fair - 1)])


@given(score_matrices, st.data())
def test_for_k_experts_a_token_what_was_asked_for_is_what_was_given(scores, data):
    top_k = data.draw(st.integers(1, scores.shape[1]))
    load = metrics.loads(random_routing(scores, top_k, data.draw(st.integers(0, 99))), scores.shape[1])
    asked = len(scores) * top_k
    assert (metrics.max_vio(load), metrics.min_vio(load)) == (
        metrics.max_vio(load, asked),
        metrics.min_vio(load, asked),
    )


def test_series_metrics_are_mean_and_maximum_of_max_vio_over_steps():
    series = np.array([[2, 2], [3, 1], [4, 0]])
    assert metrics.avg_max_vio(series) == pytest.approx(0.5)
    assert metrics.sup_max_vio(series) == pytest.approx(1.0)


@given(score_matrices, st.data())
def test_regret_at_equal_peak_is_never_negative_and_zero_for_the_optimum_itself(scores, data):
    top_k = data.draw(st.integers(1, scores.shape[1]))
    problem = equipoise.AssignmentProblem(scores, top_k)
    mask = mask_of(random_routing(scores, top_k, data.draw(st.integers(0, 99))), scores.shape[1])
    widened = metrics.at_peak_of(problem, metrics.loads(mask, scores.shape[1]))
    optimum = equipoise.solve(widened)
    reached = metrics.score(problem, mask)
    assert reached == sum(Fraction(int(value)) for value in scores[mask])
    assert metrics.regret(optimum.objective, reached) >= 0
    best = metrics.score(problem, mask_of(optimum.experts, scores.shape[1]))
    assert metrics.relative_regret(problem, optimum.objective, best) == 0.0


@given(score_matrices, st.integers(-50, 50), st.data())
def test_relative_regret_does_not_depend_on_a_common_shift_of_the_scores(scores, shift, data):
    top_k = data.draw(st.integers(1, scores.shape[1]))
    mask = mask_of(random_routing(scores, top_k, 0), scores.shape[1])

    def measure(values):
        problem = equipoise.AssignmentProblem(values, top_k)
        widened = metrics.at_peak_of(problem, metrics.loads(mask, values.shape[1]))
        return metrics.relative_regret(problem, equipoise.solve(widened).objective, metrics.score(problem, mask))

    assert measure(scores) == measure(scores + shift)


def test_uneven_capacities_are_scaled_by_the_largest_ratio_of_load_to_capacity():
    problem = equipoise.AssignmentProblem(np.zeros((6, 3)), 1, capacity=[4, 2, 2])
    assert metrics.at_peak_of(problem, np.array([2, 3, 1])).capacity.tolist() == [6, 3, 3]


def test_load_on_an_expert_without_capacity_lifts_every_limit():
    problem = equipoise.AssignmentProblem(np.zeros((6, 2)), 1, capacity=[6, 0])
    assert metrics.at_peak_of(problem, np.array([5, 1])).capacity.tolist() == [6, 6]


@given(score_matrices, st.booleans(), st.data())
def test_the_dual_value_of_any_bias_bounds_the_optimum_from_above(scores, drop, data):
    top_k = data.draw(st.integers(1, scores.shape[1]))
    bias = data.draw(hnp.arrays(np.float64, scores.shape[1], elements=st.floats(-20, 20)))
    problem = equipoise.AssignmentProblem(scores, top_k, drop=drop)
    assert metrics.dual_gap(problem, bias, equipoise.solve(problem).objective) >= 0


def test_a_bias_between_the_steps_of_a_coarse_grid_is_not_rounded_to_them():
    problem = equipoise.AssignmentProblem([[3, 2], [3, 1], [3, 0], [3, 0]], 1)
    half = metrics.dual_value(problem, [-1.5, 0.0])
    assert half == sum(Fraction(max(3 - Fraction(3, 2), other)) for other in (2, 1, 0, 0)) + 2 * Fraction(3, 2)
    assert metrics.dual_gap(problem, [-1.5, 0.0], equipoise.solve(problem).objective) == Fraction(1, 2)


@given(score_matrices, st.data())
def test_the_dual_gap_of_the_certificates_own_prices_is_zero(scores, data):
    problem = equipoise.AssignmentProblem(scores, data.draw(st.integers(1, scores.shape[1])))
    solution = equipoise.solve(problem)
    bias = -solution.certificate.prices * float(problem.grid.unit)
    gap = metrics.dual_gap(problem, bias, solution.objective)
    assert gap >= 0
    if solution.certificate.prices.min() == 0:
        assert gap == 0


@pytest.mark.parametrize("bias", [[0.0], [0.0, float("nan")], [[0.0, 1.0]]])
def test_a_bias_of_wrong_shape_or_with_nan_is_refused(bias):
    with pytest.raises(equipoise.InvalidProblem, match="bias"):
        metrics.dual_value(equipoise.AssignmentProblem(np.zeros((2, 2)), 1), bias)
