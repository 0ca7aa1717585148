"""Token scheduling: engines against brute force, certificates against a naive checker, metamorphic relations."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from device_oracles import is_optimal_schedule, least_integral_peak, least_rational_peak, peak, schedules
from equipoise import Certificate, InvalidFile, InvalidProblem, SchedulingProblem, solve
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from equipoise.solvers.solve import claim

ENGINES = ("ortools-flow", "push-relabel", "ortools-highs", "ortools-glop", "ortools-cpsat", "pulp-cbc")
INTEGRAL = ("ortools-flow", "push-relabel", "ortools-cpsat", "pulp-cbc")


def close(value, exact):
    return abs(float(value) - float(exact)) <= 1e-6 * max(1, float(exact))


def test_every_engine_is_offered():
    assert equipoise.available_solvers(SchedulingProblem([1], [[True]])) == list(ENGINES)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=25, deadline=None)
@given(problem=schedules())
def test_engine_claims_the_optimum_of_brute_force(engine, problem):
    if engine in INTEGRAL:
        assert close(claim(problem, engine).objective, least_integral_peak(problem))
    rational = problem.with_form(fractional=True)
    assert close(claim(rational, engine).objective, least_rational_peak(rational))


@pytest.mark.parametrize("engine", ["ortools-flow", "push-relabel", "ortools-cpsat"])
@settings(max_examples=40, deadline=None)
@given(problem=schedules(), fractional=st.booleans())
def test_exact_engines_claim_exact_fractions(engine, problem, fractional):
    problem = problem.with_form(fractional=fractional)
    exact = least_rational_peak(problem) if fractional else least_integral_peak(problem)
    assert claim(problem, engine).objective == exact


@settings(max_examples=150, deadline=None)
@given(problem=schedules(), fractional=st.booleans())
def test_solution_is_optimal_certified_and_bounded_by_itself(problem, fractional):
    problem = problem.with_form(fractional=fractional)
    solution = solve(problem)
    exact = least_rational_peak(problem) if fractional else least_integral_peak(problem)
    assert (solution.status, solution.evidence) == ("optimal", "certified")
    assert solution.objective == solution.lower == solution.upper == exact
    assert solution.certificate.verify(problem)
    assert not solution.split.flags.writeable


@settings(max_examples=150, deadline=None)
@given(problem=schedules(unit_speeds=True, max_experts=4, max_devices=4, max_load=9))
def test_integer_optimum_is_the_rational_one_rounded_up(problem):
    rational = solve(problem.with_form(fractional=True)).objective
    assert solve(problem).objective == math.ceil(rational)


@settings(max_examples=100, deadline=None)
@given(problem=schedules(), fractional=st.booleans(), data=st.data())
def test_any_claimed_split_is_mended_to_the_optimum(problem, fractional, data):
    problem = problem.with_form(fractional=fractional)
    shape = problem.hosts.shape
    numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)
    weights = np.array(data.draw(st.lists(numbers, min_size=math.prod(shape), max_size=math.prod(shape))))
    solution = judge(problem, Claim("optimal", Fraction(0), weights.reshape(shape)), "broken")
    assert solution.status == "optimal"
    assert solution.objective == (least_rational_peak(problem) if fractional else least_integral_peak(problem))
    assert solution.raw_objective == 0


def test_a_wrong_split_that_is_mended_leaves_a_note():
    problem = SchedulingProblem([4], [[True, True]])
    solution = judge(problem, Claim("optimal", Fraction(4), np.array([[4, 0]])), "broken")
    assert solution.objective == 2
    assert solution.repairs == ("rounded or moved 2 shares",)


@settings(max_examples=60, deadline=None)
@given(problem=schedules(max_experts=4), data=st.data())
def test_another_host_never_raises_the_optimum(problem, data):
    hosts = problem.hosts.copy()
    hosts[data.draw(st.integers(0, len(hosts) - 1)), data.draw(st.integers(0, hosts.shape[1] - 1))] = True
    more = SchedulingProblem(problem.load, hosts, base_load=problem.base_load, speed=problem.speed)
    for fractional in (False, True):
        richer, poorer = (solve(p.with_form(fractional=fractional)).objective for p in (more, problem))
        assert richer <= poorer


@settings(max_examples=60, deadline=None)
@given(problem=schedules(max_experts=4), data=st.data())
def test_two_experts_that_share_their_hosts_never_raise_the_optimum(problem, data):
    one, other = (data.draw(st.integers(0, problem.num_experts - 1)) for _ in range(2))
    hosts = problem.hosts.copy()
    hosts[one] = hosts[other] = hosts[one] | hosts[other]
    more = SchedulingProblem(problem.load, hosts, base_load=problem.base_load, speed=problem.speed)
    assert solve(more).objective <= solve(problem).objective


@settings(max_examples=60, deadline=None)
@given(problem=schedules(max_experts=4), factor=st.integers(1, 2**31))
def test_scaling_all_loads_scales_the_rational_optimum(problem, factor):
    scaled = SchedulingProblem(
        problem.load * factor,
        problem.hosts,
        base_load=problem.base_load * factor,
        speed=problem.speed,
        fractional=True,
    )
    assert solve(scaled).objective == factor * solve(problem.with_form(fractional=True)).objective


@settings(max_examples=60, deadline=None)
@given(problem=schedules(max_experts=4), data=st.data())
def test_permutations_leave_the_optimum(problem, data):
    experts = data.draw(st.permutations(range(problem.num_experts)))
    devices = data.draw(st.permutations(range(problem.num_devices)))
    turned = SchedulingProblem(
        problem.load[experts],
        problem.hosts[experts][:, devices],
        base_load=problem.base_load[devices],
        speed=problem.speed[devices],
    )
    assert solve(turned).objective == solve(problem).objective


@settings(max_examples=100, deadline=None)
@given(problem=schedules(max_load=3), fractional=st.booleans(), data=st.data())
def test_no_corrupted_certificate_is_accepted(problem, fractional, data):
    problem = problem.with_form(fractional=fractional)
    certificate = solve(problem).certificate
    split, devices, denominator = certificate.split.copy(), certificate.devices.copy(), certificate.denominator
    for _ in range(data.draw(st.integers(1, 3))):
        expert, device = (data.draw(st.integers(0, size - 1)) for size in split.shape)
        target = data.draw(st.integers(0, split.shape[1] - 1))
        kind = data.draw(st.sampled_from(["set", "add", "move", "unit"]))
        if kind == "set":
            devices[device] ^= True
        elif kind == "unit":
            denominator = data.draw(st.integers(-1, 4))
        else:
            split[expert, device] += (amount := data.draw(st.integers(-2, 2)))
            split[expert, target] -= amount if kind == "move" else 0
    corrupted = replace(certificate, split=split, devices=devices, denominator=denominator)
    verdict = corrupted.verify(problem)
    if verdict:
        assert is_optimal_schedule(problem, split, denominator)
    best = least_rational_peak(problem) if fractional else least_integral_peak(problem)
    assert verdict.lower is None or verdict.lower <= best
    assert verdict.upper is None or verdict.upper >= best


def test_checker_names_what_is_wrong():
    problem = SchedulingProblem([4, 2], [[True, True], [True, False]])
    good = solve(problem).certificate
    bad_shape = replace(good, split=good.split[:1])
    assert "split is int64 of shape (1, 2)" in bad_shape.verify().reason
    assert "denominator is 2" in replace(good, split=good.split * 2, denominator=2).verify().reason
    assert "does not host" in replace(good, split=np.array([[2, 2], [1, 1]])).verify().reason
    assert "gets 3 of 4 tokens" in replace(good, split=np.array([[0, 3], [2, 0]])).verify().reason
    assert "negative share" in replace(good, split=np.array([[5, -1], [2, 0]])).verify().reason
    assert "proves 3, the split has a peak of 4" in replace(good, split=np.array([[2, 2], [2, 0]])).verify().reason
    assert "bounds nothing" in replace(good, devices=np.zeros(2, bool)).verify().reason
    assert "another problem" in good.verify(SchedulingProblem([4, 3], [[True, True], [True, False]])).reason
    assert "give the problem" in replace(good, statement=None).verify().reason


@settings(max_examples=25, deadline=None)
@given(problem=schedules(), fractional=st.booleans())
def test_saved_certificate_verifies_alone_and_against_its_problem(problem, fractional, tmp_path_factory):
    problem = problem.with_form(fractional=fractional)
    path = tmp_path_factory.mktemp("certificate") / "schedule.json"
    solve(problem).certificate.save(path)
    loaded = Certificate.load(path)
    assert loaded.verify()
    assert loaded.verify(problem)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"devices":[0,1]', '"devices":[0,7]'),
        ('"hosts":[[1,1]]', '"hosts":[[1,2]]'),
        ('"kind":"scheduling"', '"kind":"knitting"'),
        ('"denominator":1', '"denominator":"1"'),
    ],
)
def test_malformed_file_is_refused(tmp_path, old, new):
    path = tmp_path / "schedule.json"
    solve(SchedulingProblem([4], [[True, True]])).certificate.save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidFile):
        Certificate.load(path)


@pytest.mark.parametrize("fractional", [False, True])
def test_loads_far_beyond_32_bits_are_exact(fractional):
    load = [2**50 + 1, 2**50, 7]
    problem = SchedulingProblem(load, np.ones((3, 3), bool), fractional=fractional)
    solution = solve(problem)
    assert solution.status == "optimal"
    assert solution.objective == (Fraction(sum(load), 3) if fractional else -(-sum(load) // 3))


def test_zero_load_one_device_and_unused_slots():
    assert solve(SchedulingProblem([0, 0], [[True], [False]])).objective == 0
    problem = SchedulingProblem([5, 3], physical_to_logical=[0, -1, 1, 0], num_devices=2)
    assert problem.hosts.tolist() == [[True, True], [False, True]]
    assert solve(problem).objective == 4


def test_time_limit_in_the_past_gives_rigorous_bounds():
    load, hosts = [9, 9, 9], np.ones((3, 3), bool)
    problem = SchedulingProblem(load, hosts)
    solution = judge(problem, Claim("feasible", None, np.array([[9, 0, 0]] * 3)), "slow", deadline=0.0)
    assert solution.status == "bounded"
    assert solution.lower <= 9 < solution.upper == peak(problem, [[9, 0, 0]] * 3)
    assert judge(problem, Claim("time limit"), "slow").status == "unknown"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"load": [1, 2, 0], "hosts": [[True], [False], [False]]}, "without a device for expert 1;"),
        ({"load": [1, -2], "hosts": [[True], [True]]}, "too small (-2 at [1])"),
        ({"load": [1.5], "hosts": [[True]]}, "not whole (1.5 at [0])"),
        ({"load": [1], "hosts": [[True, True], [True, True]]}, "hosts is of shape (2, 2)"),
        ({"load": [1], "hosts": [[-1]]}, "hosts is too small"),
        ({"load": [1]}, "hosts is missing"),
        ({"hosts": [[True]]}, "load is missing"),
        ({"load": [1], "source_load": [[1]], "hosts": [[True]]}, "load is given twice"),
        ({"source_load": [[1], [2]], "hosts": [[True]]}, "source_load is of 2 devices"),
        ({"load": [1], "physical_to_logical": [0, 0, 0], "num_devices": 2}, "a divisor of the 3 slots"),
        ({"load": [1], "physical_to_logical": [1], "num_devices": 1}, "physical_to_logical is too large"),
        ({"load": [1], "hosts": [[True]], "speed": [0]}, "speed is too small"),
        ({"load": [2**53], "hosts": [[True]], "speed": [2**31]}, "load times speed"),
        ({"load": [], "hosts": [[True]]}, "load is empty"),
    ],
)
def test_impossible_problem_is_refused_in_one_sentence(arguments, words):
    with pytest.raises(InvalidProblem) as caught:
        SchedulingProblem(**arguments)
    assert words in str(caught.value)
