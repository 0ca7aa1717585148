"""What a solution says of itself: evidence that means one thing, loads, prices, a short repr, JSON."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_oracles import placements
from equipoise import (
    AssignmentProblem,
    CommunicationProblem,
    GroupLimitedProblem,
    Limit,
    LimitedProblem,
    PlacementProblem,
    SchedulingProblem,
    TrafficProblem,
    cli,
    solve,
)
from equipoise.solution import PROVED, Solution
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from strategies_assignment import ALL, problems

HOSTS = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], bool)
SOURCES = np.array([[3, 0, 4], [1, 5, 0], [2, 2, 2]])
PLAIN = AssignmentProblem(np.random.default_rng(0).random((12, 4)), 2)
PROBLEMS = {
    "assignment": PLAIN,
    "limited": LimitedProblem(PLAIN, [Limit(12, experts=[0, 1])]),
    "group-limited": GroupLimitedProblem(PLAIN.with_capacity(12), 2, 1),
    "scheduling": SchedulingProblem([9, 4, 3], HOSTS, base_load=[1, 0, 2]),
    "scheduling, divided": SchedulingProblem([9, 4, 3], HOSTS, fractional=True),
    "traffic": TrafficProblem(SOURCES, HOSTS, [8, 8, 8], 1 - np.eye(3, dtype=int)),
    "communication": CommunicationProblem(SOURCES, HOSTS, 1),
    "placement, even": PlacementProblem([9, 4, 3], 6, 3),
    "placement, free": PlacementProblem([9, 4, 3], 6, 3, "free"),
}
BOUNDED = {
    "assignment": (PLAIN, Claim("time limit")),
    "scheduling": (SchedulingProblem([9, 4, 3], HOSTS), Claim("failed")),
    "communication": (CommunicationProblem(SOURCES, HOSTS, 1), Claim("feasible", answer=HOSTS * [[6], [7], [6]])),
    "placement": (PlacementProblem([9, 4, 3], 6, 3, "free"), Claim("feasible", answer=np.eye(3, dtype=int))),
    "traffic": (TrafficProblem(SOURCES, HOSTS, [8, 8, 8], 1 - np.eye(3, dtype=int)), Claim("failed")),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_certificate_is_there_exactly_where_the_check_accepts_it(kind):
    solution = solve(PROBLEMS[kind])
    assert (solution.certificate is not None) == (solution.evidence in PROVED)
    assert solution.certificate is None or solution.certificate.verify(PROBLEMS[kind]).valid
    assert (solution.bound_proof is None) == (solution.certificate is not None)


@pytest.mark.parametrize("kind", BOUNDED)
def test_a_bound_has_its_proof_in_a_field_of_its_own_and_no_certificate(kind):
    problem, claim = BOUNDED[kind]
    solution = judge(problem, claim, "weak")
    verdict = solution.bound_proof.verify(problem)
    assert (solution.certificate, solution.evidence, solution.status in ("bounded", "unknown")) == (
        None,
        "claimed",
        True,
    )
    assert not verdict.valid
    bound = verdict.upper if kind == "assignment" else verdict.lower
    assert bound is not None
    assert bound == (solution.upper if kind == "assignment" else solution.lower)


@given(placements())
@settings(max_examples=40, deadline=None)
def test_no_placement_is_called_certified_on_the_strength_of_a_repeated_search(problem):
    solution = solve(problem, "placement-search")
    if solution.certificate is not None:
        assert (solution.evidence == "searched") == (solution.certificate.argument == "deal")
        assert solution.status == "optimal"
    assert (solution.bound_proof is None) == (solution.certificate is not None)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_solution_is_shown_on_one_screen_and_goes_through_json(kind):
    problem = PROBLEMS[kind]
    solution = solve(problem)
    text = repr(solution)
    assert len(text) < 200
    assert "\n" not in text
    for word in (solution.status, solution.evidence, f"by {solution.solver}"):
        assert word in text
    document = json.loads(json.dumps(solution.to_dict(), allow_nan=False))
    assert document["schema"] == "equipoise-solution/1"
    assert Fraction(document["objective"]) == solution.objective
    assert (Fraction(document["lower"]), Fraction(document["upper"])) == (solution.lower, solution.upper)
    assert document["problem"] == repr(problem)
    assert document["peak"] == solution.peak == max(document["loads"])
    for name in ("experts", "split", "flows", "physical_to_logical"):
        array = getattr(solution, name)
        assert document[name] == (None if array is None else array.tolist())


@settings(max_examples=40, deadline=None)
@given(problems(ALL))
def test_loads_and_peak_of_a_routing_are_counted_and_prices_are_those_of_the_certificate(problem):
    solution = solve(problem)
    counted = [sum(row.count(e) for row in solution.experts.tolist()) for e in range(problem.num_experts)]
    assert solution.loads.tolist() == counted
    assert solution.peak == max(counted)
    exact = [int(price) * problem.grid.unit for price in solution.certificate.prices]
    assert [Fraction(price) for price in solution.prices.tolist()] == pytest.approx(exact, rel=1e-15)
    assert (repr(solution), solution.problem) == (repr(solution), problem)


@given(placements(splits=("even", "free")))
@settings(max_examples=30, deadline=None)
def test_loads_of_devices_have_the_peak_of_the_objective(problem):
    solution = solve(problem, "placement-search")
    assert len(solution.loads) == problem.num_devices
    assert solution.loads.sum() == pytest.approx(sum(problem.load.tolist()))
    assert solution.peak == pytest.approx(float(solution.objective))
    assert solution.prices is None


def test_loads_of_a_schedule_count_what_devices_hold_anyway():
    solution = solve(PROBLEMS["scheduling"])
    assert solution.loads.tolist() == (solution.split.sum(axis=0) + [1, 0, 2]).tolist()
    assert solution.peak == solution.objective
    assert solve(PROBLEMS["traffic"]).loads.tolist() == solve(PROBLEMS["traffic"]).flows.sum(axis=(0, 1)).tolist()


def test_without_an_answer_there_are_no_loads_and_the_bounds_are_shown():
    nothing = Solution("unknown", "hand", upper=Fraction(10) ** 400)
    assert (nothing.loads, nothing.peak, nothing.prices, nothing.proof) == (None, None, None, None)
    assert repr(nothing) == "Solution(unknown, claimed, upper 1e+400, by hand in 0 s)"
    assert json.loads(json.dumps(nothing.to_dict()))["upper"] == "1" + "0" * 400


@given(st.sampled_from(sorted(PROBLEMS)))
@settings(max_examples=len(PROBLEMS), deadline=None)
def test_prices_are_there_for_routing_only(kind):
    prices = solve(PROBLEMS[kind]).prices
    assert (prices is not None) == (kind in ("assignment", "limited", "group-limited"))
    assert prices is None or prices.shape == (4,)


@pytest.mark.parametrize("form", ["json", "table", "markdown"])
def test_the_command_line_says_what_the_solution_says(form, tmp_path, capsys):
    np.save(tmp_path / "scores.npy", PLAIN.scores)
    assert cli.run(["solve", str(tmp_path / "scores.npy"), "--top-k", "2", "--format", form]) == 0
    shown, said = capsys.readouterr().out, solve(PLAIN).to_dict()
    if form == "json":
        document = json.loads(shown)
        assert document.pop("certificate") is None
        assert {**document, "seconds": 0} == {**said, "seconds": 0}
    else:
        assert "certified" in shown
        assert "experts" not in shown


def test_scores_beyond_the_floats_total_are_shown_and_not_a_traceback(tmp_path, capsys):
    np.save(tmp_path / "scores.npy", np.full((3, 2), 1.7e308))
    assert cli.run(["solve", str(tmp_path / "scores.npy"), "--top-k", "2"]) == 0
    assert "1.02e+309" in capsys.readouterr().out
