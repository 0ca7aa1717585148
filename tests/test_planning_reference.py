"""Published planners: feasible, conserving, as even as their rules promise; and what their audit says of them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise import ReplicationProblem
from equipoise.audits.planner import fewest_copies
from equipoise.reference.planning.eplb_counts import eplb_counts, replica_counts
from equipoise.reference.planning.llep import LLEP
from equipoise.reference.planning.moonep import moonep
from equipoise.reference.planning.no_copies import no_copies
from equipoise.reference.planning.ultraep import UltraEP

PLANNERS = {
    "no": no_copies,
    "moonep": moonep,
    "ultraep": UltraEP(),
    "small": UltraEP(min_tokens=1),
    "eplb": eplb_counts,
    "llep": LLEP(min_tokens=1),
    "llep-rarely": LLEP(min_tokens=50, ratio=1.5),
}
ROOMY = ("moonep", "llep", "llep-rarely")
"""They know no limit of copies."""


@st.composite
def batches(draw):
    devices, each = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    load = draw(st.lists(st.integers(0, 400), min_size=devices * each, max_size=devices * each))
    slots = draw(st.lists(st.integers(0, 3), min_size=devices, max_size=devices))
    return np.array(load), np.repeat(np.arange(devices), each), np.array(slots)


def copies_of(split, home):
    away = split > 0
    away[np.arange(len(home)), home] = False
    return away


@given(batches(), st.sampled_from(sorted(PLANNERS)))
def test_every_plan_is_allowed_and_no_rule_that_balances_ends_above_no_copies(batch, name):
    load, home, slots = batch
    split = PLANNERS[name](load, home, slots)
    roomy = len(load) if name in ROOMY else slots
    problem = ReplicationProblem(load, home, len(slots), roomy)
    assert problem.violation(copies_of(split, home), split) is None
    assert name in ("eplb", "llep-rarely") or split.sum(axis=0).max() <= problem.home_load.max()


@given(batches())
def test_moonep_ends_at_the_mean_and_every_device_takes_from_one_home(batch):
    load, home, slots = batch
    split = moonep(load, home, slots)
    assert split.sum(axis=0).max() <= -(-load.sum() // len(slots))
    for device in range(len(slots)):
        assert len(set(home[copies_of(split, home)[:, device]])) <= 1


@given(batches())
def test_llep_keeps_at_home_what_fits_below_its_limit_and_moves_nothing_where_all_does(batch):
    load, home, slots = batch
    held = np.bincount(home, load, len(slots)).astype(int)
    limit = int(1.1 * (load.sum() // len(slots))) if load.sum() >= len(slots) else load.sum()
    split = LLEP(min_tokens=1)(load, home, slots)
    if held.max() <= limit:
        assert not copies_of(split, home).any()
    else:
        assert split.sum(axis=0).max() <= max(limit, -(-load.sum() // len(slots)) + len(slots))
    assert not copies_of(LLEP(min_tokens=1, ratio=1 + len(slots))(load, home, slots), home).any()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=3), st.integers(0, 3), st.integers(1, 3))
def test_replica_counts_make_the_heaviest_replica_as_light_as_any_counts_do(load, spare, devices):
    counts = replica_counts(np.array(load), spare, devices)
    choices = product(range(1, devices + 1), repeat=len(load))
    best = min(max(w / r for w, r in zip(load, one, strict=True)) for one in choices if sum(one) <= len(load) + spare)
    assert max(load / counts) == best
    assert counts.max() <= devices


@given(batches(), st.sampled_from(sorted(PLANNERS)))
def test_no_plan_has_fewer_copies_than_the_bound_at_its_peak(batch, name):
    load, home, slots = batch
    split = PLANNERS[name](load, home, slots)
    problem = ReplicationProblem(load, home, len(slots), len(load))
    assert fewest_copies(problem, int(split.sum(axis=0).max())) <= copies_of(split, home).sum()


LOADS = np.array([[60, 20, 10, 10], [25, 25, 25, 25]])


def test_an_audit_compares_with_a_proved_bound_and_counts_copies():
    found = equipoise.audit(["no-copies", "moonep"], role="planner", trace=LOADS, devices=4, slots=1)
    rows = {(row.balancer, row.instance): row for row in found.rows}
    stays, moves = rows["no-copies", "load0"], rows["moonep", "load0"]
    assert (stays["peak"], stays["no_copies"], stays["copies"]) == (60, 60, 0)
    assert (moves["peak"], moves["excess"], moves["copies"], moves["fewest_copies"]) == (25, 0, 3, 3)
    assert rows["no-copies", "load1"]["excess"] == 0


def takes_another_slot(load, home, slots):
    return moonep(load, home, slots)


@pytest.mark.parametrize(("declares", "at_fault"), [((), True), (("ignores slots",), False)])
def test_a_plan_beyond_the_slots_is_a_fault_unless_slots_are_ignored(declares, at_fault):
    crowded = np.array([[6, 6, 6, 0, 0, 0]])
    found = equipoise.audit(takes_another_slot, role="planner", trace=crowded, devices=2, slots=1, declares=declares)
    assert [row.at_fault for row in found.rows] == [at_fault]
