"""Edges of the checks of placements, copies and moves that forgeries do not reach, with the bounds by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.certificates.check import migration, moves, placement
from equipoise.certificates.check.components import no_partition_below
from equipoise.certificates.check.deals import GivenUp, deal_below
from equipoise.certificates.check.groups import no_grouping_below
from equipoise.certificates.check.migration import check_migration
from equipoise.certificates.check.moves import Migration
from equipoise.certificates.check.partition import parts
from equipoise.certificates.check.placement import Sizes, check_placement
from equipoise.certificates.check.replication import Replication, Weights, check_replication, is_lower_bound
from second_checkers import least_paid

COPIED = Replication([6, 2], [0, 1], [0, 1], [[True, True]] * 2, 1, 1, 1)
ANSWER = {
    "copies": [[False, True], [False, False]],
    "split": [[4, 2], [0, 2]],
    "bound": 4,
    "argument": "dual",
    "weights": Weights([1, 1], [0, 0], [0, 0], 0),
}


@pytest.mark.parametrize(
    ("limits", "change", "expected"),
    [
        ({}, {}, (True, 4, 4)),
        ({}, {"bound": 3}, (False, 3, 4)),
        ({}, {"bound": 0}, (False, 0, 4)),
        ({}, {"bound": 5}, (False, None, 4)),
        ({}, {"bound": -1}, (False, None, 4)),
        ({}, {"argument": "mean"}, (False, None, 4)),
        ({}, {"bound": 5, "split": [[4, 1], [0, 2]]}, (False, None, None)),
        ({}, {"split": [[4, 1], [0, 2]]}, (False, 4, None)),
        ({}, {"split": [[7, -1], [0, 2]]}, (False, 4, None)),
        ({}, {"split": [[4, 2], [1, 1]]}, (False, 4, None)),
        ({}, {"split": [[6, 0], [0, 2]]}, (False, 4, None)),
        ({}, {"split": [[4, 2]]}, (False, 4, None)),
        ({}, {"split": [[4, 2], [2]]}, (False, 4, None)),
        ({}, {"copies": [[False, True]]}, (False, 4, None)),
        ({}, {"copies": [[False, True], [False]]}, (False, 4, None)),
        ({}, {"copies": [[True, False], [False, False]], "split": [[6, 0], [0, 2]]}, (False, 4, None)),
        ({"floor": 2}, {}, (True, 4, 4)),
        ({"floor": 3}, {}, (False, 4, None)),
        ({"copies_per_expert": 0}, {}, (False, 4, None)),
        ({"most_copies": 0}, {}, (False, 4, None)),
        ({"slots": [1, 0]}, {}, (False, 4, None)),
        ({"domain": [[True, False], [True, True]]}, {}, (False, 4, None)),
    ],
)
def test_an_answer_of_copies_keeps_every_limit(limits, change, expected):
    found = check_replication(replace(COPIED, **limits), **ANSWER | change)
    assert (found.valid, found.lower, found.upper) == expected


HEAVY = Replication([9], [0], [0, 3, 3], [[True] * 3], 0, 3, 3)


@pytest.mark.parametrize(
    ("limits", "weights", "proved"),
    [
        ({"most_copies": 1}, Weights([1, 0, 0], [0, 0, 0], [0], 4), 5),
        ({"copies_per_expert": 1}, Weights([1, 0, 0], [0, 0, 0], [4], 0), 5),
        ({"slots": [9, 1, 0]}, Weights([1, 0, 0], [0, 4, 4], [0], 0), 5),
        ({"domain": [[True, False, False]]}, Weights([1, 0, 0], [0, 0, 0], [0], 0), 9),
        ({"domain": [[False, True, False]]}, Weights([1, 1, 0], [0, 0, 0], [0], 0), 5),
        ({}, Weights([1, 1, 1], [0, 0, 0], [0], 0), 3),
        ({}, Weights([2, 2, 2], [0, 0, 0], [0], 0), 3),
        ({}, Weights([1, 1], [0, 0, 0], [0], 0), 0),
        ({}, Weights([1, 1, 1], [0, 0], [0], 0), 0),
        ({}, Weights([1, 1, 1], [0, 0, 0], [], 0), 0),
        ({}, Weights([1, 1, -1], [0, 0, 0], [0], 0), 0),
        ({}, Weights([1, 1, 1], [-9, 0, 0], [0], 0), 0),
        ({}, Weights([1, 1, 1], [0, 0, 0], [-1], 0), 0),
        ({}, Weights([1, 1, 1], [0, 0, 0], [0], -1), 0),
    ],
)
def test_weights_prove_the_best_peak_and_none_above(limits, weights, proved):
    problem = replace(HEAVY, **limits)
    assert max(bound for bound in range(20) if is_lower_bound(problem, bound, "dual", weights)) == proved


@pytest.mark.parametrize(
    ("limits", "proved"),
    [({"most_copies": 1}, 6), ({"slots": [1, 0, 0]}, 6), ({"most_copies": 2, "slots": [0, 0, 2]}, 4)],
)
def test_a_partition_counts_the_copies_that_devices_have_to_share(limits, proved):
    problem = replace(Replication([6, 6], [0, 1], [1, 1, 1], [[True] * 3] * 2, 0, 3, 3), **limits)
    nothing = Weights([], [], [], 0)
    assert max(bound for bound in range(20) if is_lower_bound(problem, bound, "partition", nothing)) == proved


@pytest.mark.parametrize(
    ("home_load", "limit", "expected"),
    [
        ([6, 3, 3] + [4] * 13, 4, 14),
        ([6, 3, 3] + [4] * 14, 4, 16),
        ([5] * 17, 4, -1),
        ([5] + [4] * 16, 4, -1),
        ([4] * 17, 4, 17),
        ([5, 5], 4, -1),
    ],
    ids=[
        "16 devices exactly",
        "17 devices from above",
        "17 too heavy",
        "17 with one token too many",
        "17 light",
        "two too heavy",
    ],
)
def test_parts_are_counted_exactly_up_to_16_devices_and_bounded_beyond(home_load, limit, expected):
    assert parts(home_load, limit) == expected


EVEN = Sizes(4, 2, "even", 1, 1, False)
FREE = replace(EVEN, split="free")
NODES = replace(EVEN, num_groups=2, num_nodes=2)


@pytest.mark.parametrize(
    ("sizes", "slots", "split", "denominator", "bound", "expected"),
    [
        (EVEN, [0, 1, 0, 1], None, 1, 4, (True, 4, 4)),
        (EVEN, [0, 1, 0, -1], None, 1, 4, (False, 4, 5)),
        (EVEN, [0, 1, 0, 1], None, 1, 3, (False, 3, 4)),
        (EVEN, [0, 1, 0, 1], None, 1, 5, (False, None, 4)),
        (EVEN, [0, 1, 0, 1], None, 1, 0, (False, 0, 4)),
        (EVEN, [0, 1, 0, 1], None, 1, -1, (False, None, 4)),
        (EVEN, [0, 1, 0], None, 1, 4, (False, 4, None)),
        (EVEN, [0, 1, 0], None, 1, 5, (False, None, None)),
        (EVEN, [0, 1, 0, 2], None, 1, 4, (False, 4, None)),
        (EVEN, [0, 1, 0, -2], None, 1, 4, (False, 4, None)),
        (EVEN, [0, 0, 0, -1], None, 1, 4, (False, 4, None)),
        (EVEN, [0, 0, 1, -1], None, 1, 4, (False, 4, 6)),
        (replace(EVEN, distinct=True), [0, 0, 1, -1], None, 1, 4, (False, 4, None)),
        (replace(EVEN, distinct=True), [0, -1, 1, -1], None, 1, 4, (False, 4, 6)),
        (NODES, [0, 0, 1, -1], None, 1, 4, (False, 4, 6)),
        (NODES, [0, -1, 0, 1], None, 1, 4, (False, 4, None)),
        (NODES, [0, 1, -1, -1], None, 1, 4, (False, 4, None)),
        (replace(NODES, num_groups=1), [0, 1, -1, -1], None, 1, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], [[4, 8], [4, 0]], 2, 4, (True, 4, 4)),
        (FREE, [0, 1, 0, -1], [[5, 7], [4, 0]], 2, 4, (False, 4, Fraction(9, 2))),
        (FREE, [0, 1, 0, -1], [[4, 7], [4, 0]], 2, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], [[13, -1], [4, 0]], 2, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], [[6, 6], [2, 2]], 2, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], [[4, 8]], 2, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], [[4, 8], [4]], 2, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], [[0, 0], [0, 0]], 0, 4, (False, 4, None)),
        (FREE, [0, 1, 0, -1], None, 1, 4, (False, 4, None)),
    ],
)
def test_a_placement_keeps_every_rule(sizes, slots, split, denominator, bound, expected):
    found = check_placement([6, 2], sizes, slots, split, denominator, Fraction(bound), "mean")
    assert (found.valid, found.lower, found.upper) == expected


@pytest.mark.parametrize(
    ("argument", "loads", "sizes", "proved"),
    [
        ("mean", [10, 1, 1], Sizes(4, 4, "even", 1, 1, False), 3),
        ("best", [10, 1, 1], Sizes(4, 4, "even", 1, 1, False), None),
        ("replica", [10, 1, 1], Sizes(4, 4, "even", 1, 1, False), 5),
        ("replica", [10, 1, 1], Sizes(8, 4, "free", 1, 1, True), 3),
        ("deal", [10, 1, 1], Sizes(4, 4, "even", 1, 1, False), 5),
        ("deal", [10, 1, 1], Sizes(4, 4, "free", 1, 1, False), 3),
        ("component", [7, 1, 1, 1], Sizes(4, 2, "free", 1, 1, True), 8),
        ("component", [7, 1, 1, 1], Sizes(4, 2, "even", 1, 1, True), 5),
        ("component", [7, 1, 1], Sizes(4, 2, "free", 1, 1, True), Fraction(9, 2)),
        ("component", [9, 9, 1, 1, 1], Sizes(6, 3, "free", 1, 1, True), Fraction(19, 2)),
        ("groups", [8, 1, 1, 0], Sizes(8, 4, "even", 4, 2, False), 4),
        ("groups", [8, 1, 1, 0], Sizes(8, 4, "free", 4, 2, False), 4),
        ("groups", [8, 1, 1, 0], Sizes(4, 4, "even", 4, 2, False), 8),
        ("groups", [8, 1, 1, 0], Sizes(8, 4, "even", 1, 1, False), Fraction(5, 2)),
        ("groups", [5, 5, 5, 1, 1, 1], Sizes(8, 4, "even", 6, 2, False), Fraction(11, 2)),
        ("groups", [1, 4, 2, 2, 3, 3, 0, 0], Sizes(16, 4, "even", 4, 2, False), Fraction(9, 2)),
        ("groups", [5, 5, 5, 5, 0, 0], Sizes(12, 3, "even", 6, 3, False), 10),
        ("component", [9, 1, 1, 1, 1, 1], Sizes(6, 2, "free", 1, 1, True), 11),
        ("component", [4, 1, 2, 3], Sizes(4, 2, "free", 1, 1, True), 5),
        ("groups", [8, 4, 0, 0, 0, 0, 0, 0], Sizes(12, 12, "even", 4, 2, False), 4),
        ("groups", [1, 0, 0, 0], Sizes(8, 2, "even", 4, 2, False), 1),
        ("groups", [10, 1, 1], Sizes(4, 4, "even", 1, 1, False), 3),
        ("deal", [10, 9, 8, 5], Sizes(6, 2, "even", 1, 1, False), 16),
        ("deal", [10, 3, 2, 6, 5, 4], Sizes(6, 2, "even", 1, 1, True), 15),
        ("deal", [1, 1, 1, 1], Sizes(4, 4, "even", 1, 1, False), 1),
        ("deal", [18, 5, 4, 3], Sizes(6, 2, "even", 1, 1, False), 15),
        ("deal", [5, 5, 1, 1], Sizes(4, 2, "even", 2, 2, False), 10),
        ("deal", [5, 5, 5, 5, 0, 0], Sizes(12, 3, "even", 6, 3, False), 10),
        ("deal", [1] * 250, Sizes(252, 2, "even", 1, 1, False), 125),
    ],
)
def test_each_argument_proves_as_much_as_it_says_and_no_more(argument, loads, sizes, proved):
    bounds = [Fraction(number, 4) for number in [*range(80), 500, 504]]
    found = [bound for bound in bounds if placement.is_lower_bound(loads, sizes, bound, argument)]
    assert found == [bound for bound in bounds if proved is not None and bound <= proved]


@st.composite
def weighed(draw):
    """Loads, sizes and weights of migrations, larger than those that are enumerated."""
    devices, width = draw(st.sampled_from([(1, 3), (2, 2), (2, 4), (3, 2), (4, 1), (4, 2)]))
    split, distinct = draw(st.sampled_from([("free", True), ("even", True), ("even", False)]))
    loads = draw(st.lists(st.integers(0, 12), min_size=1, max_size=min(4, devices * width)))
    held = [draw(st.lists(st.booleans(), min_size=devices, max_size=devices)) for _ in loads]
    problem = Migration(loads, Sizes(devices * width, devices, split, 1, 1, distinct), held, draw(st.integers(0, 3)))
    rows = [draw(st.lists(st.integers(0, 5), min_size=devices, max_size=devices)) for _ in range(2)]
    scale = draw(st.sampled_from([1, 2**48, 2**52, 2**56, 2**60, 2**70]))
    rows[0][0] += 1
    weights = moves.Weights(*([scale * x for x in row] for row in rows), scale * draw(st.integers(0, 5)))
    return problem, weights, draw(st.fractions(Fraction(1, 4), 12, max_denominator=4))


@given(weighed())
def test_weights_of_moves_add_up_to_exactly_what_the_naive_checker_says(drawn):
    problem, weights, bound = drawn
    sizes, (p, b, t) = problem.sizes, (weights.device, weights.slot, weights.move)
    stated = {"num_devices": sizes.num_devices, "num_slots": sizes.num_slots, "load": problem.loads}
    stated |= {"split": sizes.split, "distinct": sizes.distinct}
    held = [{g for g, now in enumerate(row) if now} for row in problem.held]
    paid = [least_paid(e, w, stated, bound, held[e], p, b, t) for e, w in enumerate(problem.loads)]
    limit = bound * sum(p) + sizes.num_slots // sizes.num_devices * sum(b) + problem.most_moves * t
    over = None if None in paid else (sum(paid) - limit) * bound.denominator
    assert moves.excess(problem, bound, weights) == over
    assert migration.is_lower_bound(problem, bound, "weights", weights) == (over is None or over >= 0)


@pytest.mark.parametrize("huge", [2**62, 2**64])
@pytest.mark.parametrize("devices", [1, 2])
def test_weights_that_64_bits_do_not_hold_are_added_up_exactly(devices, huge):
    problem = Migration([1], Sizes(devices, devices, "free", 1, 1, True), [[True] * devices], 0)
    tokens, slots = moves.Weights([huge] * devices, [0] * devices, 0), moves.Weights([1] * devices, [huge] * devices, 0)
    assert moves.excess(problem, Fraction(5, 4), tokens) == 4 * huge - 5 * huge * devices
    assert moves.excess(problem, Fraction(5, 4), slots) == 4 + 4 * huge - (5 + 4 * huge) * devices


def test_a_weight_that_64_bits_do_not_hold_does_not_become_the_cheapest():
    problem = Migration([1] * 3, Sizes(3, 3, "free", 1, 1, True), [[True] * 3] * 3, 0)
    assert moves.excess(problem, Fraction(5, 4), moves.Weights([1] * 3, [2**61, 0, 0], 0)) == 3 * 4 - 3 * 5 - 2**63


def test_an_expert_without_room_below_a_bound_proves_it():
    problem = Migration([10, 1], Sizes(8, 2, "even", 1, 1, False), [[True, True]] * 2, 0)
    weights = moves.Weights([0, 1], [0, 0], 0)
    assert moves.excess(problem, Fraction(4), weights) is None
    assert migration.is_lower_bound(problem, Fraction(4), "weights", weights)
    assert not migration.is_lower_bound(problem, Fraction(6), "weights", weights)


def test_an_expert_has_no_more_replicas_than_others_leave_slots():
    """Two replicas put half of the 9 tokens on the device that costs; three put a third there."""
    weights = moves.Weights([1, 0], [0, 0], 0)
    assert moves.excess(Migration([9, 0, 0], EVEN, [[True, True]] * 3, 0), Fraction(7), weights) == 9 // 2 - 7
    assert moves.excess(Migration([9], EVEN, [[True, True]], 0), Fraction(7), weights) == 9 // 3 - 7


MOVED = Migration([6, 2], EVEN, [[True, False], [True, True]], 1)
MOVE = {
    "slots": [0, 1, 0, -1],
    "split": None,
    "denominator": 1,
    "bound": Fraction(5),
    "argument": "count",
    "weights": moves.Weights([], [], 0),
}


@pytest.mark.parametrize(
    ("moves_allowed", "change", "expected"),
    [
        (1, {}, (False, None, 5)),
        (1, {"bound": Fraction(4), "argument": "mean"}, (False, 4, 5)),
        (1, {"slots": [0, 1, 0, 1], "bound": Fraction(4), "argument": "mean"}, (True, 4, 4)),
        (0, {"slots": [0, 1, 0, 1], "bound": Fraction(4), "argument": "mean"}, (False, 4, None)),
        (0, {"slots": [0, 1, 0, 1]}, (False, 5, None)),
        (0, {"slots": [0, -1, 1, -1], "bound": Fraction(6)}, (True, 6, 6)),
        (0, {"slots": [0, -1, -1, -1], "bound": Fraction(6)}, (False, 6, None)),
        (1, {"slots": [0, -1, -1, -1]}, (False, None, None)),
        (1, {"bound": Fraction(0)}, (False, 0, 5)),
        (1, {"bound": Fraction(-1)}, (False, None, 5)),
    ],
)
def test_a_placement_within_few_moves_keeps_every_rule(moves_allowed, change, expected):
    found = check_migration(replace(MOVED, most_moves=moves_allowed), **MOVE | change)
    assert (found.valid, found.lower, found.upper) == expected


@pytest.mark.parametrize(
    ("weights", "bound", "proved"),
    [
        (moves.Weights([1, 1], [0, 0], 0), 4, True),
        (moves.Weights([1, 1], [0, 0], 0), 5, False),
        (moves.Weights([0, 0], [1, 0], 0), 4, False),
        (moves.Weights([1], [0, 0], 0), 4, False),
        (moves.Weights([1, 1], [0], 0), 4, False),
        (moves.Weights([3, -1], [0, 0], 0), 4, False),
        (moves.Weights([1, 1], [-9, 0], 0), 4, False),
        (moves.Weights([1, 1], [0, 0], -1), 4, False),
        (moves.Weights([1, 1], [0, 0], 0), 0, True),
        (moves.Weights([], [], 0), 0, True),
        (moves.Weights([1, 1], [0, 0], 0), -1, False),
    ],
)
def test_weights_of_moves_that_are_none_prove_nothing(weights, bound, proved):
    assert migration.is_lower_bound(MOVED, Fraction(bound), "weights", weights) == proved


@pytest.mark.parametrize(
    ("loads", "held", "bound", "needed"),
    [
        ([6, 6, 2, 2], [[True, False], [True, False], [False, True], [False, True]], 12, 1),
        ([6, 6, 2, 2], [[True, False], [True, False], [False, True], [False, True]], 13, 0),
        ([6, 6, 2, 2], [[True, False], [True, False], [False, True], [False, True]], 4, 3),
        ([6, 6, 2, 2], [[True, True], [True, False], [False, True], [False, True]], 4, 2),
        ([6, 6, 2, 2], [[True, True], [False, False], [False, True], [False, True]], 4, 1),
    ],
)
def test_experts_that_must_leave_are_counted_heaviest_first(loads, held, bound, needed):
    assert moves.moves_needed(Migration(loads, EVEN, held, 0), Fraction(bound)) == needed


@pytest.mark.parametrize(("devices", "proved"), [(30, True), (40, False)])
def test_components_of_too_many_kinds_are_given_up_and_prove_nothing(devices, proved):
    assert no_partition_below([100] * (devices + 2), 2 * devices, devices, Fraction(1)) == proved


@pytest.mark.parametrize(("count", "proved"), [(10, True), (22, False)])
def test_loads_that_are_dealt_in_too_many_ways_are_given_up_and_prove_nothing(count, proved):
    """Even numbers do not add up to an odd half of their sum."""
    loads = [2 * (one + 1) for one in range(count)]
    half = sum(loads) // 2
    assert half % 2 == 1
    assert no_grouping_below(loads, 400, 2, False, half + Fraction(1, 2), count, 2) == proved
    assert no_partition_below(loads, count, 2, half + Fraction(1, 2)) == proved


@pytest.mark.parametrize(
    ("loads", "slots", "devices", "bound", "groups"),
    [([1] * 12, 18, 2, 6, 1), ([1] * 11 + [100], 24, 6, 50, 12)],
    ids=["counts of replicas", "companions of groups"],
)
def test_deals_that_fail_at_once_count_as_steps(loads, slots, devices, bound, groups):
    with pytest.raises(GivenUp):
        deal_below(loads, slots, devices, False, Fraction(bound), groups, (groups + 1) // 2, steps=1000)
    assert deal_below(loads, slots, devices, False, Fraction(bound), groups, (groups + 1) // 2) is None
