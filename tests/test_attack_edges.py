"""Edges of the checks of certificates that forgeries of small integer problems do not reach, with the bounds by hand.

On grids other than the integers, with errors of rounding, padding tokens, and numbers at the ends of their ranges.
"""

from fractions import Fraction

import numpy as np
import pytest

from equipoise.certificates.check.assignment import check_assignment
from equipoise.certificates.check.communication import Multipliers, Statement, check_communication
from equipoise.certificates.check.few_experts import check_few_experts
from equipoise.certificates.check.group_limited import check_group_limited
from equipoise.certificates.check.limited import check_limited
from equipoise.certificates.check.scheduling import check_schedule
from equipoise.certificates.check.traffic import check_traffic

HUGE = 2**61
EXACT = {"experts": [[0]], "error": Fraction(0)}
ROUTING = {"capacity": [2, 2], "drop": False, "mask": None, "exponent": 1, "error": Fraction(1, 8)}


def said(check, given):
    """What a check says of lists: whether it accepts, and the bounds."""
    found = check(**{name: np.array(value) if isinstance(value, list) else value for name, value in given.items()})
    return found.valid, found.lower, found.upper


FEW = ROUTING | {"scores": [[4, 2], [1, 3]], "top_k": 1, "most": 1, "experts": [[0], [0]], "prices": [2, 1]}
PADDED = {"scores": [[4, 2], [1, 3], [9, 9]], "mask": [True, True, False], "experts": [[0], [0], [-1]]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (True, Fraction(9, 4), Fraction(11, 4))),
        ({"top_k": 2, "most": 2, "experts": [[0, 1]] * 2, "prices": [0, 0]}, (True, Fraction(9, 2), Fraction(11, 2))),
        (PADDED | {"prices": [2, 1, 7]}, (True, Fraction(9, 4), Fraction(11, 4))),
        ({"scores": [[HUGE, 0]], "prices": [HUGE]} | EXACT, (True, HUGE // 2, HUGE // 2)),
        ({"scores": [[-HUGE] * 2], "prices": [-HUGE]} | EXACT, (True, -HUGE // 2, -HUGE // 2)),
        ({"scores": [[HUGE + 1, 2], [1, 3]]}, (False, None, None)),
        ({"capacity": [2, -1]}, (False, None, None)),
    ],
    ids=["grid", "two experts a token", "padding", "largest price", "smallest price", "score too large", "capacity"],
)  # fmt: skip
def test_bounds_of_few_experts_are_in_units_of_the_scores(change, expected):
    assert said(check_few_experts, FEW | change) == expected


LIMITED = ROUTING | {
    "scores": [[4, 0], [4, 0]],
    "top_k": 1,
    "limits": (np.array([1]), np.array([[True, True]]), np.array([[True, False]])),
    "experts": [[0], [1]],
    "prices": [0, 0],
    "limit_prices": [4],
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (True, Fraction(7, 4), Fraction(9, 4))),
        ({"limit_prices": [3]}, (False, Fraction(7, 4), Fraction(11, 4))),
        ({"scores": [[-HUGE, 0], [4, 0]]}, (False, None, None)),
    ],
    ids=["grid", "gap", "charged too much"],
)
def test_bounds_of_limits_are_in_units_of_the_scores(change, expected):
    assert said(check_limited, LIMITED | change) == expected


SCHEDULE = {
    "load": [4, 2, 0],
    "hosts": [[True, True], [True, False], [False, True]],
    "base": [1, 0],
    "speed": [2, 1],
    "fractional": True,
    "split": [[5, 7], [6, 0], [0, 0]],
    "denominator": 3,
    "devices": [True, True],
}
WHOLE = {"fractional": False, "split": [[2, 2], [2, 0], [0, 0]], "denominator": 1}
NOTHING = (False, None, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (True, Fraction(7, 3), Fraction(7, 3))),
        (WHOLE, (True, Fraction(5, 2), Fraction(5, 2))),
        (WHOLE | {"split": [[3, 1], [2, 0], [0, 0]]}, (False, Fraction(5, 2), Fraction(3))),
        ({"devices": [True, False]}, (False, Fraction(3, 2), Fraction(7, 3))),
        ({"devices": [False, False]}, (False, None, Fraction(7, 3))),
        ({"split": [[6, 6], [6, 1], [0, -1]]}, (False, Fraction(7, 3), None)),
        ({"split": [[12, 0], [0, 6], [0, 0]]}, (False, Fraction(7, 3), None)),
        ({"split": [[4, 7], [6, 0], [0, 0]]}, (False, Fraction(7, 3), None)),
        (WHOLE | {"split": [[4, 4], [4, 0], [0, 0]], "denominator": 2}, NOTHING),
        ({"split": [[0, 0]] * 3, "denominator": 0}, NOTHING),
        ({"load": [4, 3, -1], "split": [[5, 7], [9, 0], [0, -3]]}, NOTHING),
        ({"base": [2, -1]}, NOTHING),
        ({"speed": [3, 0]}, NOTHING),
        *(({name: np.array(SCHEDULE[name]) + 0.0}, NOTHING) for name in ("load", "base", "speed", "split")),
        *(({name: np.array(SCHEDULE[name]) + 0}, NOTHING) for name in ("hosts", "devices")),
        *(({name: SCHEDULE[name][:-1]}, NOTHING) for name in ("load", "hosts", "base", "speed", "split", "devices")),
        ({name: np.array(SCHEDULE[name])[..., :0] for name in ("hosts", "base", "speed", "split", "devices")}, NOTHING),
    ],
)
def test_a_schedule_is_judged_by_its_load_speed_and_set_and_refused_where_arrays_do_not_fit(change, expected):
    assert said(check_schedule, SCHEDULE | change) == expected


@pytest.mark.parametrize("width", [0, 2])
def test_a_batch_without_tokens_scores_nothing(width):
    prices, experts = np.zeros(width, int), np.zeros((0, 1), int)
    given = {"scores": np.zeros((0, width), int), "top_k": 1, "experts": experts, "prices": prices, "capacity": prices}
    assert said(check_assignment, ROUTING | given) == (True, 0, 0)


EDGE = 2**59
GROUPED = ROUTING | {
    "scores": [[4, 2, 1, 0], [1, 3, 0, 2]],
    "top_k": 2,
    "capacity": [2] * 4,
    "groups": (2, 1),
    "experts": [[0, 1], [1, 0]],
    "prices": [0] * 4,
}
ONE = EXACT | {"top_k": 1}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (True, Fraction(9, 2), Fraction(11, 2))),
        ({"top_k": 1, "experts": [[0], [1]]}, (True, Fraction(13, 4), Fraction(15, 4))),
        (
            {"scores": [[4, 2, 1, 0], [9] * 4, [1, 3, 0, 2]], "mask": [True, False, True],
             "experts": [[0, 1], [-1, -1], [1, 0]]},
            (True, Fraction(9, 2), Fraction(11, 2)),
        ),
        ({"prices": [1, 0, 0, 0]}, (True, Fraction(9, 2), Fraction(11, 2))),
        ({"prices": [0, 0, 0, 1]}, (False, Fraction(9, 2), Fraction(13, 2))),
        ({"experts": [[0, 2], [1, 0]]}, (False, None, Fraction(11, 2))),
        ({"experts": [[0, 1], [1, 2]]}, (False, None, Fraction(11, 2))),
        ({"experts": [[0, 1], [2, 3]]}, (False, Fraction(7, 2), Fraction(11, 2))),
        ({"experts": [[0, 1], [1, 1]]}, (False, None, Fraction(11, 2))),
        ({"drop": True, "experts": [[0, 1], [-1, -1]]}, (False, Fraction(5, 2), Fraction(11, 2))),
        (ONE | {"scores": [[EDGE, 0, 0, 0]]}, (True, EDGE // 2, EDGE // 2)),
        (ONE | {"scores": [[-EDGE] * 4]}, (True, -EDGE // 2, -EDGE // 2)),
        (ONE | {"scores": [[EDGE + 1, 0, 0, 0]]}, (False, None, Fraction(EDGE + 1, 2))),
        (ONE | {"scores": [[0, 0, 0, -EDGE - 1]]}, (False, None, 0)),
        (ONE | {"scores": [[2, 0, 0, 0]], "capacity": [1, 1, 1, 0], "prices": [0, 0, 0, EDGE]}, (True, 1, 1)),
        (ONE | {"scores": [[2, 0, 0, 0]], "capacity": [1, 1, 1, 0], "prices": [0, 0, 0, EDGE + 1]}, (False, None, 1)),
        ({"capacity": [2, 2, 2, -1]}, NOTHING),
    ],
)  # fmt: skip
def test_bounds_of_groups_are_in_units_of_the_scores(change, expected):
    assert said(check_group_limited, GROUPED | change) == expected


def test_groups_of_large_batches_are_added_up_in_blocks_without_seams():
    tokens = 2**17 + 1
    scores = np.random.default_rng(0).integers(0, 9, (tokens, 4))
    mask = np.arange(tokens) % 3 > 0
    experts = np.where(mask, scores.argmax(axis=1), -1)[:, None]
    given = {"scores": scores, "mask": mask, "experts": experts, "top_k": 1, "capacity": [tokens] * 4}
    best = Fraction(int(scores[mask].max(axis=1).sum()), 2)
    assert said(check_group_limited, GROUPED | given | {"error": Fraction(0)}) == (True, best, best)


TRAFFIC = {
    "source": [[2, 0], [1, 0]],
    "hosts": [[True, True], [False, False]],
    "limit": [1, 2],
    "cost": [[0, 1], [1, 0]],
    "flows": [[[1, 1], [0, 0]], [[0, 1], [0, 0]]],
    "prices": [1, 0],
}
STAYS = {"limit": [1, 1], "source": [[1, 0], [0, 0]], "flows": [[[1, 0], [0, 0]], [[0, 0], [0, 0]]], "prices": [0, 0]}
SHAPES = {"source": (2, 0), "hosts": (0, 2), "flows": (2, 0, 2)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (True, 1, 1)),
        ({"prices": [0, 0]}, (False, 0, 1)),
        ({"prices": [0, -1]}, (False, None, 1)),
        ({"prices": [2 * EDGE, 2 * EDGE - 1]}, (True, 1, 1)),
        ({"prices": [2 * EDGE + 1, 2 * EDGE]}, NOTHING),
        (STAYS | {"cost": [[-2 * EDGE, 0], [0, 0]]}, (True, -2 * EDGE, -2 * EDGE)),
        (STAYS | {"cost": [[-2 * EDGE - 1, 0], [0, 0]]}, NOTHING),
        ({"flows": [[[2, 0], [0, 0]], [[-1, 2], [0, 0]]]}, (False, 1, None)),
        ({"flows": [[[1, 0], [0, 0]], [[0, 1], [0, 0]]]}, (False, 1, None)),
        ({"flows": [[[1, 1], [0, 1]], [[0, 1], [0, 0]]]}, (False, 1, None)),
        ({"flows": [[[2, 0], [0, 0]], [[0, 1], [0, 0]]]}, (False, 1, None)),
        ({"hosts": [[False, False]] * 2}, NOTHING),
        ({name: np.zeros(shape, bool if name == "hosts" else int) for name, shape in SHAPES.items()}, (False, -1, 0)),
        *(({name: np.array(TRAFFIC[name]) + 0.0}, NOTHING) for name in ("source", "limit", "cost", "flows", "prices")),
        *(({name: TRAFFIC[name][:-1]}, NOTHING) for name in ("source", "limit", "cost", "flows", "prices")),
    ],
)
def test_traffic_is_judged_within_2_to_the_60_and_refused_where_arrays_do_not_fit(change, expected):
    assert said(check_traffic, TRAFFIC | change) == expected


@pytest.mark.parametrize(
    ("fractional", "split", "denominator", "load", "expected"),
    [
        (True, [[3, 3]], 2, (1, 3), (True, Fraction(7, 4), Fraction(7, 4))),
        (True, [[2, 4]], 2, (1, 3), (False, Fraction(7, 4), 2)),
        (True, [[4, 2]], 2, (1, 3), (False, Fraction(7, 4), Fraction(5, 2))),
        (False, [[1, 2]], 1, (1, 3), (True, 2, 2)),
        (False, [[2, 4]], 2, (1, 3), (False, 2, None)),
        (True, [[0, 0]], 0, (1, 3), (False, Fraction(7, 4), None)),
        (True, [[3, 2]], 2, (1, 3), (False, Fraction(7, 4), None)),
        (True, [[7, -1]], 2, (1, 3), (False, Fraction(7, 4), None)),
        (True, [[6]], 2, (1, 3), (False, Fraction(7, 4), None)),
        (True, [[3, 3]] * 2, 2, (1, 3), (False, Fraction(7, 4), None)),
        (True, [[3, 3]], 2, (-1, 5), (False, None, Fraction(7, 4))),
        (True, [[3, 3]], 2, (1, 4), (False, None, Fraction(7, 4))),
        (True, [[3, 3]], 2, (1, 3, 0), (False, None, Fraction(7, 4))),
    ],
)
def test_communication_counts_what_is_sent_and_received_of_divided_and_of_whole_tokens(
    fractional, split, denominator, load, expected
):
    statement = Statement([[1], [2]], [[0, 1]], [1, 2], Fraction(1, 2), fractional)
    multipliers = Multipliers([Fraction(x, 4) for x in load], [Fraction(0)] * 2, [Fraction(1, 2), Fraction(0)])
    found = check_communication(statement, split, denominator, multipliers)
    assert (found.valid, found.lower, found.upper) == expected


def test_what_a_device_has_to_send_counts_once_for_every_part_of_a_token():
    statement = Statement([[1], [2]], [[0, 1]], [1, 4], Fraction(1, 2), fractional=True)
    multipliers = Multipliers([Fraction(1, 4), Fraction(3, 4)], [Fraction(0)] * 2, [Fraction(1, 2), Fraction(0)])
    found = check_communication(statement, [[3, 3]], 2, multipliers)
    assert (found.valid, found.lower, found.upper) == (False, Fraction(7, 4), Fraction(11, 4))


@pytest.mark.parametrize("experts", [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
def test_an_expert_that_a_token_takes_twice_proves_nothing_in_any_order(experts):
    given = {"scores": [[4, 2, 1]], "top_k": 3, "capacity": [2] * 3, "experts": [experts], "prices": [3, 0, 0]}
    accepted, _, upper = said(check_assignment, ROUTING | given)  # 4 + 2 + 4 would be what the prices allow
    assert (accepted, upper) == (False, 5 + Fraction(3, 8))
