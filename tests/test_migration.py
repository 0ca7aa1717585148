"""Migration: optima are those of brute force, bounds are bounds, relabelling and rounds are the fewest."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import (
    InvalidProblem,
    MigrationProblem,
    PlacementProblem,
    available_solvers,
    fewest_moves,
    migration_frontier,
    relabel,
    solve,
    transfers,
)
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.check.migration import is_lower_bound
from equipoise.certificates.check.moves import Weights
from equipoise.certificates.kinds.migration import stated
from equipoise.solvers.migration.bounds import counting
from equipoise.solvers.migration.tables import experts_moved
from equipoise.solvers.solve import claim


def peak(problem, slots):
    """Even: shares added up. Free: every set of devices serves the experts that have no replica outside it."""
    load, devices = problem.load.tolist(), problem.num_devices
    parts = np.array(slots).reshape(devices, -1).tolist()
    if problem.split == "even":
        return max(sum(Fraction(load[e], list(slots).count(e)) for e in part if e >= 0) for part in parts)
    best = Fraction(0)
    for inside in product([False, True], repeat=devices):
        if any(inside):
            outside = {e for part, own in zip(parts, inside, strict=True) if not own for e in part}
            best = max(best, Fraction(sum(w for e, w in enumerate(load) if e not in outside), sum(inside)))
    return best


def lowest_peak(problem):
    """Try every content of every device."""
    placement = problem.placement
    width = placement.slots_per_device
    contents = list(combinations_with_replacement(range(-1, placement.num_experts), width))
    held = [set(part) for part in problem.current.reshape(-1, width).tolist()]
    best = None
    for chosen in product(contents, repeat=placement.num_devices):
        moves = sum(len(set(new) - old - {-1}) for new, old in zip(chosen, held, strict=True))
        slots = np.array(chosen).ravel()
        if moves <= problem.most_moves and placement.violation(slots) is None:
            found = peak(placement, slots.tolist())
            best = found if best is None else min(best, found)
    return best


@st.composite
def tiny(draw):
    devices, width = draw(st.sampled_from([(1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)]))
    experts = draw(st.integers(1, min(4, devices * width)))
    load = draw(st.lists(st.integers(0, 9), min_size=experts, max_size=experts))
    placement = PlacementProblem(
        load, devices * width, devices, draw(st.sampled_from(["even", "free"])), distinct=draw(st.booleans())
    )
    filling = draw(st.permutations([*range(experts), *[-1] * (devices * width - experts)]))
    spare = [place for place, expert in enumerate(filling) if expert < 0]
    slots = np.array(filling)
    for place in spare:
        tried = slots.copy()
        tried[place] = draw(st.integers(-1, experts - 1))
        slots = tried if placement.violation(tried) is None else slots
    return MigrationProblem(placement, slots, draw(st.integers(0, 3)))


@given(tiny())
@settings(max_examples=40)
def test_optimum_is_that_of_brute_force_and_proved_or_cross_checked(problem):
    solution, best = solve(problem), lowest_peak(problem)
    assert (solution.objective, solution.status) == (best, "optimal")
    assert problem.violation(solution.physical_to_logical) is None
    assert peak(problem.placement, solution.physical_to_logical.tolist()) == best
    searched = solve(problem, "move-search")
    assert searched.lower <= best <= searched.objective


@given(tiny())
@settings(max_examples=12)
def test_engines_of_two_families_claim_the_optimum_of_brute_force(problem):
    best = float(lowest_peak(problem))
    first = "ortools-cpsat" if problem.split == "even" else "ortools-highs"
    for name in (first, "pulp-cbc"):
        assert float(claim(problem, name).objective) == pytest.approx(best, abs=1e-5), name


@given(tiny(), st.data())
@settings(max_examples=60)
def test_no_weights_prove_more_than_the_optimum(problem, data):
    best, number = lowest_peak(problem), st.integers(0, 6)
    rows = [data.draw(st.lists(number, min_size=n, max_size=n)) for n in [problem.placement.num_devices] * 2]
    weights = Weights(*rows, data.draw(number))
    for part in (Fraction(1, 7), Fraction(1), Fraction(5, 2)):
        for argument in ("weights", "count"):
            assert not is_lower_bound(stated(problem), best + part, argument, weights)


@given(tiny())
@settings(max_examples=60)
def test_counting_is_the_largest_bound_that_its_check_takes(problem):
    found, nothing = counting(problem), Weights([], [], 0)
    assert is_lower_bound(stated(problem), found, "count", nothing)
    assert not is_lower_bound(stated(problem), found + Fraction(1, 9), "count", nothing)


@given(tiny(), st.integers(2, 4), st.randoms())
@settings(max_examples=20)
def test_more_moves_never_raise_the_optimum_and_names_and_scale_do_not_matter(problem, factor, random):
    best, placement = solve(problem).objective, problem.placement
    assert solve(problem.with_moves(problem.most_moves + 1)).objective <= best
    form = {"split": placement.split, "distinct": placement.distinct}
    sizes = (placement.num_slots, placement.num_devices)
    scaled = PlacementProblem(placement.load * factor, *sizes, **form)
    assert solve(MigrationProblem(scaled, problem.current, problem.most_moves)).objective == factor * best
    order = random.sample(range(placement.num_devices), placement.num_devices)
    names = np.array(random.sample(range(placement.num_experts), placement.num_experts))
    load = np.empty_like(placement.load)
    load[names] = placement.load
    slots = problem.current.reshape(placement.num_devices, -1)[order].ravel()
    renamed = np.where(slots < 0, -1, names[slots])
    assert (
        solve(MigrationProblem(PlacementProblem(load, *sizes, **form), renamed, problem.most_moves)).objective == best
    )


@given(tiny(), st.data())
@settings(max_examples=60)
def test_forged_certificate_proves_nothing_false(problem, data):
    best, proof = lowest_peak(problem), solve(problem).proof
    fields = ["bound", "argument", "physical_to_logical", "device_weights", "slot_weights", "move_weight"]
    field = data.draw(st.sampled_from(fields + ["split"] * (proof.split is not None)))
    value = getattr(proof, field)
    if isinstance(value, np.ndarray):
        forged = value.copy()
        forged.flat[data.draw(st.integers(0, forged.size - 1))] += data.draw(st.integers(-9, 9))
    elif field == "argument":
        forged = data.draw(st.sampled_from(["count", "weights", "mean", "replica", "component", "deal", "other"]))
    elif field == "bound":
        forged = abs(value + data.draw(st.fractions(-9, 9, max_denominator=4)))
    else:
        forged = value + data.draw(st.integers(-9, 9))
    verdict = replace(proof, **{field: forged}).verify()
    assert verdict.lower is None or verdict.lower <= best
    assert verdict.upper is None or verdict.upper >= best
    assert not verdict or verdict.lower == verdict.upper == best


def test_counts_and_weights_prove_what_holds_for_few_moves_only_and_are_read_back(tmp_path):
    placement = PlacementProblem([6, 6, 2, 2], 4, 2)
    kept = MigrationProblem(placement, [0, 1, 2, 3], 0)
    solution = solve(kept)
    assert (solution.objective, solution.evidence, solution.certificate.argument) == (12, "certified", "count")
    solution.certificate.save(tmp_path / "proof.json")
    loaded = Certificate.load(tmp_path / "proof.json")
    assert loaded.verify()
    assert loaded.verify(kept)
    assert "hashes differ" in loaded.verify(kept.with_moves(1)).reason
    assert solve(kept.with_moves(2)).objective == 8
    spread = MigrationProblem(PlacementProblem([20, 3, 3, 2], 6, 3, "free"), [0, 1, 2, 3, -1, -1], 1)
    solution = solve(spread)
    assert (solution.objective, solution.evidence, solution.certificate.argument) == (11.5, "certified", "weights")


def test_frontier_never_rises_and_the_fewest_moves_are_proved():
    problem = MigrationProblem(PlacementProblem([6, 6, 2, 2, 1, 1], 6, 2), [0, 1, 2, 3, 4, 5], None)
    found = migration_frontier(problem, range(4))
    assert [int(one.objective) for one in found.values()] == [14, 14, 9, 9]
    least, solution = fewest_moves(problem, 9)
    assert (least, problem.moves(problem.placement.counts(solution.physical_to_logical))) == (2, 2)
    assert fewest_moves(problem.with_moves(1), 9)[1] is None
    with pytest.raises(InvalidProblem, match="0 to 6"):
        migration_frontier(problem, [7])


def placements(devices, width):
    slots = st.lists(st.integers(-1, 4), min_size=devices * width, max_size=devices * width)
    return st.tuples(slots, slots)


@given(st.data())
@settings(max_examples=40)
def test_relabelling_moves_as_few_as_any_numbering_of_devices_and_nodes(data):
    nodes, size, width = data.draw(st.sampled_from([(1, 3, 2), (2, 2, 2), (2, 1, 3), (1, 4, 1)]))
    old, new = map(np.array, data.draw(placements(nodes * size, width)))
    found = relabel(new, old, nodes * size, nodes)
    parts = new.reshape(nodes, size, width)
    numberings = product(permutations(range(nodes)), product(permutations(range(size)), repeat=nodes))
    every = []
    for order, orders in numberings:
        renamed = np.array([parts[node][list(own)] for node, own in zip(order, orders, strict=True)])
        every.append(experts_moved(old, renamed.ravel(), nodes * size))
    assert found.fewest
    assert found.moved == min(every) == experts_moved(old, found.physical_to_logical, nodes * size)
    assert found.before == experts_moved(old, new, nodes * size)
    contents = sorted(sorted(part) for part in new.reshape(-1, width).tolist())
    assert sorted(sorted(part) for part in found.physical_to_logical.reshape(-1, width).tolist()) == contents


@given(placements(3, 2))
@settings(max_examples=60)
def test_rounds_are_matchings_that_bring_every_expert_from_where_it_was_and_no_fewer_do(drawn):
    old, new = map(np.array, drawn)
    held, wanted = (slots.reshape(3, -1).tolist() for slots in (old, new))
    if not set(new.tolist()) - {-1} <= set(old.tolist()):
        with pytest.raises(InvalidProblem, match="source for every expert"):
            transfers(old, new, 3)
        return
    found = transfers(old, new, 3)
    moves = [move for one in found.rounds for move in one]
    needed = sorted((g, e) for g in range(3) for e in set(wanted[g]) - set(held[g]) - {-1})
    assert sorted((receiver, expert) for _, receiver, expert in moves) == needed
    assert all(expert in held[source] for source, _, expert in moves)
    for one in found.rounds:
        assert one
        assert len({source for source, _, _ in one}) == len({receiver for _, receiver, _ in one}) == len(one)
    choices = product(*([g for g in range(3) if e in held[g]] for _, e in needed))
    received = max([sum(g == one for g, _ in needed) for one in range(3)])
    least = min(max([received, *(chosen.count(g) for g in range(3))]) for chosen in choices)
    assert len(found.rounds) == least
    assert found.solution is None or found.solution.evidence == "certified"


@pytest.mark.parametrize("split", ["even", "free"])
def test_production_sizes_are_searched_and_bounded(split):
    rng = np.random.default_rng(0)
    load = rng.multinomial(16384, rng.dirichlet(np.full(32, 0.5)))
    current = np.arange(40) % 32
    problem = MigrationProblem(PlacementProblem(load, 40, 8, split, distinct=False), current)
    assert available_solvers(problem)[:2] == ["cross-check", "move-search"]
    peaks = []
    for most in (0, 4, 16):
        solution = solve(problem.with_moves(most), "move-search")
        assert problem.with_moves(most).violation(solution.physical_to_logical) is None
        assert solution.proof.verify().lower == solution.lower <= solution.objective
        peaks.append(solution.objective)
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[-1] <= Fraction(21, 20) * solution.lower


@pytest.mark.parametrize(
    ("current", "moves", "words"),
    [([0, 0, 1], 1, "current"), ([0, 0, 0, 1], 1, "nowhere"), ([0, 1, 2, 5], 1, "current"),
     ([0, 1, 2, -1], -1, "most_moves"), ([0, 1, 2, -1], True, "most_moves")],
)  # fmt: skip
def test_bad_problem_is_refused_by_the_name_of_its_argument(current, moves, words):
    with pytest.raises(InvalidProblem, match=words):
        MigrationProblem(PlacementProblem([3, 2, 1], 4, 2), current, moves)
    with pytest.raises(InvalidProblem, match="placement"):
        MigrationProblem([3, 2, 1], current, moves)
