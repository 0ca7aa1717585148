"""Call forms of planners: told from the signature, called as their frameworks call them, and read."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise import TargetError
from equipoise.balancers.adapters.forms import form_of
from equipoise.balancers.adapters.planners import by_source
from equipoise.balancers.find import Target
from equipoise.reference.planning.llep import LLEP
from equipoise.reference.planning.moonep import moonep
from equipoise.reference.planning.ultraep import UltraEP

LOAD, HOME, SLOTS = np.array([60, 20, 10, 10, 40, 4]), np.repeat(np.arange(3), 2), np.array([2, 2, 2])


def alloc_policy(tpe, geom):
    assert (tpe.sum(axis=1) <= geom.capacity).all()
    assert (geom.R, geom.E, geom.epn, geom.B) == (3, 6, 2, 2)
    return moonep(tpe, np.arange(geom.E) // geom.epn, np.full(geom.R, geom.B)).T


def solve_placement(
    expert_loads,
    expert_loads_per_rank,
    num_ranks,
    num_local_master_experts,
    num_local_redundant_experts,
    num_nvl_ranks,
    legacy_placement=False,
):
    """What UltraEP's extension returns: slots of home experts first in every rank, then those of copies."""
    assert (expert_loads_per_rank.sum(axis=0) == expert_loads).all()
    each, spare = num_local_master_experts, num_local_redundant_experts
    home = np.arange(len(expert_loads)) // each
    split = UltraEP(min_tokens=1)(expert_loads, home, np.full(num_ranks, spare))
    places, quota = np.full((2, *split.shape), -1)
    used, counts = np.zeros(num_ranks, int), np.zeros(len(home), int)
    for expert, row in enumerate(split):
        others = [device for device in np.flatnonzero(row) if device != home[expert]]
        slots = [home[expert] * (each + spare) + expert % each]
        for device in others:
            slots.append(device * (each + spare) + each + used[device])
            used[device] += 1
        counts[expert] = len(slots)
        places[expert, : len(slots)] = slots
        quota[expert, : len(slots)] = row[[home[expert], *others]]
    return None, places, counts, quota, None, None


def compute_llep_lpt_plan(global_expert_counts, ep_size, ep_rank, num_local_experts, max_tokens_factor=1.1):
    split = LLEP(max_tokens_factor)(
        global_expert_counts, np.arange(len(global_expert_counts)) // num_local_experts, np.zeros(ep_size)
    )
    ranges = {}
    for expert, row in enumerate(split):
        ends = np.cumsum(row)
        ranges[expert] = [(g, int(ends[g] - row[g]), int(ends[g])) for g in range(ep_size) if row[g]]
    return SimpleNamespace(lpt_plan=ranges)


FORMS = {
    "moonep": (alloc_policy, moonep),
    "ultraep": (solve_placement, UltraEP(min_tokens=1)),
    "llep": (compute_llep_lpt_plan, LLEP()),
}


def held(found):
    return Target.of(found).hold(in_process=True)


@pytest.mark.parametrize("name", FORMS)
def test_a_planner_in_a_frameworks_form_gives_the_plan_of_the_plain_one(name):
    found, plain = FORMS[name]
    assert form_of(found).name == name
    with held(found) as balancer:
        assert balancer.role.name == "planner"
        for load in (LOAD, by_source(LOAD, 3)):
            assert (balancer.ask(load, HOME, SLOTS).split == plain(load, HOME, SLOTS)).all()


@pytest.mark.parametrize("name", FORMS)
def test_other_homes_than_equal_blocks_are_refused_in_a_sentence(name):
    with held(FORMS[name][0]) as balancer, pytest.raises(TargetError, match="other homes"):
        balancer.ask(LOAD, HOME[::-1].copy(), SLOTS)


@pytest.mark.parametrize("name", FORMS)
def test_an_audit_takes_a_planner_in_a_frameworks_form(name):
    audit = equipoise.audit(FORMS[name][0], trace=LOAD[None], devices=3, slots=2)
    assert not audit.broken
    assert audit.rows[0].values["peak"] < 80


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(1, 5))
def test_loads_are_dealt_out_to_sources_evenly_and_completely(load, devices):
    dealt = by_source(np.array(load), devices)
    assert (dealt.sum(axis=0) == load).all()
    assert dealt.min() >= 0
    assert dealt.sum(axis=1).max() <= -(-sum(load) // devices)


@pytest.mark.parametrize("returned", [None, (1, 2), (None, np.zeros((6, 3)), None, np.zeros((5, 3)))])
def test_what_is_no_ultraep_solution_is_said_to_be_none(returned):
    def solver(expert_loads, expert_loads_per_rank, num_ranks, num_local_master_experts, slots, domain):
        return returned

    with held(solver) as balancer, pytest.raises(TargetError, match="it returned"):
        balancer.ask(LOAD, HOME, SLOTS)
