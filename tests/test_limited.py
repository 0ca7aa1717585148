"""Assignment with limits on totals: stated, solved and proved."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import AssignmentProblem, InvalidProblem, Limit, LimitedProblem, device_limits, sequence_limits
from equipoise.problems.laminar import Crossing, laminar_tree
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from equipoise.solvers.solve import claim
from limited_cases import brute_force, feasible, limited_problems

ENGINES = ("ortools-flow", "ortools-highs", "ortools-glop", "ortools-cpsat")


def rows_of(solution) -> dict[int, set[int]]:
    return {t: set(row[row >= 0].tolist()) for t, row in enumerate(solution.experts)}


@given(limited_problems())
@settings(max_examples=80, deadline=None)
def test_optimum_equals_brute_force_and_infeasibility_is_proved(problem):
    solution, best = equipoise.solve(problem), brute_force(problem)
    assert solution.evidence == "certified"
    assert solution.certificate.verify(problem)
    if best is None:
        assert solution.status == "infeasible"
        assert solution.experts is None
    else:
        assert (solution.status, solution.objective, solution.lower, solution.upper) == ("optimal", best, best, best)
        assert feasible(problem, rows_of(solution))


@pytest.mark.parametrize("engine", ENGINES[1:])
@given(problem=limited_problems())
@settings(max_examples=12, deadline=None)
def test_every_engine_claims_what_the_flow_claims(engine, problem):
    said, flow = claim(problem, engine), claim(problem, "ortools-flow")
    assert said.status == flow.status
    if flow.objective is not None:
        assert abs(said.objective - flow.objective) <= Fraction(1, 10**6)
        assert equipoise.solve(problem, engine).status == "optimal"


@pytest.mark.parametrize("drop", [False, True])
def test_engines_agree_on_floats_with_devices_and_sequences(drop):
    scores = np.random.default_rng(5).normal(size=(48, 12))
    plain = AssignmentProblem(scores, 2, 10, drop)
    problem = LimitedProblem(plain, [*device_limits(plain, 4), *sequence_limits(plain, np.arange(48) // 16, 3)])
    solutions = [equipoise.solve(problem, engine) for engine in ENGINES]
    assert {solution.status for solution in solutions} == {"optimal"}
    assert len({solution.objective for solution in solutions}) == 1
    assert max(abs(s.raw_objective - s.objective) for s in solutions) < Fraction(1, 10**6)
    assert solutions[0].objective < equipoise.solve(plain).objective


@given(limited_problems())
@settings(max_examples=30, deadline=None)
def test_limits_that_cannot_bind_leave_the_plain_optimum(problem):
    plain = problem.assignment
    slack = LimitedProblem(plain, [Limit(plain.demand, limit.experts, limit.tokens) for limit in problem.limits])
    assert equipoise.solve(slack).objective == equipoise.solve(plain).objective


@given(limited_problems(), st.data())
@settings(max_examples=30, deadline=None)
def test_more_room_never_lowers_the_optimum(problem, data):
    if not problem.limits:
        return
    chosen = data.draw(st.integers(0, len(problem.limits) - 1))
    wider = list(problem.limits)
    wider[chosen] = Limit(wider[chosen].capacity + 1, wider[chosen].experts, wider[chosen].tokens)
    before, after = equipoise.solve(problem), equipoise.solve(LimitedProblem(problem.assignment, wider))
    if before.status == "optimal":
        assert after.objective >= before.objective


@given(limited_problems(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_renaming_experts_and_tokens_keeps_the_optimum(problem, random):
    plain = problem.assignment
    experts, tokens = list(range(plain.num_experts)), list(range(plain.num_tokens))
    random.shuffle(experts)
    random.shuffle(tokens)
    mask = None if plain.mask is None else plain.mask[tokens]
    renamed = AssignmentProblem(
        plain.scores[tokens][:, experts], plain.top_k, plain.capacity[experts], plain.drop, mask
    )
    limits = [
        Limit(
            limit.capacity,
            None if limit.experts is None else [experts.index(e) for e in limit.experts],
            None if limit.tokens is None else [tokens.index(t) for t in limit.tokens],
        )
        for limit in problem.limits
    ]
    one, other = equipoise.solve(problem), equipoise.solve(LimitedProblem(renamed, limits))
    assert (one.status, one.objective) == (other.status, other.objective)


@given(limited_problems())
@settings(max_examples=40, deadline=None)
def test_any_feasible_answer_is_improved_to_the_optimum(problem):
    plain = problem.assignment
    best = equipoise.solve(problem)
    if best.status == "infeasible":
        return
    worst = AssignmentProblem(-plain.scores, plain.top_k, plain.capacity, plain.drop, plain.mask)
    start = claim(LimitedProblem(worst, problem.limits), "ortools-flow").answer
    mended = judge(problem, Claim("feasible", answer=start), "test")
    assert (mended.status, mended.objective) == ("optimal", best.objective)


def test_improving_from_the_worst_feasible_answer_reaches_the_optimum_of_a_larger_problem():
    scores = np.random.default_rng(2).normal(size=(60, 12))
    plain = AssignmentProblem(scores, 2, 12)
    limits = [*device_limits(plain, 3), *sequence_limits(plain, np.arange(60) // 20, 4)]
    start = claim(LimitedProblem(AssignmentProblem(-scores, 2, 12), limits), "ortools-flow").answer
    problem = LimitedProblem(plain, limits)
    mended = judge(problem, Claim("feasible", answer=start), "test")
    assert mended.objective == equipoise.solve(problem).objective
    assert "improving cycles" in mended.repairs[0]


def test_an_answer_that_breaks_a_limit_gives_a_bound_and_no_assignment():
    plain = AssignmentProblem(np.array([[5, 0], [5, 0]]), 1, 2)
    problem = LimitedProblem(plain, [Limit(1, [0])])
    broken = Claim("optimal", answer=np.array([[True, False], [True, False]]))
    solution = judge(problem, broken, "test")
    assert (solution.status, solution.experts, solution.lower, solution.upper) == ("unknown", None, None, 10)


def test_an_engine_that_claims_infeasibility_of_a_feasible_problem_is_not_believed():
    plain = AssignmentProblem(np.array([[5, 0], [5, 0]]), 1, 2)
    solution = judge(LimitedProblem(plain, [Limit(1, [0])]), Claim("infeasible"), "test")
    assert (solution.status, solution.evidence) == ("unknown", "claimed")


def test_time_limit_gives_the_optimum_or_rigorous_bounds():
    plain = AssignmentProblem(np.random.default_rng(0).random((64, 8), np.float32), 2, 20)
    problem = LimitedProblem(plain, device_limits(plain, 4))
    assert equipoise.solve(problem, time_limit=60).objective == equipoise.solve(problem).objective


def test_device_totals_hold_where_single_experts_may_overflow_their_share():
    scores = np.random.default_rng(1).random((64, 8)) + np.linspace(0, 1, 8)
    plain = AssignmentProblem(scores, 2, 40)
    solution = equipoise.solve(LimitedProblem(plain, device_limits(plain, 4)))
    load = np.bincount(solution.experts.ravel(), minlength=8)
    assert load.reshape(4, 2).sum(axis=1).tolist() == [32, 32, 32, 32]
    assert load.max() > 16


def test_sequence_limits_balance_every_sequence_and_skip_padding():
    mask = np.arange(48) % 6 != 5
    plain = AssignmentProblem(np.random.default_rng(1).random((48, 4)), 1, mask=mask)
    sequence = np.arange(48) // 12
    solution = equipoise.solve(LimitedProblem(plain, sequence_limits(plain, sequence)))
    for name in range(4):
        chosen = solution.experts[(sequence == name) & mask]
        assert np.bincount(chosen.ravel(), minlength=4).max() <= 3


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ([Limit(1, [0, 1], range(3))], "the capacity of expert 0 and limits\\[0\\] overlap"),
        ([Limit(2, [0, 1]), Limit(2, [1, 2])], "limits\\[0\\] and limits\\[1\\] overlap"),
        ([Limit(1, [7])], "limits\\[0\\].experts is naming index 7; allowed: 0 to 3"),
        ([Limit(1, None, [-1])], "limits\\[0\\].tokens is naming index -1"),
    ],
)
def test_crossing_sets_and_unknown_indices_are_refused_by_name(limits, message):
    with pytest.raises(InvalidProblem, match=message):
        LimitedProblem(AssignmentProblem(np.zeros((8, 4)), 1), limits)


def test_crossing_is_allowed_where_one_of_the_sets_cannot_bind():
    plain = AssignmentProblem(np.zeros((8, 4)), 1, capacity=8)
    assert equipoise.solve(LimitedProblem(plain, [Limit(1, [0, 1], range(3))])).status == "optimal"


@pytest.mark.parametrize("capacity", [-1, True, 1.5, "3"])
def test_a_limit_needs_a_whole_capacity(capacity):
    with pytest.raises(InvalidProblem, match="capacity"):
        Limit(capacity)


def test_arguments_of_the_ready_made_limits_are_checked():
    plain = AssignmentProblem(np.zeros((8, 4)), 1)
    with pytest.raises(InvalidProblem, match="a divisor of E=4"):
        device_limits(plain, 3)
    with pytest.raises(InvalidProblem, match="sequence"):
        sequence_limits(plain, [0, 1])
    with pytest.raises(InvalidProblem, match="experts"):
        Limit(1, [[0]])


@st.composite
def rectangles(draw):
    tokens, experts = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    side = [st.sets(st.integers(0, size - 1), min_size=1) for size in (tokens, experts)]
    return tokens, experts, draw(st.lists(st.tuples(*side), max_size=4))


@given(rectangles())
@settings(max_examples=200, deadline=None)
def test_tree_is_built_iff_no_two_sets_cross_and_agrees_with_plain_set_arithmetic(case):
    tokens, experts, sides = case
    sets = [{(t, e) for t in ts for e in es} for ts, es in sides]
    of_tokens = np.array([[t in ts for t in range(tokens)] for ts, _ in sides], bool).reshape(-1, tokens)
    of_experts = np.array([[e in es for e in range(experts)] for _, es in sides], bool).reshape(-1, experts)
    crossing = any(a & b and not a <= b and not b <= a for a in sets for b in sets)
    try:
        tree = laminar_tree(of_tokens, of_experts, np.ones(len(sets), bool))
    except Crossing as error:
        one, other = (sets[number] for number in error.pair)
        assert one & other
        assert not one <= other
        assert not other <= one
        return
    assert not crossing
    held = np.indices((tokens, experts)).sum(axis=0) % 2 == 0
    pairs = {(int(t), int(e)) for t, e in np.argwhere(held)}
    assert tree.totals(held).tolist() == [len(sets[source] & pairs) for source in tree.source]
    for pair in np.ndindex(tokens, experts):
        path, node = [], int(tree.leaf[pair])
        while node < len(sets):
            path.append(int(tree.source[node]))
            node = int(tree.parent[node])
        assert sorted(path) == [number for number, members in enumerate(sets) if pair in members]
        assert all(sets[small] <= sets[large] for small, large in itertools.pairwise(path))
