"""Even placements at scale: filling devices against every way to fill them, drawn counts, and what is reached."""

from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_oracles import keeps_groups, least_placement_peak, placement_peak, placements
from equipoise import PlacementProblem, solve
from equipoise.certificates.check.deals import GivenUp, deal_below
from equipoise.solvers.placement import bounds, search
from equipoise.solvers.placement.bounds import best_bound, too_many_counts
from equipoise.solvers.placement.certify import slots_of
from equipoise.solvers.placement.draws import Draws
from equipoise.solvers.placement.fill import filled
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.placement.levelled import levelled

PLENTY = 1_000_000


def ways_to_fill(weight, replicas, limit, width, distinct):
    """Whether there is any: devices one by one, every content of each."""
    if not limit:
        return not any(replicas)
    for size in range(width[0] + 1):
        for content in combinations_with_replacement(range(len(weight)), size):
            left = [number - content.count(item) for item, number in enumerate(replicas)]
            fits = sum(weight[item] for item in content) <= limit[0] and min(left, default=0) >= 0
            fits = fits and not (distinct and len(set(content)) < size)
            if fits and ways_to_fill(weight, left, limit[1:], width[1:], distinct):
                return True
    return False


@st.composite
def fillings(draw):
    items, devices = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    weight = draw(st.lists(st.integers(0, 12), min_size=items, max_size=items))
    replicas = draw(st.lists(st.integers(0, 3), min_size=items, max_size=items))
    limits = st.integers(0, 25)
    widths = st.integers(0, 4)
    if draw(st.booleans()):
        limits, widths = st.just(draw(limits)), st.just(draw(widths))
    limit = draw(st.lists(limits, min_size=devices, max_size=devices))
    width = draw(st.lists(widths, min_size=devices, max_size=devices))
    return weight, replicas, limit, width, draw(st.sampled_from([1, 2, 3, 6])), draw(st.booleans())


@settings(max_examples=400)
@given(case=fillings())
def test_devices_are_filled_exactly_if_there_is_a_way(case):
    weight, replicas, limit, width, unit, distinct = case
    arrays = [np.array(numbers, np.int64) for numbers in (weight, replicas, limit, width)]
    counts, steps = filled(*arrays, unit, distinct, PLENTY)
    assert (counts is not None) == ways_to_fill(weight, replicas, limit, width, distinct)
    assert 0 <= steps <= PLENTY
    if counts is not None:
        assert counts.sum(axis=1).tolist() == replicas
        assert (arrays[0] @ counts <= arrays[2]).all()
        assert (counts.sum(axis=0) <= arrays[3]).all()
        assert not distinct or counts.max(initial=0) <= 1


@given(case=fillings(), steps=st.integers(0, 6))
def test_filling_gives_up_after_its_steps(case, steps):
    *numbers, unit, distinct = case
    arrays = [np.array(each, np.int64) for each in numbers]
    counts, taken = filled(*arrays, unit, distinct, steps)
    found, enough = filled(*arrays, unit, distinct, PLENTY)
    assert taken == min(steps, enough)
    assert (counts is not None) == (found is not None and enough <= steps)


@settings(max_examples=200)
@given(problem=placements(splits=("even",), max_load=40), seed=st.integers(0, 99), over=st.fractions(0, 3))
def test_drawn_counts_allow_the_peak_and_pairs_divide_together(problem, seed, over):
    aim = best_bound(problem).value + over + Fraction(1, 7)
    draws = Draws(problem, aim, np.random.default_rng(seed))
    if draws.spare < 0:
        assert least_placement_peak(problem) > aim
        return
    whole, pairs = draws.whole()
    for counts in (draws.spread(first=True), draws.spread(first=False), whole):
        assert counts.sum() <= problem.num_slots
        assert counts.min() >= 1
        assert counts.max() <= problem.most_replicas
        assert all(Fraction(w, r) <= aim for w, r in zip(problem.load.tolist(), counts.tolist(), strict=True))
    for one, other in pairs:
        assert whole[one] == whole[other]
        assert (problem.load[one] + problem.load[other]) % whole[one] == 0


@settings(max_examples=60)
@given(problem=placements(splits=("even",)), nodes=st.booleans(), data=st.data())
def test_levelling_keeps_what_is_feasible_and_never_passes_the_optimum(problem, nodes, data):
    problem = data.draw(placements(splits=("even",), nodes=True)) if nodes else problem
    start, floor = greedy_counts(problem), best_bound(problem).value
    counts = levelled(problem, start, floor)
    slots = slots_of(problem, counts)
    assert problem.violation(slots) is None
    assert keeps_groups(problem, slots.reshape(problem.num_devices, -1).tolist()) or problem.num_nodes == 1
    peak = placement_peak(problem, slots.tolist())
    assert least_placement_peak(problem) <= peak <= problem.even_peak(slots_of(problem, start))
    assert (levelled(problem, start, floor) == counts).all()


@settings(max_examples=40)
@given(problem=placements(splits=("even",), max_load=60))
def test_levelling_alone_finds_most_optima_of_small_problems(problem):
    peak = problem.even_peak(slots_of(problem, levelled(problem, greedy_counts(problem), best_bound(problem).value)))
    assert peak == least_placement_peak(problem)


def zipf(experts, slots, devices, exponent, seed=0):
    random = np.random.default_rng([experts, slots, devices, int(10 * exponent), seed])
    share = random.permutation(np.arange(1, experts + 1) ** -exponent)
    return PlacementProblem(random.multinomial(65_536, share / share.sum()), slots, devices)


@pytest.mark.parametrize("exponent", [0.3, 1.0, 1.8])
@pytest.mark.parametrize("sizes", [(32, 40, 8), (64, 72, 8), (160, 192, 16)])
def test_mid_size_even_placements_are_within_a_two_thousandth_of_the_bound(sizes, exponent):
    solution = solve(zipf(*sizes, exponent))
    assert solution.solver == "placement-search"
    assert solution.objective <= solution.lower * Fraction(2001, 2000)
    assert solution.proof.verify(solution.problem).lower == solution.lower


def test_mean_is_reached_and_certified_where_devices_have_nine_slots():
    solution = solve(zipf(64, 72, 8, 1.0))
    assert (solution.status, solution.evidence, solution.objective) == ("optimal", "certified", 8192)
    assert solution.certificate.argument == "mean"


@pytest.mark.parametrize("seed", range(3))
def test_levelling_is_not_above_what_cpsat_proves_optimal(seed):
    load = np.random.default_rng(seed).integers(1, 60, 9)
    problem = PlacementProblem(load, 12, 3)
    exact = solve(problem, "ortools-cpsat")
    assert exact.raw_status.startswith("OPTIMAL")
    counts = levelled(problem, greedy_counts(problem), best_bound(problem).value)
    assert problem.even_peak(slots_of(problem, counts)) == exact.objective


def test_search_ends_at_its_deadline_with_the_best_so_far():
    problem = zipf(160, 192, 16, 1.4)
    start = greedy_counts(problem)
    levelled(problem, start, best_bound(problem).value, time.monotonic() + 0.1)  # compiles
    began = time.monotonic()
    counts = levelled(problem, start, best_bound(problem).value, began + 0.3)
    assert time.monotonic() - began < 2
    assert problem.even_peak(slots_of(problem, counts)) <= problem.even_peak(slots_of(problem, start))
    assert problem.violation(solve(problem, time_limit=2).physical_to_logical) is None


def test_replicas_that_cannot_be_counted_exactly_are_rounded_up(monkeypatch):
    problem = zipf(64, 72, 8, 1.0)
    monkeypatch.setattr("equipoise.solvers.placement.levelled.LARGEST", 2**20)
    counts = levelled(problem, greedy_counts(problem), best_bound(problem).value)
    assert 8192 <= problem.even_peak(slots_of(problem, counts)) <= 8194


@settings(max_examples=80)
@given(problem=placements(splits=("even",)), steps=st.integers(0, 12), part=st.fractions(Fraction(1, 9), 5))
def test_too_many_counts_are_told_only_where_a_deal_must_give_up(monkeypatch_module, problem, steps, part):
    upper = best_bound(problem).value + part
    monkeypatch_module.setattr(bounds, "STEPS", steps)
    if too_many_counts(problem, upper):
        sizes = problem.num_slots, problem.num_devices, problem.distinct
        with suppress(GivenUp):
            assert deal_below(problem.load.tolist(), *sizes, upper, steps=steps) is not None


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_deal_is_left_out_where_it_must_give_up():
    problem = zipf(32, 40, 8, 0.6)
    assert too_many_counts(problem, Fraction(8193))
    counts = greedy_counts(problem)
    assert search.dealt(problem, counts)[1] is False
