"""Replication: the optimum of every engine is that of brute force, bounds are bounds, and forged claims are refused."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import InvalidProblem, ReplicationProblem, available_solvers, replication_frontier, solve
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.check.partition import parts
from equipoise.certificates.check.replication import Weights, is_lower_bound
from equipoise.certificates.kinds.replication import stated
from equipoise.solvers.solve import claim


def lowest_peak(problem):
    """Try all copies, and of each all device sets: a set serves the experts that have no host outside it."""
    places = [tuple(place) for place in np.argwhere(problem.domain).tolist()]
    best = None
    for count in range(min(len(places), problem.most_copies) + 1):
        for chosen in combinations(places, count):
            copies = np.zeros(problem.domain.shape, bool)
            for place in chosen:
                copies[place] = True
            if (copies.sum(axis=0) > problem.slots).any() or (copies.sum(axis=1) > problem.copies_per_expert).any():
                continue
            spare = problem.load - problem.floor * copies.sum(axis=1)
            if (spare < 0).any():
                continue
            hosts = copies.copy()
            hosts[np.arange(problem.num_experts), problem.home] = True
            fixed = problem.floor * copies.sum(axis=0)
            peak = 0
            for inside in product([False, True], repeat=problem.num_devices):
                members = np.array(inside)
                if members.any():
                    tied = ~(hosts & ~members).any(axis=1)
                    peak = max(peak, -(-int(spare[tied].sum() + fixed[members].sum()) // int(members.sum())))
            best = peak if best is None else min(best, peak)
    return best


@st.composite
def tiny(draw):
    devices, experts = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    load = draw(st.lists(st.integers(0, 9), min_size=experts, max_size=experts))
    home = draw(st.lists(st.integers(0, devices - 1), min_size=experts, max_size=experts))
    slots = draw(st.lists(st.integers(0, 2), min_size=devices, max_size=devices))
    limits = {
        "floor": draw(st.integers(0, 3)),
        "copies_per_expert": draw(st.none() | st.integers(0, 2)),
        "most_copies": draw(st.none() | st.integers(0, 4)),
        "domain": draw(st.none() | st.lists(st.lists(st.booleans(), min_size=devices, max_size=devices),
                                            min_size=experts, max_size=experts)),
    }  # fmt: skip
    return ReplicationProblem(load, home, devices, slots, **limits)


@given(tiny())
@settings(max_examples=60)
def test_optimum_is_that_of_brute_force_and_certified_or_cross_checked(problem):
    solution = solve(problem)
    assert solution.objective == lowest_peak(problem)
    assert solution.status == "optimal"
    assert problem.violation(solution.copies, solution.split) is None
    assert solution.split.sum(axis=0).max() == solution.objective == solution.peak


@given(tiny())
@settings(max_examples=25)
def test_engines_of_every_family_claim_the_optimum_of_brute_force(problem):
    best = lowest_peak(problem)
    for name in ("ortools-cpsat", "ortools-highs", "pulp-cbc"):
        assert claim(problem, name).objective == best, name
    assert solve(problem, "copy-search").objective >= best


@given(tiny(), st.data())
@settings(max_examples=60)
def test_no_weights_and_no_partition_prove_more_than_the_optimum(problem, data):
    best = lowest_peak(problem)
    number = st.integers(0, 6)
    lists = [
        data.draw(st.lists(number, min_size=n, max_size=n)) for n in (*[problem.num_devices] * 2, problem.num_experts)
    ]
    weights = Weights(*lists, data.draw(number))
    for bound in range(best + 1, best + 12):
        assert not is_lower_bound(stated(problem), bound, "dual", weights)
        assert not is_lower_bound(stated(problem), bound, "partition", weights)


def most_parts(surplus):
    """Try every assignment of devices to parts."""
    count = len(surplus)
    best = -1
    for labels in product(range(count), repeat=count):
        sums = {label: sum(s for s, own in zip(surplus, labels, strict=True) if own == label) for label in labels}
        if all(total <= 0 for total in sums.values()):
            best = max(best, len(sums))
    return best


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 9))
def test_parts_are_as_many_as_any_partition_has(home_load, limit):
    assert parts(home_load, limit) == most_parts([load - limit for load in home_load])


@given(tiny(), st.integers(0, 2), st.integers(1, 4), st.randoms())
@settings(max_examples=30)
def test_more_room_never_raises_the_optimum_and_names_and_scale_do_not_matter(problem, more, factor, random):
    best = solve(problem).objective
    limits = {"floor": problem.floor, "copies_per_expert": problem.copies_per_expert, "domain": problem.domain}
    roomier = ReplicationProblem(problem.load, problem.home, problem.num_devices, problem.slots + more, **limits)
    assert solve(roomier).objective <= best
    order = random.sample(range(problem.num_experts), problem.num_experts)
    renamed = ReplicationProblem(
        problem.load[order],
        problem.home[order],
        problem.num_devices,
        problem.slots,
        **{**limits, "domain": problem.domain[order], "most_copies": problem.most_copies},
    )
    assert solve(renamed).objective == best
    if not problem.floor:
        scaled = ReplicationProblem(
            problem.load * factor,
            problem.home,
            problem.num_devices,
            problem.slots,
            **{**limits, "most_copies": problem.most_copies},
        )
        assert factor * (best - 1) < solve(scaled).objective <= factor * best


@given(tiny(), st.data())
@settings(max_examples=60)
def test_forged_certificate_proves_nothing_false(problem, data):
    best, proof = lowest_peak(problem), solve(problem).proof
    field = data.draw(st.sampled_from(["bound", "split", "copies", "argument", "device_weights", "total_weight"]))
    value = getattr(proof, field)
    if isinstance(value, np.ndarray):
        forged = value.copy()
        index = data.draw(st.integers(0, forged.size - 1))
        forged.flat[index] = not forged.flat[index] if forged.dtype == bool else forged.flat[index] + data.draw(
            st.integers(-9, 9)
        )  # fmt: skip
    elif field == "argument":
        forged = data.draw(st.sampled_from(["dual", "partition", "mean"]))
    else:
        forged = value + data.draw(st.integers(-9, 9))
    verdict = replace(proof, **{field: forged}).verify()
    assert verdict.lower is None or verdict.lower <= best
    assert verdict.upper is None or verdict.upper >= best
    assert not verdict or verdict.lower == verdict.upper == best


def test_certificate_is_read_back_and_accepted(tmp_path):
    solution = solve(ReplicationProblem([40, 10, 10, 0], [0, 0, 1, 1], 2, 1))
    assert solution.evidence == "certified"
    solution.certificate.save(tmp_path / "proof.json")
    verdict = Certificate.load(tmp_path / "proof.json").verify()
    assert verdict
    assert verdict.lower == 30


def test_partition_proves_what_no_relaxation_sees():
    """Three devices with 2 tokens too many and three with 2 too few need three copies: with two, peak 10 is lost."""
    problem = ReplicationProblem([12, 12, 12, 8, 8, 8], range(6), 6, 2, most_copies=2)
    solution = solve(problem)
    assert (solution.objective, solution.certificate.argument) == (12, "partition")


def test_frontier_never_rises_and_ends_at_the_mean():
    problem = ReplicationProblem([60, 20, 10, 10], [0, 1, 2, 3], 4, 2)
    found = replication_frontier(problem)
    peaks = [int(solution.objective) for solution in found.values()]
    assert peaks == sorted(peaks, reverse=True)
    assert (peaks[0], peaks[-1]) == (60, 25)
    with pytest.raises(InvalidProblem, match="0 to 8"):
        replication_frontier(problem, [9])


def test_every_engine_is_listed_and_the_search_is_bounded_at_production_size():
    rng = np.random.default_rng(0)
    load = rng.multinomial(16384, rng.dirichlet(np.full(128, 0.3)))
    problem = ReplicationProblem(load, np.repeat(np.arange(16), 8), 16, 2)
    assert available_solvers(problem)[:2] == ["cross-check", "copy-search"]
    solution = solve(problem)
    assert solution.solver == "copy-search"
    assert solution.lower <= solution.objective <= 1.05 * float(solution.lower)
    assert (solution.certificate or solution.bound_proof).verify().lower == solution.lower


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([], [], 1, 1), {}, "load"),
        (([1], [2], 2, 1), {}, "home"),
        (([1], [0], 0, 1), {}, "num_devices"),
        (([1], [0], 2, [1]), {}, "slots"),
        (([1], [0], 2, 1), {"floor": -1}, "floor"),
        (([1], [0], 2, 1), {"domain": [[0.5, 1]]}, "domain"),
        (([1], [0], 2, 1), {"most_copies": True}, "most_copies"),
    ],
)
def test_bad_problem_is_refused_by_the_name_of_its_argument(arguments, options, words):
    with pytest.raises(InvalidProblem, match=words):
        ReplicationProblem(*arguments, **options)
