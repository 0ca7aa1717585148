"""Smaller problems, each a constructor of another: optima are those of brute force over what the problem says."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from equipoise import (
    AssignmentProblem,
    InvalidProblem,
    LimitedProblem,
    PlacementProblem,
    SchedulingProblem,
    device_limits,
    layer_budget,
    null_limit,
    place_unequal,
    placement_by_links,
    solve,
)


def rows(height, width, elements):
    return st.lists(st.lists(elements, min_size=width, max_size=width), min_size=height, max_size=height)


@st.composite
def hosted(draw):
    devices, experts = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    hosts = np.array(draw(rows(experts, devices, st.booleans())))
    hosts[np.arange(experts), draw(st.lists(st.integers(0, devices - 1), min_size=experts, max_size=experts))] = True
    return np.array(draw(st.lists(st.integers(0, 5), min_size=experts, max_size=experts))), hosts


@given(hosted())
@settings(max_examples=40)
def test_activated_experts_are_read_by_as_few_on_a_device_as_any_choice_of_replicas_allows(drawn):
    load, hosts = drawn
    active = [np.flatnonzero(row).tolist() for tokens, row in zip(load, hosts, strict=True) if tokens]
    least = min(max([chosen.count(g) for g in range(hosts.shape[1])]) for chosen in product(*active))
    solution = solve(SchedulingProblem.activated(load, hosts))
    assert (solution.objective, solution.evidence) == (least, "certified")


@given(hosted(), st.integers(0, 6), st.integers(0, 4))
@settings(max_examples=30)
def test_shared_tokens_fill_up_what_routed_experts_and_base_loads_leave(drawn, shared, base):
    load, hosts = drawn
    plain = SchedulingProblem(load, hosts, base_load=[base, *[0] * (hosts.shape[1] - 1)])
    assume(int(load.sum()) <= 7)
    best = None
    choices = [np.flatnonzero(row).tolist() for tokens, row in zip(load, hosts, strict=True) for _ in range(tokens)]
    for chosen in product(*choices):
        held = plain.base_load + np.bincount(np.array(chosen, int), minlength=hosts.shape[1])
        for _ in range(shared):
            held[held.argmin()] += 1
        best = int(held.max()) if best is None else min(best, int(held.max()))
    solution = solve(plain.with_shared(shared))
    assert (solution.objective, solution.evidence) == (best, "certified")


@given(rows(3, 2, st.integers(-3, 5)), st.integers(0, 5), st.integers(1, 2))
@settings(max_examples=40)
def test_null_experts_take_what_the_budget_leaves(scores, budget, top_k):
    problem = AssignmentProblem(scores, top_k, 2, drop=True)
    best = max(
        sum(s for s, chosen in zip(np.array(scores).ravel().tolist(), picked, strict=True) if chosen)
        for picked in product([0, 1], repeat=6)
        if sum(picked) <= budget
        and max(np.array(picked).reshape(3, 2).sum(axis=0)) <= 2
        and max(np.array(picked).reshape(3, 2).sum(axis=1)) <= top_k
    )
    solution = solve(LimitedProblem(problem, null_limit(problem, budget)))
    assert (solution.objective, solution.evidence) == (best, "certified")


@given(rows(2, 4, st.integers(0, 9)), rows(2, 2, st.integers(0, 5)), st.integers(2, 3))
@settings(max_examples=40)
def test_placement_by_links_is_the_cheapest_that_the_slots_allow(source, cost, slots):
    source, cost = np.array(source), np.array(cost)
    cheapest = min(
        sum(int((source[:, e] * cost[:, g]).sum()) for e, g in enumerate(chosen))
        for chosen in product(range(2), repeat=4)
        if max(chosen.count(g) for g in range(2)) <= slots
    )
    solution = solve(placement_by_links(source, cost, slots))
    assert (-solution.objective, solution.evidence) == (cheapest, "certified")


@given(rows(3, 4, st.integers(0, 9)), st.integers(0, 4))
@settings(max_examples=30)
def test_a_capacity_per_rank_drops_what_costs_least(scores, room):
    problem = AssignmentProblem(scores, 1, 3, drop=True)
    best = max(
        sum(row[e] for row, e in zip(scores, chosen, strict=True) if e >= 0)
        for chosen in product(range(-1, 4), repeat=3)
        if max(sum(e // 2 == rank for e in chosen if e >= 0) for rank in range(2)) <= room
    )
    solution = solve(LimitedProblem(problem, device_limits(problem, 2, capacity=room)))
    assert (solution.objective, solution.evidence) == (best, "certified")


@given(rows(2, 3, st.integers(0, 9)), st.integers(0, 3))
@settings(max_examples=12)
def test_slots_over_layers_are_divided_as_the_best_of_all_divisions(loads, spare):
    budget = layer_budget(loads, 2, 2 * (4 + spare))
    peaks = [
        {k: solve(PlacementProblem(load, 2 * k, 2, distinct=False)).objective for k in range(2, 3 + spare)}
        for load in loads
    ]
    best = min(peaks[0][a] + peaks[1][b] for a, b in product(range(2, 3 + spare), repeat=2) if a + b <= 4 + spare)
    assert budget.lower <= best == budget.objective
    assert budget.slots.sum() <= 2 * (4 + spare)
    assert sum(one.objective for one in budget.placements) == best


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
@settings(max_examples=30)
def test_placement_on_unequal_devices_is_feasible_and_its_bound_holds(load, fast, more, spare):
    slots = [len(load) // 2 + more, len(load) // 2 + spare]
    assume(sum(slots) >= len(load))
    found = place_unequal(load, slots, [fast, 1])
    best = min(
        solve(SchedulingProblem(load, np.array(hosts), speed=[fast, 1], fractional=True)).objective
        for hosts in product([(True, False), (False, True), (True, True)], repeat=len(load))
        if (np.array(hosts).sum(axis=0) <= slots).all()
    )
    assert found.bound.objective <= best <= found.schedule.objective
    assert found.schedule.evidence == found.bound.evidence == "certified"
    assert (found.hosts.sum(axis=0) <= slots).all()
    assert not found.optimal or found.schedule.objective == best


def test_a_fast_device_gets_more_and_twice_the_speeds_take_half_the_time():
    found = place_unequal([40, 30, 20, 10], [3, 2], [3, 1])
    assert found.optimal
    assert found.schedule.objective == 25
    assert place_unequal([40, 30, 20, 10], [3, 2], [6, 2]).schedule.objective * 2 == 25


def test_what_does_not_fit_is_refused_by_name():
    plain = AssignmentProblem([[1, 2]], 1)
    with pytest.raises(InvalidProblem, match="without drop"):
        null_limit(plain, 1)
    with pytest.raises(InvalidProblem, match="budget"):
        null_limit(AssignmentProblem([[1, 2]], 1, drop=True), -1)
    with pytest.raises(InvalidProblem, match="cost"):
        placement_by_links([[1, 2], [3, 4]], [[1]], 1)
    with pytest.raises(InvalidProblem, match="capacity"):
        placement_by_links([[1, 2, 3], [3, 4, 5]], [[0, 1], [1, 0]], 1)
    with pytest.raises(InvalidProblem, match="source_load"):
        SchedulingProblem(source_load=[[1]], hosts=[[1]]).with_shared(3)
    with pytest.raises(InvalidProblem, match="8 or more"):
        layer_budget([[1, 2, 3], [1, 2, 3]], 2, 6)
    with pytest.raises(InvalidProblem, match="multiple of the devices"):
        layer_budget([[1, 2, 3]], 2, 5)
    with pytest.raises(InvalidProblem, match="slots"):
        place_unequal([1, 2, 3], [1, 1], [1, 1])
