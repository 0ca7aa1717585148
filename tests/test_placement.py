"""Placement: engines and bounds against every placement of tiny problems, certificates, metamorphic relations."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import equipoise
from device_oracles import all_placements, keeps_groups, least_placement_peak, placement_peak, placements
from equipoise import Certificate, InvalidFile, InvalidProblem, PlacementProblem, solve
from equipoise.certificates.check.deals import GivenUp, deal_below
from equipoise.certificates.check.placement import ARGUMENTS, is_lower_bound
from equipoise.certificates.kinds.placement import sizes_of
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from equipoise.solvers.placement import cross_check
from equipoise.solvers.placement.bounds import best_bound, replica_bound
from equipoise.solvers.placement.certify import peak_of_counts, slots_of
from equipoise.solvers.placement.descent import descended
from equipoise.solvers.placement.greedy import adams, greedy_counts
from equipoise.solvers.solve import claim


def test_every_engine_is_offered_for_its_form():
    even, free = (PlacementProblem([1, 1], 4, 2, split) for split in ("even", "free"))
    assert set(equipoise.available_solvers(even)) == {"placement-search", "cross-check", "ortools-cpsat", "pulp-cbc"}
    assert set(equipoise.available_solvers(free)) == {"placement-search", "cross-check", "ortools-highs", "pulp-cbc"}


@pytest.mark.parametrize(
    ("engine", "split", "nodes"),
    [
        ("placement-search", "even", False),
        ("placement-search", "even", True),
        ("ortools-cpsat", "even", False),
        ("ortools-cpsat", "even", True),
        ("pulp-cbc", "even", False),
        ("pulp-cbc", "even", True),
        ("ortools-highs", "free", False),
        ("ortools-highs", "free", True),
        ("pulp-cbc", "free", False),
        ("pulp-cbc", "free", True),
    ],
)
@settings(max_examples=10)
@given(data=st.data())
def test_engine_claims_the_optimum_of_brute_force(engine, split, nodes, data):
    problem = data.draw(placements(splits=(split,), nodes=nodes))
    claimed = claim(problem, engine)
    assert claimed.status == "optimal"
    assert abs(float(claimed.objective) - float(least_placement_peak(problem))) <= 1e-5


@settings(max_examples=60)
@given(problem=placements())
def test_solution_is_feasible_evaluated_exactly_and_rightly_bounded(problem):
    solution = solve(problem)
    slots = solution.physical_to_logical.tolist()
    best = least_placement_peak(problem)
    assert problem.violation(solution.physical_to_logical) is None
    assert solution.objective == placement_peak(problem, slots)
    assert solution.lower <= best <= solution.upper == solution.objective
    assert (solution.status == "optimal") == (solution.lower == solution.upper)
    assert (solution.certificate is not None) == (solution.status == "optimal")
    assert solution.proof.verify(problem).valid == (solution.status == "optimal")
    assert solution.proof.verify(problem).lower == solution.lower


@settings(max_examples=60)
@given(data=st.data(), nodes=st.booleans())
def test_small_even_placements_are_proved_and_by_a_search_only_where_no_short_argument_meets(data, nodes):
    problem = data.draw(placements(splits=("even",), nodes=nodes))
    solution = solve(problem)
    searched = solution.certificate.argument == "deal"
    assert (solution.status, solution.evidence) == ("optimal", "searched" if searched else "certified")
    assert solution.objective == least_placement_peak(problem)
    short = best_bound(problem).value
    assert (short < solution.objective) == searched


@settings(max_examples=25)
@given(problem=placements(nodes=True))
def test_hierarchical_solution_keeps_groups_on_nodes(problem):
    solution = solve(problem, "placement-search")
    assert problem.violation(solution.physical_to_logical) is None
    assert keeps_groups(problem, solution.physical_to_logical.reshape(problem.num_devices, -1).tolist())
    assert solution.lower <= least_placement_peak(problem) <= solution.objective


@settings(max_examples=150)
@given(problem=placements(), numerator=st.integers(0, 60), denominator=st.integers(1, 6))
def test_no_argument_proves_more_than_the_optimum(problem, numerator, denominator):
    bound = Fraction(numerator, denominator)
    if bound > least_placement_peak(problem):
        assert not any(
            is_lower_bound(problem.load.tolist(), sizes_of(problem), bound, argument) for argument in ARGUMENTS
        )


@settings(max_examples=25)
@given(load=st.lists(st.integers(0, 12), min_size=4, max_size=4), width=st.integers(1, 2))
def test_components_of_nodes_prove_no_more_than_the_optimum_and_that_with_one_slot_a_device(load, width):
    problem = PlacementProblem(load, 4 * width, 4, "free", num_groups=4, num_nodes=2)
    best = least_placement_peak(problem)
    assert is_lower_bound(load, sizes_of(problem), best, "component") or width == 2
    for part in (Fraction(1, 12), Fraction(1, 2), Fraction(3)):
        assert not is_lower_bound(load, sizes_of(problem), best + part, "component")


@given(load=st.lists(st.integers(0, 20), min_size=6, max_size=6), part=st.fractions(Fraction(1, 9), 3))
def test_components_of_nodes_prove_the_best_pairing_where_a_node_is_a_device_and_has_two_groups(load, part):
    pairings = [
        ((0, one), tuple(left[place] for place in (0, second)), tuple(left[place] for place in rest))
        for one in range(1, 6)
        for left in [[expert for expert in range(1, 6) if expert != one]]
        for second, rest in ((1, (2, 3)), (2, (1, 3)), (3, (1, 2)))
    ]
    assert len(set(pairings)) == 15
    best = min(max(sum(load[expert] for expert in pair) for pair in pairing) for pairing in pairings)
    sizes = sizes_of(PlacementProblem(load, 6, 3, "free", num_groups=6, num_nodes=3))
    assert is_lower_bound(load, sizes, Fraction(best), "component")
    assert not is_lower_bound(load, sizes, best + part, "component")


@settings(max_examples=80)
@given(problem=placements(splits=("even",)), numerator=st.integers(0, 60), denominator=st.integers(1, 6))
def test_dealing_finds_a_placement_below_a_peak_exactly_if_there_is_one(problem, numerator, denominator):
    bound = Fraction(numerator, denominator)
    found = deal_below(problem.load.tolist(), problem.num_slots, problem.num_devices, problem.distinct, bound)
    assert (found is None) == (least_placement_peak(problem) >= bound)
    if found is not None:
        counts = np.array([[device.count(e) for device in found] for e in range(problem.num_experts)])
        assert judge(problem, Claim("feasible", None, counts), "deal").objective < bound


def test_dealing_gives_up_within_its_steps_and_then_proves_nothing():
    loads = list(range(100, 140))
    with pytest.raises(GivenUp):
        deal_below(loads, 64, 8, True, Fraction(sum(loads), 8) + 1, steps=1000)
    problem = PlacementProblem(loads, 64, 8)
    bound = best_bound(problem, Fraction(sum(loads), 8) + 1)
    assert bound.argument == "mean"


@given(loads=st.lists(st.integers(0, 30), min_size=1, max_size=4), spare=st.integers(0, 4), most=st.integers(1, 4))
def test_adams_counts_minimise_the_heaviest_replica(loads, spare, most):
    slots = len(loads) + spare
    counts = adams(loads, slots, most)
    choices = product(range(1, most + 1), repeat=len(loads))
    best = min(max(Fraction(w, r) for w, r in zip(loads, c, strict=True)) for c in choices if sum(c) <= slots)
    assert sum(counts) <= slots
    assert max(Fraction(w, r) for w, r in zip(loads, counts, strict=True)) == best
    problem = PlacementProblem(loads, slots, slots)
    assert replica_bound(problem).value == max(
        Fraction(w, r) for w, r in zip(loads, adams(loads, slots, slots), strict=True)
    )


def folding_peak(replicas):
    """Heaviest with lightest, two slots a device."""
    ordered = sorted(replicas)
    return max(light + heavy for light, heavy in zip(ordered, reversed(ordered), strict=True))


@settings(max_examples=60)
@given(loads=st.lists(st.integers(0, 30), min_size=1, max_size=4), devices=st.integers(1, 3))
def test_folding_is_optimal_for_two_slots_a_device_where_replicas_may_share_one(loads, devices):
    assume(len(loads) <= 2 * devices)
    problem = PlacementProblem(loads, 2 * devices, devices, distinct=False)
    peaks = []
    for counts in product(range(1, 2 * devices + 1), repeat=len(loads)):
        if sum(counts) <= 2 * devices:
            replicas = [Fraction(w, r) for w, r in zip(loads, counts, strict=True) for _ in range(r)]
            peaks.append(folding_peak(replicas + [Fraction(0)] * (2 * devices - len(replicas))))
    assert solve(problem).objective == min(peaks)


def test_folding_is_not_optimal_on_distinct_devices():
    assert folding_peak([29, 29, 54, 25]) == 79
    assert deal_below([29, 29, 54, 25], 4, 2, True, Fraction(80)) == [[2, 3], [0, 1]]
    distinct, shared = (PlacementProblem([58, 54, 25], 4, 2, distinct=flag) for flag in (True, False))
    with_counts = [s for s in all_placements(distinct) if sorted(s) == [0, 0, 1, 2]]
    assert min(placement_peak(distinct, slots) for slots in with_counts) == 83
    assert min(placement_peak(shared, s) for s in all_placements(shared) if sorted(s) == [0, 0, 1, 2]) == 79


@settings(max_examples=40)
@given(problem=placements(splits=("even",)))
def test_free_split_is_never_above_the_even_split(problem):
    free = PlacementProblem(problem.load, problem.num_slots, problem.num_devices, "free", distinct=problem.distinct)
    assert least_placement_peak(free) <= solve(problem).objective


@settings(max_examples=40)
@given(problem=placements(splits=("even",)), data=st.data())
def test_metamorphic_relations_of_the_even_optimum(problem, data):
    optimum = solve(problem).objective

    def variant(load, slots=problem.num_slots):
        return solve(PlacementProblem(load, slots, problem.num_devices, distinct=problem.distinct)).objective

    order = data.draw(st.permutations(range(problem.num_experts)))
    assert variant(problem.load[order]) == optimum
    assert variant(problem.load * 7) == 7 * optimum
    assert variant(problem.load, problem.num_slots + problem.num_devices) <= optimum


@settings(max_examples=80)
@given(problem=placements(max_devices=2), data=st.data())
def test_no_corrupted_placement_certificate_is_accepted(problem, data):
    certificate = solve(problem, "placement-search").proof
    slots = certificate.physical_to_logical.copy()
    place = data.draw(st.integers(0, len(slots) - 1))
    slots[place] = data.draw(st.integers(-1, problem.num_experts - 1))
    split = certificate.split
    if split is not None:
        split = split.copy()
        split[tuple(data.draw(st.integers(0, size - 1)) for size in split.shape)] += data.draw(st.integers(-1, 1))
    bound = certificate.bound + data.draw(st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(-1, 2)]))
    argument = data.draw(st.sampled_from(ARGUMENTS))
    corrupted = replace(certificate, physical_to_logical=slots, split=split, bound=bound, argument=argument)
    verdict = corrupted.verify(problem)
    best = least_placement_peak(problem)
    if verdict:
        assert placement_peak(problem, slots.tolist()) == best == bound
    assert verdict.lower is None or verdict.lower <= best
    assert verdict.upper is None or verdict.upper >= best


@settings(max_examples=15)
@given(problem=placements(max_devices=2))
def test_saved_placement_certificate_verifies_alone(problem, tmp_path_factory):
    path = tmp_path_factory.mktemp("certificate") / "placement.json"
    certificate = solve(problem, "placement-search").proof
    certificate.save(path)
    assert Certificate.load(path).verify() == certificate.verify(problem)
    path.write_text(path.read_text().replace('"num_devices":', '"num_devices":-'))
    with pytest.raises(InvalidFile):
        Certificate.load(path)


def test_infeasible_claims_are_refused_and_named():
    problem = PlacementProblem([3, 3], 4, 2)
    twice = judge(problem, Claim("optimal", Fraction(1), np.array([[2, 0], [0, 1]])), "broken")
    assert (twice.status, twice.objective) == ("unknown", None)
    assert twice.repairs == ("refused: expert 0 is 2 times on device 0",)
    missing = judge(problem, Claim("optimal", Fraction(1), np.array([[1, 1], [0, 0]])), "broken")
    assert missing.repairs == ("refused: expert 1 is placed nowhere",)
    assert judge(problem, Claim("time limit"), "slow").lower == 3


MANY = 100_000
"""Times so many tokens there are too many values to look for a component bound among them."""


def test_agreement_of_two_families_is_evidence_where_no_bound_meets():
    problem = PlacementProblem(np.array([4, 4, 10, 6, 2, 1, 6, 9]) * MANY, 8, 4, "free", num_groups=2, num_nodes=2)
    solution = solve(problem, "cross-check")
    assert (solution.status, solution.evidence, solution.objective) == ("optimal", "cross-checked", 14 * MANY)
    assert solution.lower < solution.upper == 14 * MANY == least_placement_peak(problem)
    assert solution.certificate is None
    assert solution.bound_proof.verify().lower == solution.lower
    assert "ortools-highs: OPTIMAL" in solution.raw_status
    assert "pulp-cbc: OPTIMAL" in solution.raw_status


@pytest.mark.parametrize("second", [Fraction(7), None])
def test_families_that_disagree_are_no_evidence(monkeypatch, second):
    problem = PlacementProblem(np.array([4, 4, 10, 6, 2, 1, 6, 9]) * MANY, 8, 4, "free", num_groups=2, num_nodes=2)
    honest = claim(problem, "ortools-highs")
    other = replace(honest, objective=second) if second else Claim("time limit")
    answers = {"ortools-highs": honest, "pulp-cbc": other}
    monkeypatch.setattr(cross_check, "claim", lambda problem, name, limit: answers[name])
    solution = judge(problem, cross_check.solve(problem, 1.0), "cross-check")
    assert (solution.status, solution.evidence, solution.objective) == ("bounded", "claimed", 14 * MANY)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1, 2, 3], 2, 1), "num_slots is 2; allowed: at least one for each of 3 experts"),
        (([1, 2, 3], 5, 2), "num_slots is 5; allowed: a multiple of the 2 devices"),
        (([1], 2, 0), "num_devices is 0"),
        (([1], 2, True), "num_devices is True"),
        (([], 2, 1), "load is empty"),
        (([-1], 2, 1), "load is too small"),
        (([1, 2], 4, 2, "fair"), "split is 'fair'; allowed: 'even' or 'free'"),
        (([1, 2, 3], 4, 2, "even", 2), "load is 3; allowed: a multiple of the 2 groups"),
        (([1, 2], 4, 2, "even", 1, 2), "num_groups is 1; allowed: a multiple of the 2 nodes"),
        (([1, 2], 6, 3, "even", 2, 2), "num_devices is 3; allowed: a multiple of the 2 nodes"),
    ],
)
def test_impossible_placement_problem_is_refused_in_one_sentence(arguments, words):
    with pytest.raises(InvalidProblem) as caught:
        PlacementProblem(*arguments)
    assert words in str(caught.value)


def test_violations_are_named():
    problem = PlacementProblem([1, 1, 1, 1], 8, 4, num_groups=2, num_nodes=2)
    assert problem.violation([0, 1, 0, 1, 2, 3, 2, -1]) is None
    assert "group 0 is on more than one node" in problem.violation([0, 1, 0, -1, 1, 3, 2, -1])
    assert "placed nowhere" in problem.violation([0, 0, 0, 1, 2, 2, 2, 2])
    assert "2 times on device 0" in problem.violation([0, 0, 1, -1, 2, 3, 2, 3])
    assert "does not exist" in problem.violation([4, 0, 1, -1, 2, 3, 2, 3])
    assert "not integers of shape" in problem.violation([0.5] * 8)
    crowded = PlacementProblem([1, 1], 8, 4, num_groups=2, num_nodes=2)
    assert "node 0 has more than 1 groups" in crowded.violation([0, 1, 0, 1, -1, -1, -1, -1])


@pytest.mark.parametrize("distinct", [False, True])
def test_descent_keeps_a_placement_feasible_and_never_makes_it_worse(distinct):
    for seed, (experts, slots, devices, nodes) in enumerate([(12, 16, 8, 1), (16, 20, 10, 1), (16, 24, 8, 2)]):
        load = np.random.default_rng(seed).zipf(1.5, experts).clip(0, 10_000)
        problem = PlacementProblem(load, slots, devices, "free", 4, nodes, distinct)
        start = greedy_counts(problem)
        floor = best_bound(problem).value
        after = descended(problem, start, floor, 400)
        np.testing.assert_array_equal(after, descended(problem, start, floor, 400))
        assert problem.violation(slots_of(problem, after)) is None
        assert floor <= peak_of_counts(problem, after) <= peak_of_counts(problem, start)


def test_descent_finds_a_certified_optimum_where_too_few_slots_are_left_for_a_chain():
    share = np.arange(1, 17) ** -0.6
    rng = np.random.default_rng(46)
    load = rng.multinomial(65_536, rng.permutation(share / share.sum()))
    problem = PlacementProblem(load, 20, 10, "free")
    start = greedy_counts(problem)
    solution = solve(problem, "placement-search")
    assert solution.objective < peak_of_counts(problem, start)
    assert (solution.status, solution.evidence) == ("optimal", "certified")
