"""Every engine against brute force: raw claims agree, answers are certified, bounds hold."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise import (
    AssignmentProblem,
    PlacementProblem,
    SchedulingProblem,
    SolverNotAvailable,
    available_solvers,
    solve,
)
from equipoise.solvers import child
from equipoise.solvers.claim import Claim
from equipoise.solvers.engines import ENGINES, Engine
from judges import assert_certified, claim_agrees
from oracles import grid_optimum, optimum
from strategies_assignment import INTEGRAL, TAME, WILD, fewer, problems

NAMES = [engine.name for engine in ENGINES if engine.problem is AssignmentProblem]


@pytest.mark.parametrize("name", NAMES)
@given(problem=problems(TAME))
@example(problem=AssignmentProblem([[1, 0], [1, 0]], 1))
@example(problem=AssignmentProblem([[2**45, 2**45], [2**45 + 1, 2**45]], 1))
@example(problem=AssignmentProblem(np.zeros((5, 4)), 3))
@example(problem=AssignmentProblem([[-1.0, -2.0]], 2, 0, drop=True))
def test_every_engine_finds_and_proves_the_optimum_of_brute_force(name, problem):
    solution = solve(problem, name)
    best = optimum(problem)
    assert claim_agrees(solution, problem, best), f"{solution.raw_objective} instead of {best}"
    assert solution.objective == grid_optimum(problem)
    assert solution.lower <= best <= solution.upper
    assert_certified(solution, problem)


@pytest.mark.parametrize("name", ["ortools-flow", "ortools-cpsat"])
@given(problem=problems(INTEGRAL))
def test_combinatorial_engines_claim_integers_exactly_and_need_no_repair(name, problem):
    solution = solve(problem, name)
    assert solution.raw_objective == solution.objective == optimum(problem)
    assert solution.repairs == ()


@pytest.mark.parametrize("name", NAMES)
@fewer(2)
@given(problem=problems(WILD))
@example(problem=AssignmentProblem([[1.7e308, -1.7e308], [-1.7e308, 5e-324]], 1))
@example(problem=AssignmentProblem([[1e38, 1e-38], [1e38, 2e-38]], 1))
@example(problem=AssignmentProblem(np.array([[2**64 - 1, 2**64 - 2], [2**64 - 1, 0]], np.uint64), 1))
@example(problem=AssignmentProblem([[-1.07054441e-05, -1.0026843e02], [-6.40262405e11, 7.32301715e-10]], 1))
def test_every_engine_certifies_scores_of_any_magnitude_or_says_that_it_failed(name, problem):
    solution = solve(problem, name)
    if name == "ortools-pdlp" and solution.raw_status.startswith("NUMERICAL_ERROR"):
        assert (solution.status, solution.evidence, solution.experts) == ("unknown", "claimed", None)
        assert solution.upper >= optimum(problem)
        return
    assert solution.lower <= optimum(problem) <= solution.upper
    assert solution.objective == grid_optimum(problem)
    assert_certified(solution, problem)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("drop", [False, True], ids=["exactly K", "at most K"])
def test_engines_agree_with_the_flow_where_brute_force_cannot_follow(name, drop):
    scores = np.random.default_rng(7).normal(size=(96, 12)).astype(np.float32)
    capacity = np.arange(12) * 3 + (10 if drop else 8)
    problem = AssignmentProblem(scores, 3, capacity, drop, np.arange(96) % 7 > 0)
    reference = solve(problem, "ortools-flow")
    solution = solve(problem, name)
    assert reference.raw_objective == reference.objective
    assert claim_agrees(solution, problem, reference.raw_objective)
    assert solution.objective == reference.objective
    assert_certified(solution, problem)


def test_heavy_ties_at_a_working_size_are_certified():
    scores = np.random.default_rng(8).integers(0, 3, (1024, 32))
    problem = AssignmentProblem(scores, 4)
    solution = solve(problem)
    assert_certified(solution, problem)
    assert solution.raw_objective == solution.objective


@given(problems())
def test_experts_are_ascending_with_the_dropped_last_and_score_the_objective(problem):
    solution = solve(problem)
    rows = problem.grid.values
    total = Fraction(0)
    for token, row in enumerate(solution.experts.tolist()):
        chosen = [expert for expert in row if expert >= 0]
        assert row == sorted(set(chosen)) + [-1] * (problem.top_k - len(chosen))
        total += sum(int(rows[token, expert]) for expert in chosen) * problem.grid.unit
    assert total == solution.objective
    with pytest.raises(ValueError, match="read-only"):
        solution.experts[0, 0] = 0


def test_default_engine_is_the_first_available_one():
    problem = AssignmentProblem([[1.0, 2.0]], 1)
    assert available_solvers(problem) == NAMES
    assert solve(problem).solver == NAMES[0] == "ortools-flow"


@pytest.mark.parametrize("given", [np.zeros((3, 2)), [[1.0, 2.0]], "not a problem", None])
def test_what_is_no_problem_is_a_type_error_that_shows_the_constructor(given):
    with pytest.raises(TypeError, match=r"equipoise\.AssignmentProblem\(scores, top_k=") as caught:
        solve(given)
    assert f"not {type(given).__name__};" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("highs", "ortools-highs"), ("cbc", "pulp-cbc"), ("glop", "ortools-glop"), ("dual_descent", "dual-descent")],
)
def test_an_almost_right_name_of_a_solver_is_answered_with_the_right_one(written, meant):
    with pytest.raises(SolverNotAvailable, match=f"did you mean '{meant}'"):
        solve(AssignmentProblem([[1.0, 2.0]], 1), written)


@pytest.mark.parametrize(
    ("problem", "name"),
    [
        (AssignmentProblem([[1.0, 2.0]], 1), "dual-descent"),
        (SchedulingProblem([3], [[True]]), "push-relabel"),
        (PlacementProblem([3, 2], 4, 2), "placement-search"),
    ],
)
def test_express_is_another_name_of_the_engines_of_our_own(problem, name):
    assert solve(problem, "express").solver == name
    assert "express" not in available_solvers(problem)


LARGEST = np.finfo(float).max
BAD_COST_RANGE = AssignmentProblem([[1.0, LARGEST, -LARGEST], [1e308, 1.7e308, -LARGEST]], 2, [1, 1, 2])
"""OR-Tools' min-cost flow refuses its costs, although they are within the range that it documents."""


def test_where_the_default_engine_finds_nothing_the_next_one_is_asked_and_the_first_stays_visible():
    refused = solve(BAD_COST_RANGE, "ortools-flow")
    assert (refused.status, refused.raw_status) == ("unknown", "BAD_COST_RANGE")
    solution = solve(BAD_COST_RANGE)
    assert_certified(solution, BAD_COST_RANGE)
    assert solution.solver == "dual-descent"
    assert solution.repairs[0] == "ortools-flow found no answer: BAD_COST_RANGE"
    assert solution.objective == grid_optimum(BAD_COST_RANGE)


def test_an_engine_that_was_named_is_not_replaced_by_another():
    assert solve(BAD_COST_RANGE, "ortools-flow").solver == "ortools-flow"


def test_where_every_engine_finds_nothing_all_of_them_are_named(monkeypatch):
    monkeypatch.setattr(Engine, "run", lambda engine, *arguments: Claim("failed", message="broken"))
    solution = solve(AssignmentProblem([[1.0, 2.0]], 1))
    assert solution.status == "unknown"
    assert [text.split(" ")[0] for text in solution.repairs] == [*NAMES[:-1]]


@pytest.mark.parametrize("name", ["", "cplex", "ORTOOLS-FLOW", 3])
def test_unknown_solver_is_refused_with_the_choice(name):
    with pytest.raises(SolverNotAvailable) as caught:
        solve(AssignmentProblem([[1.0, 2.0]], 1), name)
    assert str(caught.value).startswith(f"solver is {name!r}, not available")
    assert str(caught.value).endswith(", ".join(NAMES))


def test_missing_package_is_named_and_its_engines_are_not_offered(monkeypatch):
    monkeypatch.setattr(Engine, "installed", property(lambda engine: engine.package != "pulp"))
    problem = AssignmentProblem([[1.0, 2.0]], 1)
    assert "pulp-cbc" not in available_solvers(problem)
    with pytest.raises(SolverNotAvailable, match="install the package 'pulp'"):
        solve(problem, "pulp-cbc")


def test_no_engine_takes_what_is_no_problem():
    assert available_solvers("not a problem") == []


def test_running_out_of_time_is_a_status_with_rigorous_bounds(monkeypatch):
    monkeypatch.setattr(child, "GRACE", 0.0)
    problem = AssignmentProblem([[0.5, 0.25], [0.75, 0.5]], 1)
    solution = solve(problem, time_limit=1e-3)
    assert (solution.status, solution.raw_status) == ("unknown", "stopped at the time limit")
    assert solution.evidence == "claimed"
    assert solution.experts is None
    assert solution.certificate is None
    assert solution.upper >= optimum(problem)
    assert solution.lower is None


@pytest.mark.parametrize("name", ["ortools-flow", "ortools-glop", "pulp-cbc"])
def test_enough_time_gives_the_certified_optimum_through_a_child(name):
    problem = AssignmentProblem([[0.5, 0.25], [0.75, 0.5]], 1)
    solution = solve(problem, name, time_limit=120)
    assert_certified(solution, problem)
    assert solution.objective == Fraction(1)


def test_crashing_engine_is_a_failed_claim_and_no_exception(monkeypatch):
    def crash(*arguments, **named):
        raise child.ChildFailed("the solver's process ended with code -11: no message")

    monkeypatch.setattr(child, "call", crash)
    solution = solve(AssignmentProblem([[1.0, 2.0]], 1), time_limit=5)
    assert solution.status == "unknown"
    assert "code -11" in solution.raw_status


@given(problems(), st.sampled_from(["ortools-flow", "ortools-highs"]))
def test_solving_twice_gives_the_same_answer(problem, name):
    first, second = solve(problem, name), solve(problem, name)
    np.testing.assert_array_equal(first.experts, second.experts)
    np.testing.assert_array_equal(first.certificate.prices, second.certificate.prices)
