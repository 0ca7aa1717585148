"""The cases that placers are tried on: well formed, and of the family that draws them."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise import PlacementProblem, strategies
from equipoise.checks.cases import PlacerCase
from equipoise.checks.registry import select
from equipoise.reference.placement.floors import round_robin

FAMILIES = {entry.cases.search.__name__: entry.cases for entry in select("placer")}
SOME = settings(max_examples=25, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_draws_only_cases_that_it_admits_and_that_can_be_placed(name):
    @SOME
    @given(FAMILIES[name]())
    def holds(case):
        assert FAMILIES[name].admits(case)
        again = PlacerCase.from_json(case.to_json())
        assert again.shape == case.shape
        for load in case.loads:
            for layer in load:
                problem = PlacementProblem(layer, case.num_slots, case.num_devices, distinct=False)
                assert problem.violation(round_robin(len(layer), case.num_slots)) is None

    holds()


@pytest.mark.parametrize("name", FAMILIES)
def test_no_special_family_admits_every_case(name):
    odd = PlacerCase((np.array([[5, 5]]),), 4, 3, 2, 2)
    assert FAMILIES[name].admits(odd) == (name == "uneven_groups")


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


def test_the_examples_of_the_public_strategies_run():
    ran = doctest.testmod(strategies)
    assert ran.attempted > 0
    assert ran.failed == 0
