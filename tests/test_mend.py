"""Wrong engines: their answers are mended to the certified optimum, and their claims stay visible as wrong."""

import time
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise import AssignmentProblem, solve
from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.solvers.assignment.mend import mend
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from judges import assert_certified, claim_agrees
from oracles import optimum
from strategies_assignment import ALL, problems, problems_and

WEIGHTS = st.floats(-1, 2) | st.sampled_from([0.0, 0.5, 1.0, 1 / 3, np.nan, np.inf, -np.inf])


def weights_of(shape):
    return hnp.arrays(np.float64, shape, elements=WEIGHTS) | hnp.arrays(np.bool_, shape)


def everything(shape):
    return st.just(np.ones(shape, bool))


@given(problems_and(weights_of, kinds=ALL))
@example((AssignmentProblem(np.zeros((4, 3)), 2, drop=True), np.ones((4, 3), bool)))
@example((AssignmentProblem([[5, 0], [4, 0], [3, 0]], 1, [1, 2]), np.array([[True, False]] * 3)))
@example((AssignmentProblem([[-1, -1]], 1, [1, 1], drop=True), np.array([[True, True]])))
def test_any_weights_are_mended_to_the_optimum(drawn):
    problem, weights = drawn
    before = weights.copy()
    solution = judge(problem, Claim("optimal", Fraction(0), weights), "scrambled")
    assert_certified(solution, problem)
    assert solution.lower <= optimum(problem) <= solution.upper
    np.testing.assert_array_equal(weights, before)


@given(problems_and(weights_of))
def test_an_answer_that_had_to_be_changed_names_a_repair_and_an_optimal_one_names_none(drawn):
    problem, weights = drawn
    mended = mend(problem, weights)
    if (mended.held != weights).any():
        assert mended.repairs
    assert mend(problem, mended.held).repairs == []


@given(problems_and(weights_of))
def test_time_running_out_leaves_a_feasible_answer_or_none_and_rigorous_bounds(drawn):
    problem, weights = drawn
    solution = judge(problem, Claim("feasible", None, weights), "late", deadline=time.monotonic() - 1)
    best = optimum(problem)
    assert solution.upper >= best
    assert solution.lower is None or solution.lower <= best
    if solution.status == "bounded":
        assert solution.certificate is None
        assert solution.lower <= solution.objective + problem.grid.error * problem.demand
    elif solution.status == "optimal":
        assert_certified(solution, problem)
    else:
        assert solution.experts is None


@given(problems(), st.data())
def test_an_engines_prices_alone_bound_the_optimum_from_above(problem, data):
    elements = st.floats() | st.floats(-2, 2)
    prices = data.draw(st.none() | hnp.arrays(np.float64, problem.num_experts, elements=elements))
    solution = judge(problem, Claim("time limit", None, None, prices, "stopped"), "slow")
    assert solution.upper >= optimum(problem)
    assert (solution.status, solution.evidence, solution.experts) == ("unknown", "claimed", None)
    assert solution.raw_status == "stopped"


def test_useful_prices_of_an_engine_make_the_bound_tight():
    problem = AssignmentProblem([[1.0, 0.0], [1.0, 0.0]], 1)
    loose = judge(problem, Claim("time limit"), "slow")
    tight = judge(problem, Claim("time limit", duals=np.array([1.0, 0.0])), "slow")
    assert (tight.upper, loose.upper) == (1, 2)


PROBLEM = AssignmentProblem([[0.75, 0.5, 0.25], [1.0, 0.25, 0.0], [0.5, 0.5, 0.125], [0.25, 0.0, 0.5]], 1, [1, 2, 2])
BEST = optimum(PROBLEM)
EYE = np.eye(3)
WRONG = {
    "suboptimal": (Fraction(1), EYE[[2, 1, 0, 1]].astype(bool), "cancelled"),
    "over capacity": (Fraction(11, 4), EYE[[0, 0, 0, 2]].astype(bool), "within capacity"),
    "too few experts": (Fraction(1), EYE[[0, 0, 0, 0]].astype(bool) & [[True], [False], [False], [True]], "rounded"),
    "too many experts": (Fraction(9), np.ones((4, 3), bool), "rounded"),
    "fractional": (Fraction(2), np.full((4, 3), 1 / 3), "rounded"),
    "not a number": (Fraction(2), np.full((4, 3), np.nan), "rounded"),
    "negated": (Fraction(-2), -EYE[[0, 0, 1, 2]], "rounded"),
    "empty": (Fraction(0), np.zeros((4, 3)), "rounded"),
}


@pytest.mark.parametrize(("objective", "weights", "repair"), WRONG.values(), ids=WRONG)
def test_wrong_engine_is_mended_and_its_claim_stays_visible_as_wrong(monkeypatch, objective, weights, repair):
    flow = import_module("equipoise.solvers.assignment.flow")
    monkeypatch.setattr(flow, "solve", lambda problem, limit: Claim("optimal", objective, weights, message="OPTIMAL"))
    solution = solve(PROBLEM, "ortools-flow")
    assert_certified(solution, PROBLEM)
    assert solution.objective == BEST
    assert solution.raw_objective == objective != BEST
    assert not claim_agrees(solution, PROBLEM, BEST)
    assert any(repair in text for text in solution.repairs)


def test_engine_that_lies_about_its_own_optimal_answer_is_visible(monkeypatch):
    right = solve(PROBLEM)
    held = np.zeros((4, 3), bool)
    held[np.arange(4), right.experts[:, 0]] = True
    flow = import_module("equipoise.solvers.assignment.flow")
    monkeypatch.setattr(flow, "solve", lambda problem, limit: Claim("optimal", BEST + 1, held))
    solution = solve(PROBLEM)
    assert_certified(solution, PROBLEM)
    assert solution.repairs == ()
    assert not claim_agrees(solution, PROBLEM, BEST)


@pytest.mark.parametrize("status", ["infeasible", "failed", "time limit"])
def test_engine_without_an_answer_makes_the_solution_unknown_not_infeasible(monkeypatch, status):
    flow = import_module("equipoise.solvers.assignment.flow")
    monkeypatch.setattr(flow, "solve", lambda problem, limit: Claim(status, message="as it says"))
    solution = solve(PROBLEM, "ortools-flow")
    assert (solution.status, solution.raw_status, solution.objective) == ("unknown", "as it says", None)
    assert solution.upper >= BEST


def test_certificate_alone_decides_whether_a_solution_is_optimal(monkeypatch):
    """Prices that prove nothing make the same assignment "bounded"."""
    monkeypatch.setattr(
        "equipoise.solvers.assignment.certify.AssignmentCertificate.of",
        lambda problem, experts, prices, of=AssignmentCertificate.of: of(problem, experts, prices * 0),
    )
    solution = solve(PROBLEM)
    assert (solution.status, solution.evidence, solution.certificate) == ("bounded", "claimed", None)
    assert solution.objective == BEST == solution.lower < solution.upper


def test_a_proof_that_the_check_rejects_is_mended_like_any_other_answer():
    chosen, prices = np.array([[0], [0], [1], [2]], np.int32), np.zeros(3, np.int64)
    solution = judge(PROBLEM, Claim("optimal", BEST, proof=(chosen, prices)), "hasty")
    assert_certified(solution, PROBLEM)
    assert solution.repairs == ("moved 1 tokens within capacity",)
    right = solution.certificate
    proof = (solution.experts.astype(np.int32), right.prices)
    assert judge(PROBLEM, Claim("optimal", BEST, proof=proof), "careful").repairs == ()
