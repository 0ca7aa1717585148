"""Edges of the checks of how good placers are."""

import numpy as np

from edges import Edge, on_calls
from equipoise.roles.placer import PlacerCase
from miniatures import Kind


def case(load, slots, devices, groups=1, nodes=1, **more):
    return PlacerCase((np.atleast_2d(load),), slots, groups, nodes, devices, **more)


def boom(*given):
    raise ValueError("boom")


ONCE = range(1, 2)


ONE_DEVICE = case([[5, 3, 2], [1, 2, 3]], 4, 1)
NOWHERE = "places expert 1 of layer 0 nowhere; better: "


def once(right, wrong):
    return on_calls(ONCE, right, wrong)


NEAR = "placer_is_near_the_optimum"
TWICE = case([10, 4, 1], 6, 3)  # the mean is 5
SHARED = case([8, 4], 4, 2)  # with the best split expert 0 gives 6 of its 8 tokens to the other device
SHARING_HELPS = case([9, 0, 1, 2], 6, 2)  # 6 each with two of three replicas of expert 0 on a device, else 6.5
NO_SPARE = case([5, 4, 2, 2], 4, 2)  # the mean is 6.5, no two pairs are nearer to it than 7 and 6
THREE_GROUPS = case([10, 4, 1], 6, 3, groups=3)
HOT = "placer_relieves_a_hot_expert"
IDLE = "placer_wastes_no_slot"
SPLIT = [[0, 1, 0, 1]]
UNSPLIT = [[0, 1, -1, -1]]


def settles(right):
    return on_calls(right, [[0, -1, 1, 2, -1, -1]], [[0, 2, 1, -1, -1, -1]])


NEARNESS = [
    Edge(
        NEAR,
        TWICE,
        [[0, -1, 1, 2, -1, -1]],
        [[0, 2, 1, -1, -1, -1]],
        "the fullest device has 11 tokens, 5 can be had: 2.2 times the proved bound of 5, allowed are 2 times",
    ),
    Edge(NEAR, TWICE, [[0, 2, 0, -1, 1, -1]], [[0, -1, 0, 1, 2, -1]], "has 9 tokens", max_gap=0.2),
    Edge(NEAR, TWICE, None, [[0, 2, 0, -1, 1, -1]], "has 6 tokens, 5 can be had: 1.2 times", max_gap=0.19),
    Edge(NEAR, case([17, 1, 1, 1], 8, 2), [[0, -1, -1, -1, 1, 2, 3, -1]], None, max_gap=0.7),
    Edge(NEAR, case([18, 1, 1], 6, 2), None, [[0, -1, -1, 1, 2, -1]], "has 18 tokens, 10 can", max_gap=0.7),
    Edge(NEAR, SHARED, None, [[0, 1, 0, -1]], "has 8 tokens, 6 can be had", max_gap=0),
    Edge(NEAR, SHARED, [[0, 1, 0, -1]], UNSPLIT, "has 12 tokens, 6 can", ("free split",), 0),
    Edge(NEAR, SHARING_HELPS, [[0, 0, 1, 0, 2, 3]], [[0, 3, 1, 0, 3, 2]], "has 6.5 tokens, 6 can", max_gap=0),
    Edge(NEAR, NO_SPARE, [[0, 2, 1, 3]], [[0, 1, 2, 3]], "has 9 tokens, 7 can be had: 1.286 times", max_gap=0),
    Edge(NEAR, case([1, 0], 4, 2), [[0, 1, 0, 1]], UNSPLIT, "has 1 tokens, 0.5 can", max_gap=0),
    Edge(NEAR, case([0, 0], 4, 2), [[0, 0, 0, 1]]),
    Edge(NEAR, TWICE, settles(ONCE), settles(range(2, 99))),
    Edge(NEAR, TWICE, settles(range(10, 11)), settles(range(11, 99)), capabilities=("has reset",)),
    Edge(NEAR, TWICE, None, settles(range(1, 10)), capabilities=("has reset",)),
    Edge(
        "placer_ignores_groups_on_one_node",
        THREE_GROUPS,
        [[0, -1, 1, 2, -1, -1]],
        [[0, 2, 1, -1, -1, -1]],
        "has 11 tokens, 5 can be had",
    ),
    Edge(
        "placer_ignores_groups_on_one_node",
        THREE_GROUPS,
        settles(ONCE),
    ),
    Edge(
        "placer_takes_huge_loads",
        case([2**32, 2**31, 1], 6, 3),  # the mean is 2^31 and a third
        [[0, -1, 1, 2, -1, -1]],
        [[0, 2, 1, -1, -1, -1]],
        "the fullest device has 4294967297 tokens",
    ),
    Edge(
        "placer_takes_huge_loads",
        case([2**32, 2**31, 1], 6, 3),
        settles(ONCE),
    ),
    Edge(
        HOT,
        case([10, 0], 4, 2),
        [[0, 1, 0, -1]],
        [[0, 0, 1, -1]],
        "in layer 0 expert 0 has the whole load of 10 tokens and lies on device 0 alone, with 2 spare slots; "
        "better: [0, 0, 0, 1]",
    ),
    Edge(HOT, case([10, 0], 4, 2), once(SPLIT, UNSPLIT)),
]

TWO = case([100, 0], 4, 2)
FULL = case([90, 0], 6, 3)
SMALL = case([100, 1, 0], 6, 2)
WASTE = [
    Edge(
        IDLE,
        TWO,
        [[0, 1, 0, -1]],
        UNSPLIT,
        "a slot of device 1 is empty; one of expert 0 there would lower the peak from 100 to 50 tokens; "
        "better: [0, 1, 0, -1]",
    ),
    Edge(IDLE, TWO, once([[0, 1, 0, -1]], UNSPLIT)),
    Edge(IDLE, case([0, 100], 4, 2), [[1, 0, 1, -1]], [[1, 0, -1, -1]]),
    Edge(IDLE, case([0, 100], 4, 2), [[1, 0, 1, 0]], [[1, 0, 0, 0]]),  # three of the idle expert
    Edge(IDLE, TWO, None, [[0, -1, 1, 1]]),  # two of it
    Edge(IDLE, case([100, 0, 0], 4, 2), [[0, -1, 1, 2]], [[1, -1, 0, 2]]),  # one of each idle expert
    Edge(IDLE, FULL, [[0, 0, 0, 1, -1, -1]]),  # as many replicas as devices
    Edge(IDLE, FULL, [[0, 0, 0, 1, 1, 1]]),
    Edge(IDLE, case([100, 300, 0], 4, 2), [[1, -1, 0, 2]]),
    Edge(IDLE, case([100, 100, 0], 4, 2), [[0, 1, 2, -1]]),  # two are the largest
    # expert 1 would relieve device 0, where a hundred tokens of expert 0 are the largest replica
    Edge(IDLE, case([100, 60, 60, 0], 6, 3), [[1, 2, 0, -1, 3, -1]], [[1, 2, 0, -1, 3, 3]]),
    Edge(IDLE, case([90, 0, 0, 40], 6, 3), [[0, 3, 0, -1, 1, 2]]),  # it would: 30 + 40, and twice 30, not 45 + 40
    Edge(IDLE, SMALL, [[0, 1, -1, 0, 1, 2]], [[0, 1, -1, 0, 2, 2]]),
]

SLOTS = "placer_is_no_worse_with_more_slots"
FOUR = case([6, 5, 4, 1], 8, 4)  # with 12 slots the mean and the heaviest replica are 4 + 6
ONE_EACH = [[0, -1, 1, -1, 2, -1, 3, -1]]
SIX, SEVEN, TEN, ELEVEN = (
    [[0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1]],
    [[0, 3, -1, 1, -1, -1, 2, -1, -1, -1, -1, -1]],
    [[0, 2, -1, 1, -1, -1, 3, -1, -1, -1, -1, -1]],
    [[0, 1, -1, 2, -1, -1, 3, -1, -1, -1, -1, -1]],
)


def by_slots(answers):
    return lambda load, slots, *machine: answers[slots]


class TakesEightSlots(Kind):
    def accepts(self, layers, experts, slots, *machine):
        return slots == 8

    def answer(self, load, slots, *machine):
        return by_slots({8: ONE_EACH})(load, slots)


MORE_SLOTS = [
    Edge(
        SLOTS,
        FOUR,
        by_slots({8: ONE_EACH, 12: TEN}),
        by_slots({8: ONE_EACH, 12: ELEVEN}),
        "with 12 slots in place of 8 the peak of layer 0 is 11 tokens, not 6",
    ),
    Edge(SLOTS, FOUR, by_slots({8: [[0, 1, 2, -1, 3, -1, -1, -1]], 12: ELEVEN})),
    Edge(SLOTS, FOUR, by_slots({8: ONE_EACH, 12: SIX}), by_slots({8: ONE_EACH, 12: SEVEN}), "is 7", ("exact",)),
    Edge(
        SLOTS,
        case([1, 0], 4, 2),
        by_slots({4: SPLIT, 6: [[0, 1, -1, 0, -1, -1]]}),
        by_slots({4: SPLIT, 6: [[0, 1, -1, -1, -1, -1]]}),
        "is 1 tokens, not 0.5",
        ("exact",),
    ),
    Edge(SLOTS, FOUR, TakesEightSlots, capabilities=("has accepts",)),
    Edge(SLOTS, FOUR, on_calls(ONCE, by_slots({8: ONE_EACH, 12: SIX}), by_slots({8: ONE_EACH, 12: ELEVEN}))),
]

EXACT = "placer_is_as_exact_as_it_says"
EXACTNESS = [
    Edge(
        EXACT,
        SHARING_HELPS,
        [[0, 3, 1, 0, 3, 2]],
        [[0, 2, 3, 0, 2, 1]],
        "has 7 tokens, where 6.5 can be had",
        ("exact",),
    ),
    Edge(
        EXACT,
        SHARING_HELPS,
        [[0, 0, 1, 0, 2, 3]],
        [[0, 3, 1, 0, 3, 2]],
        "the fullest device has 6.5 tokens, where 6 can be had",
        ("exact", "shares devices"),
    ),
    Edge(EXACT, case([5, 3], 2, 2), once([[0, 1]], [[0, 0]]), capabilities=("exact",)),
    Edge(SLOTS, FOUR, once(by_slots({8: ONE_EACH, 12: SIX}), boom)),
    Edge(NEAR, ONE_DEVICE, None, [[0, 2, 0, 2]] * 2, NOWHERE + "[[0, 1, 2, 0], [0, 1, 2, 0]]"),
    Edge(NEAR, ONE_DEVICE, None, boom, "); better: None"),
]

QUALITY = NEARNESS + WASTE + MORE_SLOTS + EXACTNESS
