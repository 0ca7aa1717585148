"""Edges of the checks of planners: experts with loads and homes, devices with slots; answers are ``split[E, G]``."""

import numpy as np

from edges import Edge
from equipoise.roles.planner import PlannerCase
from miniatures import Kind


def case(load, home, slots):
    return PlannerCase((np.array(load),), np.array(home), np.array(slots))


def both(copies, split):
    return np.array(copies, bool), np.array(split)


PAIR = case([10, 6], [0, 1], [1, 1])
TEN = case([10], [0], [1, 1])
HOT = case([10_002, 0], [0, 1], [1, 1])
WORTH = case([4096, 0], [0, 1], [1, 1])
TOO_LITTLE = case([4095, 0], [0, 1], [1, 1])
NO_SLOTS = case([10_000, 0], [0, 1], [0, 0])
SLOT_AT_HOME = case([10_000, 0], [0, 1], [1, 0])
SLOT_ON_THE_FULLER = case([10_000, 0, 4_000], [0, 1, 2], [0, 0, 1])  # room 6,000: at most 3,000 move
SMALL_EXPERTS = case([4_000, 3_000, 3_000, 0], [0, 0, 0, 1], [1, 1])  # the heaviest moves whole: 6,000 are left
OTHERS_FULL = case([9_000, 0, 8_000], [0, 1, 2], [1, 1, 1])  # no copy brings it below the 8,000 of device 2
HOME = [[10_000, 0], [0, 0]]
HUGE = case([2**40, 1], [0, 1], [1, 1])
BY_ORDER = case([9, 5, 1], [0, 0, 1], [1, 1])
LEAST = "planner_is_near_the_optimum"


def at_home(load, home, slots):
    split = np.zeros((len(home), len(slots)), np.int64)
    split[np.arange(len(home)), home] = load
    return split


def at_home_in_64_bits(load, home, slots):
    return at_home(load + (load.dtype == np.int32), home, slots)


def first_of_a_device_moves(load, home, slots):
    """It moves the expert that comes first, not the one that is heaviest."""
    split = at_home(load, home, slots)
    split[0] = split[0][::-1]
    return split


def kept(peak, case):
    """A split whose fullest device, the first one, has ``peak`` tokens: what counts for a check of peaks."""
    split = np.zeros((len(case.home), len(case.slots)), np.int64)
    split[0] = [peak, *[0] * (len(case.slots) - 1)]
    return split


class RightOnce(Kind):
    """A planner that remembers: its first answer is right."""

    def answer(self, *given):
        return [[10, 0], [0, 6]] if self.calls == 1 else [[0, 0], [0, 6]]


def peak_edge(check, given, most, says="the fullest device gets", **more):
    return Edge(check, given, kept(most, given), kept(most + 1, given), says, **more)


EDGES = [
    Edge("planner_serves_every_token_once", PAIR, RightOnce),
    Edge("planner_serves_no_negative_tokens", PAIR, [[10, 0], [0, 6]], [[11, -1], [0, 6]], "serves -1 tokens"),
    Edge("planner_serves_every_token_once", PAIR, [[10, 0], [3, 3]], [[9, 0], [0, 6]], "9 of the 10 tokens of"),
    Edge("planner_serves_every_token_once", PAIR, None, [[10, 0], [0, 7]], "7 of the 6 tokens of expert 1"),
    Edge(
        "planner_serves_only_at_home_or_where_a_copy_is",
        PAIR,
        both([[0, 1], [0, 0]], [[5, 5], [0, 6]]),
        both([[0, 0], [0, 0]], [[9, 1], [0, 6]]),
        "device 1 serves expert 0 and holds no copy",
    ),
    Edge(
        "planner_serves_only_at_home_or_where_a_copy_is",
        PAIR,
        None,
        both([[0, 0], [0, 0]], [[11, -1], [0, 6]]),
        "device 1 serves expert 0",
    ),
    Edge(
        "planner_keeps_to_the_slots",
        case([5, 5, 0], [0, 0, 1], [0, 1]),
        [[3, 2], [5, 0], [0, 0]],
        [[3, 2], [3, 2], [0, 0]],
        "in batch 1 device 1 holds 2 copies, it has 1",
    ),
    Edge(
        "planner_reads_where_experts_live",
        case([5, 5, 0], [0, 0, 1], [0, 1]),
        [[3, 2], [5, 0], [0, 0]],
        [[3, 2], [3, 2], [0, 0]],
    ),
    Edge(
        "planner_reads_where_experts_live",  # slots do not limit one that ignores them
        case([5, 5, 0], [0, 0, 1], [0, 0]),
        [[3, 2], [3, 2], [0, 0]],
        [[3, 2], [3, 1], [0, 0]],
        capabilities=("ignores slots",),
    ),
    peak_edge("planner_is_no_worse_than_no_copies", PAIR, 10, "without any copy it would get 10"),
    peak_edge(LEAST, PAIR, 8, "a proved bound is 8, 8 is allowed", max_gap=0),
    peak_edge(LEAST, PAIR, 10, "a proved bound is 8, 10 is allowed", max_gap=0.25),
    peak_edge(LEAST, PAIR, 8, "8 is allowed", max_gap=0.25, capabilities=("exact",)),
    peak_edge(LEAST, PAIR, 8, capabilities=("exact",)),
    peak_edge(LEAST, HOT, 7_502, "one copy makes it 5001"),
    peak_edge(LEAST, WORTH, 3_072, "one copy makes it 2048"),
    Edge(LEAST, TOO_LITTLE, kept(4_095, TOO_LITTLE)),
    Edge(LEAST, NO_SLOTS, kept(10_000, NO_SLOTS)),
    Edge(LEAST, SLOT_AT_HOME, kept(10_000, SLOT_AT_HOME)),
    Edge(LEAST, case([10_000], [0], [1]), [[10_000]]),
    peak_edge(LEAST, SLOT_ON_THE_FULLER, 8_500, "one copy makes it 7000"),
    peak_edge(LEAST, SMALL_EXPERTS, 8_000, "of 10000 without copies; one copy makes it 6000"),
    Edge(LEAST, OTHERS_FULL, kept(8_500, OTHERS_FULL), kept(8_501, OTHERS_FULL), "one copy makes it 8000"),
    peak_edge("planner_spreads_a_hot_expert", TEN, 6, "gets 7 of 10 tokens; copies everywhere make it 5"),
    peak_edge("planner_spreads_a_hot_expert", case([11], [0], [1, 1]), 7, "gets 8 of 11 tokens"),
    Edge(
        "planner_copies_nothing_without_need",
        case([5, 5], [0, 1], [1, 1]),
        [[5, 0], [0, 5]],
        [[4, 1], [1, 4]],
        "it makes 2 copies",
    ),
    Edge(
        "planner_makes_no_idle_copies",
        PAIR,
        both([[0, 1], [0, 0]], [[9, 1], [0, 6]]),
        both([[0, 1], [0, 0]], [[10, 0], [0, 6]]),
        "the copy of expert 0 on device 1 serves no token",
    ),
    Edge("planner_serves_every_token_at_production_size", PAIR, [[9, 1], [0, 6]], [[9, 0], [0, 6]]),
    Edge("planner_relieves_the_fullest_at_production_size", PAIR, kept(10, PAIR), kept(11, PAIR)),
    Edge("planner_relieves_the_fullest_at_production_size", HOT, kept(7_502, HOT), kept(7_503, HOT), "one copy"),
    Edge("planner_works_without_slots", NO_SLOTS, HOME, [[5_000, 5_000], [0, 0]], "copies"),
    Edge("planner_works_without_load", case([0, 0], [0, 1], [1, 1]), [[0, 0], [0, 0]], [[1, 0], [0, 0]], "tokens"),
    Edge("planner_works_with_one_device", case([4, 3], [0, 0], [1]), [[4], [3]], [[4], [2]], "tokens"),
    Edge("planner_survives_huge_loads", HUGE, [[2**40, 0], [0, 1]], [[2**40 - 1, 0], [0, 1]], "tokens"),
    Edge(
        "planner_serves_what_every_device_sends",
        case([[3, 0], [2, 1]], [0, 1], [1, 1]),
        [[5, 0], [0, 1]],
        [[3, 0], [0, 0]],
        "tokens",
    ),
    Edge("planner_ignores_the_integer_type", PAIR, at_home, at_home_in_64_bits, "for int64 it answers"),
    Edge("planner_treats_experts_of_a_device_alike", BY_ORDER, at_home, first_of_a_device_moves, "in reverse order"),
]
