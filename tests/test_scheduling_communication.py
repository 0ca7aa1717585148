"""Communication-aware scheduling: both readings against brute force, the Lagrangian bound against corruption."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_oracles import all_splits
from equipoise import Certificate, CommunicationProblem, InvalidProblem, SchedulingProblem, solve
from equipoise.certificates.check.communication import Multipliers
from equipoise.solvers.solve import claim

ENGINES = ["ortools-highs", "pulp-cbc"]


@st.composite
def communications(draw):
    experts, devices = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    source = draw(st.lists(st.integers(0, 2), min_size=experts * devices, max_size=experts * devices))
    hosts = np.zeros((experts, devices), bool)
    for expert in range(experts):
        hosts[expert, list(draw(st.sets(st.integers(0, devices - 1), min_size=1)))] = True
    alpha = Fraction(draw(st.integers(0, 6)), draw(st.integers(1, 4)))
    reading = draw(st.sampled_from(["physical", "printed"]))
    return CommunicationProblem(np.reshape(source, (devices, experts)), hosts, alpha, reading)


def cost(problem, split):
    """The objective, one token count at a time."""
    devices, experts = problem.source_load.shape
    loads, links = [], []
    for g in range(devices):
        local = sum(min(Fraction(split[e][g]), int(problem.source_load[g, e])) for e in range(experts))
        held = sum(Fraction(split[e][g]) for e in range(experts))
        starts = [
            int(problem.source_load[g, e])
            for e in range(experts)
            if problem.reading == "physical" or problem.hosts[e, g]
        ]
        loads.append(held)
        links += [sum(starts) - local, held - local]
    return max(loads) + problem.alpha * max(links)


def least_cost(problem):
    return min(cost(problem, split) for split in all_splits(SchedulingProblem(problem.load, problem.hosts)))


def divided(problem):
    return CommunicationProblem(problem.source_load, problem.hosts, problem.alpha, problem.reading, fractional=True)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=30)
@given(problem=communications())
def test_engine_claims_the_optimum_of_brute_force(engine, problem):
    assert float(claim(problem, engine).objective) == pytest.approx(float(least_cost(problem)), abs=1e-6)


@settings(max_examples=30)
@given(problem=communications())
def test_engines_agree_on_the_linear_program(problem):
    one, other = (float(claim(divided(problem), engine).objective) for engine in ENGINES)
    assert one == pytest.approx(other, abs=1e-6)
    assert one <= float(least_cost(problem)) + 1e-6


@settings(max_examples=60)
@given(problem=communications())
def test_bounds_enclose_the_optimum_and_the_cost_is_exact(problem):
    solution = solve(problem)
    assert solution.objective == cost(problem, solution.split.tolist()) == least_cost(problem)
    assert solution.lower <= solution.objective == solution.upper
    assert (solution.status == "optimal") == (solution.lower == solution.upper)


@settings(max_examples=60)
@given(problem=communications())
def test_the_linear_program_is_certified(problem):
    solution = solve(divided(problem))
    assert (solution.status, solution.evidence) == ("optimal", "certified")
    assert solution.objective <= least_cost(problem)


@settings(max_examples=60)
@given(problem=communications(), fractional=st.booleans(), data=st.data())
def test_no_corrupted_communication_certificate_is_accepted(problem, fractional, data):
    problem = divided(problem) if fractional else problem
    solution = solve(problem)
    certificate, split = solution.certificate, solution.certificate.split.copy()
    split[tuple(data.draw(st.integers(0, size - 1)) for size in split.shape)] += data.draw(st.integers(-1, 1))
    rows = [list(getattr(certificate.multipliers, name)) for name in ("load", "send", "receive")]
    row = data.draw(st.sampled_from(rows))
    row[data.draw(st.integers(0, len(row) - 1))] += data.draw(
        st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(-1)])
    )
    verdict = replace(certificate, split=split, multipliers=Multipliers(*rows)).verify(problem)
    if verdict:
        assert cost(problem, (split / certificate.denominator).tolist()) == pytest.approx(float(solution.objective))
    assert verdict.lower is None or verdict.lower <= solution.objective
    assert verdict.upper is None or verdict.upper >= solution.lower


def test_without_weight_on_communication_it_is_scheduling():
    source, hosts = [[3, 1], [2, 5]], [[True, True], [True, False]]
    plain = SchedulingProblem(source_load=source, hosts=hosts, fractional=True)
    assert solve(CommunicationProblem(source, hosts, 0, fractional=True)).objective == solve(plain).objective


def test_readings_differ_by_tokens_of_experts_that_a_device_does_not_host(tmp_path):
    source, hosts = [[4, 0], [0, 0]], [[False, True], [True, True]]
    physical, printed = (CommunicationProblem(source, hosts, 1, reading) for reading in ("physical", "printed"))
    assert (physical.may_send, printed.may_send) == ([4, 0], [0, 0])
    assert solve(physical).objective == solve(printed).objective == 8
    solve(physical).certificate.save(tmp_path / "communication.json")
    loaded = Certificate.load(tmp_path / "communication.json")
    assert loaded.verify()
    assert loaded.verify(physical)
    assert "another problem" in loaded.verify(printed).reason


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1]], [[True]], -1), "alpha is -1"),
        (([[1]], [[True]], "x"), "alpha is 'x'"),
        (([[1]], [[True]], 1, "y"), "'y'"),
    ],
)
def test_impossible_communication_problem_is_refused(arguments, words):
    with pytest.raises(InvalidProblem) as caught:
        CommunicationProblem(*arguments)
    assert words in str(caught.value)
