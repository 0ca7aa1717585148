"""Placers that start from the placement before: fewest moves, unchanged where balanced."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import audit, relabel
from equipoise.reference.placement.catalogue import PLACERS
from equipoise.reference.placement.eplb import eplb
from equipoise.reference.placement.relabelled import matched
from equipoise.reference.placement.swift_balancer import SwiftBalancer, rebalanced
from equipoise.solvers.migration.tables import experts_moved
from equipoise.traces import LoadSeries


def square(size):
    return st.lists(st.lists(st.integers(-9, 9), min_size=size, max_size=size), min_size=size, max_size=size)


@given(st.integers(1, 5).flatmap(square))
def test_matching_has_the_least_total_of_all_permutations(rows):
    cost = np.array(rows)
    columns = matched(cost)
    assert sorted(columns.tolist()) == list(range(len(cost)))
    assert cost[np.arange(len(cost)), columns].sum() == min(
        sum(row[column] for row, column in zip(rows, order, strict=True)) for order in permutations(range(len(rows)))
    )


@given(st.lists(st.lists(st.integers(0, 99), min_size=8, max_size=8), min_size=2, max_size=4), st.sampled_from([1, 2]))
@settings(max_examples=30)
def test_relabelled_eplb_is_eplb_with_the_fewest_moves(loads, nodes):
    placer, old = PLACERS["eplb-relabelled"].create(), None
    for load in loads:
        plain, mine = (place(np.array([load]), 12, 2, nodes, 4)[0] for place in (eplb, placer))
        parts = [[sorted(map(sorted, node)) for node in one.reshape(nodes, -1, 3).tolist()] for one in (plain, mine)]
        assert parts[0] == parts[1]
        if old is not None and nodes == 1:
            assert experts_moved(old, mine, 4) == relabel(plain, old, 4).moved
        old = mine


@given(st.data())
@settings(max_examples=40)
def test_swift_balancer_places_every_expert_whatever_the_load(data):
    devices, width, experts = data.draw(st.sampled_from([(2, 3, 4), (4, 2, 6), (4, 3, 12)]))
    load = np.array([data.draw(st.lists(st.integers(0, 99), min_size=experts, max_size=experts))], float)
    old = np.array([[*range(experts), *range(devices * width - experts)]])
    new = rebalanced(load, old, devices)
    assert set(new[0].tolist()) == set(range(experts))

    def peak(slots):
        share = load[0] / np.bincount(slots, minlength=experts)
        return share[slots].reshape(devices, -1).sum(axis=1).max()

    assert (new == old).all() or experts_moved(old[0], new[0], devices) <= devices * width
    assert peak(new[0]) >= load.sum() / devices * (1 - 1e-9)


def test_swift_balancer_keeps_what_is_balanced_and_exchanges_what_is_not():
    placer = SwiftBalancer()
    even = np.full((1, 4), 5)
    assert (placer(even, 4, 1, 1, 2) == [[0, 1, 2, 3]]).all()
    hot = np.array([[10, 10, 1, 1]])
    assert sorted(placer(hot, 4, 1, 1, 2)[0, :2].tolist()) in ([0, 2], [0, 3], [1, 2], [1, 3])
    placer.reset()
    assert (placer(even, 4, 1, 1, 2) == [[0, 1, 2, 3]]).all()


def test_the_audit_counts_moves_and_those_that_numbering_devices_otherwise_spares():
    random = np.random.default_rng(0)
    series = LoadSeries("layer0", random.multinomial(500, random.dirichlet(np.ones(8), 12)[0], 12), "run")
    names = ["eplb", "eplb-relabelled", "round-robin", "swift-balancer"]
    found = audit(names, role="placer", moves=True, trace=series, devices=4, slots=12, placements=3)
    rows = {name: [row for row in found.rows if row.balancer == name] for name in names}
    assert {len(of) for of in rows.values()} == {3}
    assert all(row["fewest"] <= row["moved"] for row in found.rows)
    assert all(row["spared"] == 0 for row in rows["eplb-relabelled"] + rows["round-robin"])
    assert all(row["moved"] == row["rounds"] == 0 for row in rows["round-robin"])
    assert all(row["even_excess"] == row["kept_excess"] for row in rows["round-robin"])
    assert all(row.evidence["least moves"] == row.evidence["least rounds"] == "certified" for row in found.rows)
    with pytest.raises(Exception, match="placements"):
        audit(names, role="placer", moves=True, trace=series, devices=4, slots=12, placements=11)
