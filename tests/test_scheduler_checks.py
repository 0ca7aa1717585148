"""What the scheduler checks rest on: their families, the defects they tell apart, the strategies that feed them."""

import doctest

import numpy as np
import pytest
from equipoise.isolation.subject import InProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import SchedulingProblem, solve, strategies
from equipoise.checks.cases import SchedulerCase
from equipoise.checks.registry import select
from equipoise.checks.run import probe, run_checks
from equipoise.checks.scheduler.quality import chains
from equipoise.checks.scheduler.view import even_peak, first_host_peak
from equipoise.checks.settings import Settings
from equipoise.reference.scheduling.ultraep import ultraep
from equipoise.roles import schedule_fault
from sound_schedulers import even

CHECKS = select("scheduler")


@pytest.mark.parametrize("entry", {id(entry.cases): entry for entry in CHECKS}.values(), ids=lambda entry: entry.name)
@settings(max_examples=40)
@given(data=st.data())
def test_every_family_admits_the_cases_it_draws(entry, data):
    case = data.draw(entry.cases())
    assert entry.cases.admits(case)
    assert case.hosts.any(axis=1).all()
    assert all(load.shape[-1] == len(case.hosts) and (load >= 0).all() for load in case.loads)


@pytest.mark.parametrize("entry", CHECKS, ids=lambda entry: entry.name)
def test_a_check_for_loads_by_expert_admits_no_loads_by_source(entry):
    case = SchedulerCase((np.array([[2, 0], [1, 1]]),), np.ones((2, 2), bool))
    assert entry.cases.admits(case) == (entry.name == "scheduler_serves_what_every_device_sends")


@given(strategies.scheduling_instances())
def test_trivial_schedulers_are_never_better_than_the_optimum(instance):
    load, hosts = instance
    case, optimum = SchedulerCase((load,), hosts), solve(SchedulingProblem(load, hosts)).objective
    assert optimum <= even(load, hosts).sum(axis=0).max() <= even_peak(case)
    assert optimum <= first_host_peak(case) <= load.sum()


def test_a_greedy_quota_can_end_above_an_even_split_which_is_why_it_declares_that():
    case = SchedulerCase((np.array([8, 3, 17, 6]),), np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0], [1, 0, 1]], bool))
    assert ultraep(case.load, case.hosts).sum(axis=0).max() == 17
    assert even_peak(case) == 14


@settings(max_examples=20)
@given(chains())
def test_the_optimum_of_a_chain_makes_all_devices_equal(case):
    optimum = solve(SchedulingProblem(case.load, case.hosts)).objective
    assert optimum * case.hosts.shape[1] == case.load.sum()


@pytest.mark.parametrize(
    ("served", "fault", "words"),
    [
        ([[2, 1], [0, 2]], None, ""),
        ([[2.0, 1.0], [0, 2]], None, ""),
        ([[2.5, 0.5], [0, 2]], "parts of tokens", "2.5 of expert 0 on device 0"),
        ([[3, np.inf], [0, 2]], "parts of tokens", "inf of expert 0 on device 1"),
        ([[4, -1], [0, 2]], "negative", "-1 tokens of expert 0 on device 1"),
        ([[2, 1], [1, 1]], "not hosted", "expert 1 on device 0"),
        ([[2, 1], [0, 3]], "lost or made up", "3 of the 2 tokens of expert 1"),
        ([[1e300, 1], [0, 2]], "lost or made up", "of the 3 tokens of expert 0"),
    ],
)
def test_what_is_wrong_with_a_split_is_told_apart(served, fault, words):
    hosts = np.array([[True, True], [False, True]])
    found = schedule_fault(np.array(served), np.array([3, 2]), hosts)
    assert (found is None) == (fault is None)
    assert found is None or (found[0] == fault and words in found[1])


def test_flows_must_serve_the_tokens_of_every_device():
    load, hosts = np.array([[1, 0], [2, 2]]), np.ones((2, 2), bool)
    flows = np.zeros((2, 2, 2), int)
    flows[0, 0] = [2, 0]
    flows[1] = [[1, 0], [1, 1]]
    assert schedule_fault(flows.sum(axis=0), load, hosts) is None
    found = schedule_fault(flows, load, hosts)
    assert found == ("lost or made up", "serves 2 of the 1 tokens of expert 0 that start on device 0")


@pytest.mark.parametrize(("name", "takes"), [("micromoe", True), ("sound_schedulers:ExactOptimum", False)])
def test_whether_loads_by_source_are_taken_is_found_out(name, takes):
    assert probe(InProcess(name, "scheduler")) == ({"by source"} if takes else set())


def test_a_defect_that_many_checks_meet_is_reported_once_with_a_better_answer():
    subject = InProcess("miniature_schedulers:drops_what_does_not_divide", "scheduler")
    report = run_checks(subject, CHECKS[:8], Settings(examples=30))
    (finding,) = report.findings
    assert finding.check == "scheduler_serves_every_token_once"
    assert finding.case.size <= 4
    assert np.array_equal(np.sum(finding.better, axis=1), finding.case.load)
    assert any("see scheduler_serves_every_token_once" in str(outcome.skipped) for outcome in report.outcomes)


@settings(max_examples=30)
@given(data=st.data())
def test_source_loads_are_the_same_tokens(data):
    load = data.draw(strategies.load_vectors())
    drawn = data.draw(strategies.source_loads(load, data.draw(st.integers(1, 4))))
    assert (drawn >= 0).all()
    assert (drawn.sum(axis=0) == load).all()


def test_the_examples_in_the_strategies_work():
    results = doctest.testmod(strategies)
    assert results.attempted >= 10
    assert results.failed == 0
