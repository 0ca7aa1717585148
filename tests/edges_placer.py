"""Edges of the checks of placers: loads of experts, slots of devices; answers are ``physical_to_logical[L, P]``."""

import numpy as np

from edges import Edge, on_calls
from equipoise.roles.placer import PlacerCase


def case(load, slots, devices, groups=1, nodes=1, **more):
    return PlacerCase((np.atleast_2d(load),), slots, groups, nodes, devices, **more)


def boom(*given):
    raise ValueError("boom")


ONCE = range(1, 2)

ONE_DEVICE = case([[5, 3, 2], [1, 2, 3]], 4, 1)
NOWHERE = "places expert 1 of layer 0 nowhere; better: "
AFRESH = PlacerCase((np.array([[5, 3, 2]]), np.array([[1, 1, 9]])), 3, 1, 1, 1)
WITHOUT_LOAD = case([0, 0], 4, 2)
TWO_NODES = case([5, 4, 3, 2], 6, 2, groups=2, nodes=2)
FOUR_GROUPS = case([5, 4, 3, 2], 6, 2, groups=4, nodes=2)
TWO_LAYERS = case([[5, 4], [9, 1]], 4, 2)
APART = "placer_keeps_replicas_apart"
EVEN_AT_ZERO = "placer_shares_spare_slots_at_zero_load"

ANSWERS = [
    Edge(
        "placer_works_with_one_device",
        ONE_DEVICE,
        [[2, 0, 1, 1]] * 2,
        [[2, 0, 2, 0]] * 2,
        NOWHERE + "[[0, 1, 2, 0], [0, 1, 2, 0]]",
    ),
    Edge(
        "placer_works_with_one_device",
        AFRESH,
        on_calls(range(1, 3), [[0, 1, 2]], [[0, 0, 0]]),
        on_calls(ONCE, [[0, 1, 2]], [[0, 0, 0]]),
        NOWHERE,
    ),
    Edge("placer_works_with_one_device", ONE_DEVICE, None, boom, "boom (edges_placer.py, line 14); better: None"),
    Edge("placer_works_with_one_expert", case([5], 2, 2), [[-1, 0]], [[-1, -1]], "nowhere; better: [[0, 0]]"),
    Edge("placer_works_without_spare_slots", case([5, 3], 2, 2), [[1, 0]], [[0, 0]], NOWHERE + "[[0, 1]]"),
    Edge(
        "placer_works_with_one_slot_a_device", case([5, 3], 3, 3), [[1, 0, -1]], [[0, 0, -1]], NOWHERE + "[[0, 1, 0]]"
    ),
    Edge("placer_works_with_a_slot_for_every_pair", case([5, 3], 4, 2), [[0, 0, 0, 1]], [[0] * 4], NOWHERE),
    Edge(
        "placer_works_when_nothing_divides",
        case([7, 5, 3, 2, 2], 8, 2),
        [[0, 1, 2, 3, 4, -1, -1, -1]],
        [[0, 0, 2, 3, 4, 0, 0, 0]],
        NOWHERE,
    ),
    Edge("placer_works_at_zero_load", WITHOUT_LOAD, [[0, 0, 0, 1]], [[0] * 4], NOWHERE),
    Edge("placer_works_with_uneven_groups", case([5, 3], 2, 2, groups=1, nodes=2), [[1, 0]], [[0, 0]], NOWHERE),
    Edge("placer_takes_zero_groups_for_none", case([5, 3], 2, 2, groups=0), [[1, 0]], [[0, 0]], NOWHERE),
    Edge(
        "placer_keeps_groups_on_nodes",
        TWO_NODES,
        [[2, 3, 2, 0, 1, -1]],
        [[0, 1, 0, 2, 3, 1]],
        'in layer 0 group 0 is on more than one node (a placer that knows no nodes declares "flat"): '
        "[0, 1, 0, 2, 3, 1]; better: [0, 1, 0, 2, 3, 2]",
    ),
    Edge(
        "placer_keeps_groups_on_nodes",
        FOUR_GROUPS,
        [[3, 0, 0, 1, 2, 1]],
        [[3, 0, 1, 2, 2, 2]],
        "node 0 has more than 2 groups",
    ),
    Edge(
        APART,
        TWO_LAYERS,
        [[0, 1, 0, 1], [0, 0, 0, 1]],  # no two of two, but three cannot keep apart on two devices
        [[0, 1, 0, 1], [1, 1, 0, 0]],
        "in layer 1 device 0 has more than one of the 2 replicas of expert 1, with 2 devices to lie on: [1, 1, 0, 0]; "
        "better: [0, 1, 0, 1]",
    ),
    Edge(
        APART,
        case([9, 1], 6, 2),
        [[0, -1, -1, 1, -1, -1]],
        [[0, 0, -1, 1, -1, -1]],
        "expert 0, with 2 devices to lie on: [0, 0, -1, 1, -1, -1]; better: [0, 1, -1, 0, -1, -1]",
    ),
    Edge(
        APART,
        case([9], 6, 2),
        [[0, -1, -1, 0, -1, -1]],
        [[0, 0, -1, -1, -1, -1]],
        "device 0 has more than one of the 2",
    ),
    Edge(
        EVEN_AT_ZERO,
        WITHOUT_LOAD,
        [[0, 1, 0, 1]],
        [[0, 0, 0, 1]],
        "in layer 0 expert 0 has 3 replicas and every other has one, at zero load; better: [0, 1, 0, 1]",
    ),
    Edge(EVEN_AT_ZERO, case([0, 0], 3, 3), [[0, 1, 0]]),
    Edge(EVEN_AT_ZERO, case([0, 0], 5, 5), [[0, 1, 0, 1, 0]], [[0, 1, 0, 0, 0]], "better: [0, 0, 0, 1, 1]"),
    Edge(EVEN_AT_ZERO, case([0], 4, 2), [[0, 0, 0, 0]]),
    Edge(EVEN_AT_ZERO, case([0, 0, 0], 7, 7), [[0, 0, 0, 1, 1, 1, 2]]),
    Edge(EVEN_AT_ZERO, case([0, 0], 4, 1), [[0, 0, 0, 1]]),
]

EDGES = ANSWERS
