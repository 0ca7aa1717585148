"""The cases that checks are tried on: well formed, of the family that draws them, and through JSON unchanged."""

import doctest
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise import PlacementProblem, strategies
from equipoise.checks.engine.registry import select
from equipoise.reference.placement.floors import round_robin
from equipoise.roles import all_roles, role_named
from equipoise.roles.placer import PlacerCase
from equipoise.roles.scheduler import SchedulerCase

SOME = settings(max_examples=20, suppress_health_check=list(HealthCheck))
ROLES = tuple(all_roles())
FAMILIES = [
    (role, name)
    for role in ROLES
    for name in sorted({entry.cases.search.__name__: entry.cases for entry in select(role)})
]


def family_of(role, name):
    return next(entry.cases for entry in select(role) if entry.cases.search.__name__ == name)


def can_be_asked(role, case):
    """Whether the parts of a case fit each other, whatever a family changes on purpose."""
    if role == "placer":
        return all(
            PlacementProblem(layer, slots, devices, distinct=False).violation(round_robin(len(layer), slots)) is None
            for load, slots, _, _, devices in case.calls()
            for layer in load
        )
    if role == "scheduler":
        fits = all(load.shape[-1] == len(case.hosts) and (load >= 0).all() for load in case.loads)
        return fits and all(hosts.any(axis=1).all() for _, hosts in case.calls())
    return case.valid


@pytest.mark.parametrize(("role", "name"), FAMILIES)
def test_a_family_draws_only_cases_that_it_admits_and_that_can_be_asked(role, name):
    drawn_by = family_of(role, name)

    @SOME
    @given(drawn_by())
    def holds(case):
        assert drawn_by.admits(case)
        assert can_be_asked(role, case)
        assert len(case.calls()) == case.steps >= 1
        assert all(len(call) <= len(role_named(role).arguments) for call in case.calls())
        again = type(case).from_json(json.loads(json.dumps(case.to_json())))
        assert again.to_json() == case.to_json()

    holds()


@pytest.mark.parametrize("name", [name for role, name in FAMILIES if role == "placer"])
def test_no_special_family_of_placers_admits_every_case(name):
    odd = PlacerCase((np.array([[5, 5]]),), 4, 3, 2, 2)
    assert family_of("placer", name).admits(odd) == (name == "uneven_groups")


@pytest.mark.parametrize("entry", select("scheduler"), ids=lambda entry: entry.name)
def test_a_check_for_loads_by_expert_admits_no_loads_by_source(entry):
    case = SchedulerCase((np.array([[2, 0], [1, 1]]),), np.ones((2, 2), bool))
    assert entry.cases.admits(case) == (entry.name == "scheduler_serves_what_every_device_sends")


@SOME
@given(strategies.placement_instances(nodes=st.integers(1, 3), groups=st.integers(1, 2)))
def test_placement_instances_fit_their_groups_and_nodes(instance):
    load, num_slots, num_groups, num_nodes, num_devices = instance
    for layer in load:
        problem = PlacementProblem(layer, num_slots, num_devices, "even", num_groups, num_nodes)
        assert problem.num_groups % problem.num_nodes == 0


@SOME
@given(strategies.drifting_loads())
def test_drifting_loads_have_one_hot_expert_a_step(loads):
    assert len({load.shape for load in loads}) == 1
    for load in loads:
        assert load.min() > 0
        assert ((load > 60).sum(axis=1) == 1).all()


@pytest.mark.parametrize("kind", strategies.LOADS)
def test_every_kind_of_loads_is_whole_and_within_what_problems_take(kind):
    @SOME
    @given(strategies.load_matrices(kinds=(kind,)))
    def holds(load):
        assert load.dtype == np.int64
        assert load.min() >= 0
        assert load.max() < 2**50

    holds()


@SOME
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


@SOME
@given(strategies.distinct_scores())
def test_distinct_scores_are_all_different_and_between_0_and_1(scores):
    assert len(np.unique(scores)) == scores.size
    assert 0 < scores.min() <= scores.max() < 1
    assert (scores * 2**12 == np.floor(scores * 2**12)).all()
