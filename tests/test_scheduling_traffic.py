"""Least traffic at a given peak: engines against brute force, prices against a naive checker."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from equipoise import Certificate, InvalidProblem, SchedulingProblem, TrafficProblem, node_costs, solve
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from equipoise.solvers.solve import claim


@st.composite
def traffics(draw, max_load=2):
    experts, devices = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    source = draw(st.lists(st.integers(0, max_load), min_size=experts * devices, max_size=experts * devices))
    hosts = np.zeros((experts, devices), bool)
    for expert in range(experts):
        hosts[expert, list(draw(st.sets(st.integers(0, devices - 1), min_size=1)))] = True
    limit = draw(st.lists(st.integers(0, 8), min_size=devices, max_size=devices))
    cost = draw(st.lists(st.integers(0, 5), min_size=devices**2, max_size=devices**2))
    return TrafficProblem(np.reshape(source, (devices, experts)), hosts, limit, np.reshape(cost, (devices, devices)))


def cost_of(problem, flows):
    return sum(int(problem.cost[s, g]) * int(flows[s, e, g]) for s, e, g in np.ndindex(flows.shape))


def feasible(problem, flows):
    served = (flows.sum(axis=2) == problem.source_load).all() and (flows >= 0).all()
    hosted = all(problem.hosts[e, g] or flows[s, e, g] == 0 for s, e, g in np.ndindex(flows.shape))
    return served and hosted and all(flows[:, :, g].sum() <= problem.limit[g] for g in range(problem.num_devices))


def least_cost(problem):
    """Try every destination of every token; None if no choice keeps the limits."""
    tokens = [(s, e) for s, e in np.ndindex(problem.source_load.shape) for _ in range(problem.source_load[s, e])]
    best = None
    for ends in product(*(np.flatnonzero(problem.hosts[e]).tolist() for _, e in tokens)):
        if all(ends.count(g) <= problem.limit[g] for g in range(problem.num_devices)):
            cost = sum(int(problem.cost[s, g]) for (s, _), g in zip(tokens, ends, strict=True))
            best = cost if best is None else min(best, cost)
    return best


@pytest.mark.parametrize("engine", ["ortools-flow", "pulp-cbc"])
@settings(max_examples=25)
@given(problem=traffics(max_load=1))
def test_engine_claims_the_least_cost_of_brute_force(engine, problem):
    best, claimed = least_cost(problem), claim(problem, engine)
    assert (claimed.status == "infeasible") == (best is None)
    assert claimed.objective == best


@given(problem=traffics())
def test_traffic_is_feasible_and_certified(problem):
    solution = solve(problem)
    if solution.status == "infeasible":
        return
    assert (solution.status, solution.evidence) == ("optimal", "certified")
    assert feasible(problem, solution.flows)
    assert cost_of(problem, solution.flows) == solution.objective == solution.lower
    assert (solution.split == solution.flows.sum(axis=0)).all()


@settings(max_examples=60)
@given(problem=traffics(max_load=1), data=st.data())
def test_no_corrupted_traffic_certificate_is_accepted(problem, data):
    solution = solve(problem)
    assume(solution.certificate is not None)
    flows, prices = solution.flows.copy(), solution.certificate.prices.copy()
    s, e, g = (data.draw(st.integers(0, size - 1)) for size in flows.shape)
    to = data.draw(st.integers(0, problem.num_devices - 1))
    amount = data.draw(st.integers(-1, 1))
    flows[s, e, g] += amount
    flows[s, e, to] -= amount * data.draw(st.integers(0, 1))
    prices[g] += data.draw(st.integers(-2, 2))
    verdict = replace(solution.certificate, flows=flows, prices=prices).verify(problem)
    if verdict:
        assert feasible(problem, flows)
        assert cost_of(problem, flows) == solution.objective
    assert verdict.lower is None or verdict.lower <= solution.objective
    assert verdict.upper is None or verdict.upper >= solution.objective


def test_dear_flows_are_not_called_optimal():
    problem = TrafficProblem([[2, 0], [0, 2]], [[True, True], [True, True]], [2, 2], node_costs(2, 1))
    crossed = np.zeros((2, 2, 2), np.int64)
    crossed[0, 0, 1] = crossed[1, 1, 0] = 2
    solution = judge(problem, Claim("optimal", None, crossed), "broken")
    assert (solution.status, solution.objective, solution.lower) == ("bounded", 4, 0)
    overfull = judge(problem, Claim("optimal", None, crossed * 3), "broken")
    assert (overfull.status, overfull.objective) == ("unknown", None)


def test_second_stage_keeps_the_peak_and_prefers_near_devices(tmp_path):
    source = [[6, 0], [0, 2], [0, 0], [0, 0]]
    problem = SchedulingProblem(source_load=source, hosts=[[True, True, True, False], [False, True, False, True]])
    first = solve(problem)
    assert first.objective == 2
    second = solve(TrafficProblem.at_peak(problem, first.objective, node_costs(4, 2, intra=1, inter=4)))
    assert second.split.sum(axis=0).max() == 2
    assert second.objective == 2 * 0 + 2 * 1 + 2 * 4 + 2 * 4
    second.certificate.save(tmp_path / "traffic.json")
    assert Certificate.load(tmp_path / "traffic.json").verify()


def test_a_higher_peak_never_costs_more_traffic():
    rng = np.random.default_rng(5)
    source, hosts = rng.integers(0, 50, (4, 6)), rng.random((6, 4)) < 0.6
    hosts[:, 0] = True
    problem = SchedulingProblem(source_load=source, hosts=hosts)
    peak = int(solve(problem).objective)
    costs = [
        solve(TrafficProblem.at_peak(problem, peak + more, node_costs(4, 2))).objective for more in range(0, 90, 15)
    ]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


def test_node_costs_and_their_refusals():
    assert node_costs(4, 2, 1, 3).tolist() == [[0, 1, 3, 3], [1, 0, 3, 3], [3, 3, 0, 1], [3, 3, 1, 0]]
    with pytest.raises(InvalidProblem, match="a divisor of the 4 devices"):
        node_costs(4, 3)
    with pytest.raises(InvalidProblem, match="says where its tokens start"):
        TrafficProblem.at_peak(SchedulingProblem([1], [[True]]), 1, [[0]])
    with pytest.raises(InvalidProblem, match="limit is too small"):
        TrafficProblem([[1]], [[True]], [-1], [[0]])
