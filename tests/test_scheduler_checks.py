"""What the scheduler checks rest on: the trivial schedulers they compare with, the defects they tell apart."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import SchedulingProblem, solve, strategies
from equipoise.balancers.find import Target
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.run import run_checks
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler.families import chains
from equipoise.checks.scheduler.quality import ERROR, trivial_peaks, unlikely
from equipoise.reference.scheduling.quota_greedy import quota_greedy
from equipoise.roles.scheduler import SchedulerCase, schedule_fault
from miniature_schedulers import even


@given(strategies.scheduling_instances())
def test_trivial_schedulers_are_never_better_than_the_optimum(instance):
    load, hosts = instance
    case, optimum = SchedulerCase((load,), hosts), solve(SchedulingProblem(load, hosts)).objective
    assert optimum <= even(load, hosts).sum(axis=0).max() <= trivial_peaks(case)[0]
    assert optimum <= trivial_peaks(case)[1] <= load.sum()


def test_a_greedy_quota_can_end_above_an_even_split_which_is_why_it_declares_that():
    case = SchedulerCase((np.array([8, 3, 17, 6]),), np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0], [1, 0, 1]], bool))
    assert quota_greedy(case.load, case.hosts).sum(axis=0).max() == 17
    assert trivial_peaks(case)[0] == 14


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
        ([[2.5, 0.5], [0, 2]], "fractional tokens", "2.5 tokens of expert 0 on device 0"),
        ([[3, np.inf], [0, 2]], "fractional tokens", "inf tokens of expert 0 on device 1"),
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
    assert ("by source" in Target.of(name, "scheduler").hold(in_process=True).probe()) == takes


def test_a_defect_that_many_checks_meet_is_reported_once_with_a_better_answer():
    with Target.of("miniature_schedulers:drops_what_does_not_divide", "scheduler").hold(in_process=True) as balancer:
        report = run_checks(balancer, select("scheduler")[:10], Settings(examples=30))
    (finding,) = report.findings
    assert finding.check == "scheduler_serves_every_token_once"
    assert finding.case.size <= 4
    assert np.array_equal(np.sum(finding.better, axis=1), finding.case.load)
    assert any("see scheduler_serves_every_token_once" in str(outcome.skipped) for outcome in report.outcomes)


@settings(max_examples=30)
@given(st.integers(2, 300), st.integers(2, 5), st.integers(1, 20), st.data())
def test_what_is_called_unlikely_is_so_by_the_exact_binomial_tail(tokens, replicas, counts, data):
    count = data.draw(st.integers(0, tokens))
    if unlikely(count, tokens, tokens / replicas, counts):
        tail = range(count + 1) if count * replicas < tokens else range(count, tokens + 1)
        ways = sum(comb(tokens, n) * (replicas - 1) ** (tokens - n) for n in tail)
        assert Fraction(ways, replicas**tokens) <= Fraction(ERROR) / (2 * counts)


def test_a_bias_of_a_tenth_is_unlikely_in_many_tokens_and_a_hundredth_is_not():
    assert unlikely(16384 * 11 // 20, 16384, 16384 / 2, 10)
    assert not unlikely(16384 * 101 // 200, 16384, 16384 / 2, 10)
    assert unlikely(1, 16384, 16384 / 2, 10)
    assert not unlikely(0, 10, 5.0, 2)


def test_a_case_of_before_machines_changed_is_read_and_written_as_it_was():
    case = SchedulerCase((np.array([3, 1]),), np.ones((2, 2), bool))
    document = case.to_json()
    assert set(document) == {"loads", "hosts"}
    assert SchedulerCase.from_json(document).to_json() == document


def test_a_machine_of_fewer_devices_has_their_columns_alone():
    case = SchedulerCase(
        (np.array([3]),) * 3, np.array([[True, False, True]]), (np.array([1, 1, 0], bool), np.ones(3, bool))
    )
    assert [hosts.tolist() for _, hosts in case.calls()] == [[[True, False]], [[True, False, True]], [[True, False]]]
    assert case.valid
    assert not SchedulerCase(case.loads, case.hosts, (np.array([0, 1, 0], bool),)).valid
