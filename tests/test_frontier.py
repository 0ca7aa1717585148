"""The exact frontier of score against peak load."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import AssignmentProblem, Frontier, InvalidProblem, expert_choice_optimum, frontier


@st.composite
def problems(draw, drop=None, tokens=10, experts=4):
    """Small integer scores, so that ties and slopes of zero are frequent; some with padding."""
    count_t, count_e = draw(st.integers(1, tokens)), draw(st.integers(1, experts))
    row = st.lists(st.integers(-6, 12), min_size=count_e, max_size=count_e)
    scores = draw(st.lists(row, min_size=count_t, max_size=count_t))
    mask = draw(st.one_of(st.none(), st.lists(st.booleans(), min_size=count_t, max_size=count_t).filter(any)))
    form = draw(st.booleans()) if drop is None else drop
    top_k = draw(st.integers(1, min(2, count_e)))
    return AssignmentProblem(np.array(scores), top_k, drop=form, mask=None if mask is None else np.array(mask))


def every_optimum(problem) -> dict[int, Fraction]:
    """OPT(c) for all peaks of interest, each solved alone."""
    ends = Frontier(problem)
    peaks = range(ends.least, max(len(problem.tokens), ends.most) + 2)
    return {peak: equipoise.solve(problem.with_capacity(peak)).objective for peak in peaks}


@given(problems())
@settings(max_examples=30, deadline=None)
def test_points_are_certified_optima_concave_and_never_falling(problem):
    truth = every_optimum(problem)
    curve = frontier(problem, peaks=truth)
    assert {point.peak: point.objective for point in curve.points} == truth
    for point in curve.points:
        assert point.solution.certificate.verify(problem.with_capacity(point.peak))
        assert all(truth[peak] <= point.objective + point.slope * (peak - point.peak) for peak in truth)
    steps = [after - before for before, after in itertools.pairwise(truth.values())]
    assert all(step >= 0 for step in steps)
    assert all(before >= after for before, after in itertools.pairwise(steps))


@given(problems(), st.data())
@settings(max_examples=40, deadline=None)
def test_bounds_between_points_hold_whatever_has_been_solved(problem, data):
    truth = every_optimum(problem)
    curve = frontier(problem, peaks=data.draw(st.lists(st.sampled_from(sorted(truth)), max_size=3)))
    solved = {point.peak for point in curve.points}
    for peak, optimum in truth.items():
        lower, upper = curve.score_at(peak)
        assert optimum <= upper
        assert lower is None or lower <= optimum
        assert peak not in solved or lower == optimum == upper
    assert {point.peak for point in curve.points} == solved


@given(problems(), st.data())
@settings(max_examples=60, deadline=None)
def test_least_peak_is_the_first_whose_optimum_reaches_the_score(problem, data):
    truth = every_optimum(problem)
    low, high = min(truth.values()), max(truth.values())
    score = data.draw(st.fractions(low - 2, high + 2, max_denominator=3) | st.sampled_from(sorted(truth.values())))
    known = data.draw(st.lists(st.sampled_from(sorted(truth)), max_size=2))
    first = next((peak for peak, optimum in truth.items() if optimum >= score), None)
    assert frontier(problem, peaks=known).least_peak(score) == first


@given(problems())
@settings(max_examples=30, deadline=None)
def test_frontier_ends_at_plain_top_k_and_is_known_everywhere_when_small(problem):
    curve = frontier(problem)
    assert curve.points[0].peak == curve.balance == -(-problem.demand // problem.num_experts)
    assert curve.points[-1].peak == curve.most
    assert curve.points[-1].objective == curve.ceiling == max(every_optimum(problem).values())
    for peak in range(curve.balance, curve.most + 1):
        lower, upper = curve.score_at(peak)
        assert lower == upper


def test_default_points_are_few_certified_and_tight_on_a_skewed_problem():
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=(256, 16)) + rng.normal(size=16)).astype(np.float32)
    curve = frontier(AssignmentProblem(scores, 2))
    assert len(curve.points) == 16 < curve.most - curve.balance
    assert all(point.solution.evidence == "certified" for point in curve.points)
    gain = curve.ceiling - curve.points[0].objective
    widest = max(upper - lower for lower, upper in map(curve.score_at, range(curve.balance, curve.most)))
    assert widest < gain / 50


def test_least_peak_takes_few_solves_from_nothing():
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=(256, 16)) + rng.normal(size=16)).astype(np.float32)
    curve = Frontier(AssignmentProblem(scores, 2))
    middle = (curve.at(curve.balance).objective + curve.ceiling) / 2
    peak = curve.least_peak(middle)
    assert len(curve.points) <= 8 < peak - curve.balance
    assert curve.at(peak).objective >= middle > curve.at(peak - 1).objective


@given(problems(drop=False), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_no_routing_with_k_distinct_experts_is_beyond_the_frontier(problem, random):
    rows = [random.sample(range(problem.num_experts), problem.top_k) for _ in problem.tokens]
    score = sum(problem.scores[t, e].item() for t, row in zip(problem.tokens, rows, strict=True) for e in row)
    peak = int(np.bincount(np.array(rows).ravel()).max())
    curve = Frontier(problem)
    assert score <= curve.at(peak).objective
    assert curve.least_peak(score) <= peak


@given(problems(drop=False), st.lists(st.integers(-20, 20), min_size=10, max_size=10))
@settings(max_examples=20, deadline=None)
def test_shifting_a_tokens_scores_moves_the_whole_frontier_in_the_form_that_drops_nothing(problem, shifts):
    shift = np.array(shifts)[: problem.num_tokens]
    moved = AssignmentProblem(problem.scores + shift[:, None], problem.top_k, mask=problem.mask)
    added = problem.top_k * int(shift[problem.tokens].sum())
    one, other = frontier(problem), frontier(moved)
    assert (one.least, one.most) == (other.least, other.most)
    for peak in range(one.balance, one.most + 1):
        assert other.score_at(peak)[0] == one.score_at(peak)[0] + added


def test_capacities_of_the_problem_play_no_part():
    scores = np.random.default_rng(0).integers(0, 50, (12, 3))
    even, uneven = AssignmentProblem(scores, 1), AssignmentProblem(scores, 1, [12, 0, 1])
    assert [p.objective for p in frontier(even).points] == [p.objective for p in frontier(uneven).points]


def test_peaks_without_room_are_refused():
    problem = AssignmentProblem(np.zeros((7, 2)), 1)
    for call in (frontier(problem).at, frontier(problem).score_at, lambda peak: frontier(problem, [peak])):
        with pytest.raises(InvalidProblem, match="peak is 3; allowed: 4 or more"):
            call(3)
    assert frontier(AssignmentProblem(np.zeros((7, 2)), 1, drop=True), [0]).points[0].objective == 0


def test_left_of_all_points_there_is_no_lower_bound():
    problem = AssignmentProblem(np.array([[3, 0], [3, 0], [3, 0], [3, 0]]), 1)
    assert frontier(problem, peaks=[3]).score_at(2) == (None, 6)


@given(problems(drop=False), st.data())
@settings(max_examples=40, deadline=None)
def test_expert_choice_optimum_equals_brute_force_over_columns(problem, data):
    room = len(problem.tokens)
    loads = data.draw(st.lists(st.integers(0, room), min_size=problem.num_experts, max_size=problem.num_experts))
    expected = 0
    for expert, load in enumerate(loads):
        column = problem.scores[problem.tokens, expert].tolist()
        expected += max(sum(chosen) for chosen in itertools.combinations(column, load))
    assert expert_choice_optimum(problem, loads) == expected


@given(problems(drop=False))
@settings(max_examples=20, deadline=None)
def test_expert_choice_without_token_rows_never_scores_below_the_optimum_with_them(problem):
    solution = equipoise.solve(problem)
    loads = np.bincount(solution.experts[solution.experts >= 0], minlength=problem.num_experts)
    assert expert_choice_optimum(problem, loads) >= solution.objective


def test_expert_choice_beats_the_assignment_optimum_on_the_known_example():
    problem = AssignmentProblem(np.array([[0.9, 0.8], [0.1, 0.2]]), 1)
    assert round(float(expert_choice_optimum(problem, 1)), 9) == 1.7
    assert round(float(equipoise.solve(problem).objective), 9) == 1.1
    with pytest.raises(InvalidProblem, match="load"):
        expert_choice_optimum(problem, 3)
