"""Published placers: golden output, invariants, and never better than the optimum."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import PlacementProblem, SchedulingProblem, solve
from equipoise.reference.placement.eplb import eplb, replicate
from equipoise.reference.placement.floors import random_placement, round_robin
from equipoise.reference.placement.micromoe import COLOURINGS, asymmetric, density, should_replace, symmetric

FLASH = [600, 560, 120, 120, 20, 10, 10, 10]
README = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]


@st.composite
def loads_and_sizes(draw, most=40):
    devices, width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    experts = draw(st.integers(1, devices * width))
    load = draw(st.lists(st.integers(0, most), min_size=experts, max_size=experts))
    return load, devices * width, devices


def test_eplb_gives_the_golden_output_of_its_readme():
    assert eplb(np.array(README), 16, 4, 2, 8).tolist() == [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]


@pytest.mark.parametrize(
    ("load", "groups", "nodes", "even", "free"),
    [
        (FLASH, 1, 1, Fraction(232), Fraction(200)),
        (README[0], 4, 2, Fraction(156), None),
        (README[1], 4, 2, Fraction(359, 2), None),
        (README[0], 1, 1, Fraction(277, 2), None),
        (README[1], 1, 1, Fraction(172), None),
    ],
)
def test_peaks_of_eplb_on_the_golden_loads(load, groups, nodes, even, free):
    slots = eplb(load, 16, groups, nodes, 8)
    problem = PlacementProblem(load, 16, 8, "even", groups, nodes, distinct=False)
    assert problem.violation(slots) is None
    assert problem.even_peak(slots) == even
    assert free is None or solve(problem.schedule(slots)).objective == free


@given(drawn=loads_and_sizes())
def test_every_placer_places_every_expert_and_never_beats_the_optimum(drawn):
    load, slots, devices = drawn
    problem = PlacementProblem(load, slots, devices, distinct=False)
    optimum = solve(problem)
    for placed in (
        eplb(load, slots, 1, 1, devices),
        round_robin(len(load), slots),
        random_placement(len(load), slots, devices),
        asymmetric(load, slots, devices, samples=2),
    ):
        assert problem.violation(placed) is None
        assert problem.even_peak(placed) >= optimum.lower


@given(drawn=loads_and_sizes())
def test_optimum_from_search_is_never_worse_than_eplb(drawn):
    load, slots, devices = drawn
    problem = PlacementProblem(load, slots, devices, distinct=False)
    assert solve(problem).objective <= problem.even_peak(eplb(load, slots, 1, 1, devices))


@given(drawn=loads_and_sizes())
def test_eplb_counts_minimise_the_heaviest_replica(drawn):
    load, slots, _ = drawn
    _, counts = replicate(np.array(load, np.float32), slots)
    choices = product(range(1, slots + 1), repeat=len(load)) if len(load) <= 3 else []
    best = min(
        (max(Fraction(w, r) for w, r in zip(load, c, strict=True)) for c in choices if sum(c) == slots), default=None
    )
    assert counts.sum() == slots
    if best is not None:
        assert float(max(Fraction(w, int(r)) for w, r in zip(load, counts, strict=True))) == pytest.approx(float(best))


@given(
    nodes=st.sampled_from([1, 2]),
    per_node=st.integers(1, 2),
    size=st.integers(1, 2),
    width=st.integers(1, 3),
    data=st.data(),
)
def test_hierarchical_eplb_keeps_groups_on_nodes(nodes, per_node, size, width, data):
    groups, devices = nodes * per_node, nodes * 2
    experts = groups * size
    width = max(width, -(-experts // devices))
    load = data.draw(st.lists(st.integers(0, 99), min_size=experts, max_size=experts))
    problem = PlacementProblem(load, devices * width, devices, "even", groups, nodes, distinct=False)
    assert problem.violation(eplb(load, devices * width, groups, nodes, devices)) is None


def test_eplb_has_its_known_defects():
    zeros = eplb([0, 0, 0], 6, 1, 1, 2)
    assert sorted(zeros.tolist()) == [0, 0, 0, 0, 1, 2]
    strict = PlacementProblem([10, 1, 1, 1], 8, 2)
    assert "times on device" in strict.violation(eplb([10, 1, 1, 1], 8, 1, 1, 2))
    with pytest.raises(ValueError, match="7 slots are not a multiple of 2"):
        eplb([1, 2], 7, 1, 1, 2)


@pytest.mark.parametrize("sizes", sorted(COLOURINGS))
def test_symmetric_placement_is_a_regular_graph_with_one_slot_number_per_expert(sizes):
    devices, experts = sizes
    slots = symmetric(devices, experts).reshape(devices, -1)
    for expert in range(experts):
        where, number = np.nonzero(slots == expert)
        assert len(set(where.tolist())) == 2
        assert len(set(number.tolist())) == 1
    pairs = {tuple(np.nonzero((slots == expert).any(axis=1))[0].tolist()) for expert in range(experts)}
    assert len(pairs) == min(experts, devices * (devices - 1) // 2)
    graph = np.zeros((devices, devices), int)
    for one, other in pairs:
        graph[one, other] = graph[other, one] = 1
    assert (np.linalg.matrix_power(graph + np.eye(devices, dtype=int), devices) > 0).all()


def test_symmetric_placement_balances_any_single_hot_expert_up_to_two_devices_worth():
    for devices, experts in COLOURINGS:
        load = np.ones(experts, np.int64) * 10
        load[experts // 2] = 10 * (2 * experts // devices - 1)
        problem = SchedulingProblem(load, physical_to_logical=symmetric(devices, experts), num_devices=devices)
        assert solve(problem).objective == -(-load.sum() // devices)


def test_sizes_without_a_graph_are_refused():
    with pytest.raises(ValueError, match="allowed: 8 devices with 8 experts"):
        symmetric(8, 9)


@settings(max_examples=30)
@given(drawn=loads_and_sizes())
def test_density_is_the_largest_load_per_device_over_device_sets(drawn):
    load, slots, devices = drawn
    placed = random_placement(len(load), slots, devices)
    hosts = [{p // (slots // devices) for p in np.flatnonzero(placed == e)} for e in range(len(load))]
    sets = [set(c) for size in range(1, devices + 1) for c in combinations(range(devices), size)]
    best = max(Fraction(sum(w for w, h in zip(load, hosts, strict=True) if h <= s), len(s)) for s in sets)
    assert density(np.array(load), placed, devices) == pytest.approx(float(best), abs=1e-6)


@settings(max_examples=30)
@given(drawn=loads_and_sizes(), seed=st.integers(0, 5))
def test_asymmetric_placement_is_distinct_and_reproducible_and_more_samples_never_hurt(drawn, seed):
    load, slots, devices = drawn
    few, many = (asymmetric(load, slots, devices, samples, seed) for samples in (1, 6))
    assert PlacementProblem(load, slots, devices).violation(many) is None
    assert density(np.array(load), many, devices) <= density(np.array(load), few, devices) + 1e-9
    assert (asymmetric(load, slots, devices, 6, seed) == many).all()


def test_replacement_is_due_every_fifty_steps_and_only_if_the_forecast_is_uneven():
    assert [step for step in range(151) if should_replace(step, 2.0, 1.0)] == [50, 100, 150]
    assert not should_replace(50, 1.05, 1.0)
