"""Edges of the checks of placers: loads of experts, slots of devices; answers are ``physical_to_logical[L, P]``."""

import numpy as np

from edges import Edge, on_calls
from edges_placer_quality import NOWHERE, ONCE, ONE_DEVICE, QUALITY, SPLIT, UNSPLIT, boom, by_slots, case, once
from equipoise.roles.placer import PlacerCase
from miniatures import Kind

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
    Edge("placer_works_with_one_device", ONE_DEVICE, None, boom, "); better: None"),
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

RENAMED = "placer_ignores_the_order_of_experts"
SCALED = "placer_ignores_the_scale"
LAYERS = "placer_places_layers_apart"
RANKS = "placer_decides_alike_on_every_rank"
TYPES = "placer_takes_any_number_type"
PAIR = case([17, 5], 4, 2)
TOGETHER = [[0, 1, -1, -1]]
SEPARATE = [[0, -1, 1, -1]]
SPLIT_3 = [[0, 1, 0, 1]] * 3
LARGEST_SCALED, TOO_LARGE = case([2**40 - 1, 1], 4, 2), case([2**40, 1], 4, 2)
MOVING = PlacerCase((np.array([[9, 1]]), np.array([[1, 9]])), 4, 1, 1, 2)
INT32, INT64 = case([2**31 - 1, 2**31 - 1, 1], 6, 3), case([2**31, 2**31, 1], 6, 3)
SPREAD = [[0, -1, 1, -1, 2, -1]]
HEAPED = [[0, 1, 2, -1, -1, -1]]


def when(wrong, poor, good):
    """A placer that gives a poor answer where ``wrong(load)``, else a good one."""
    return lambda load, *machine: poor if wrong(load) else good


def by_layers(*loads):
    """The case of these loads, and what places layers with a slot of each expert on every device."""
    return case(loads, 4, 2)


def layer_poor_if(layer, needed):
    """A placer that heaps one layer's experts where another layer has load."""

    def place(load, *machine):
        placed = np.array([[0, 1, 0, 1]] * len(load))
        if load[needed].any():
            placed[layer] = [0, 1, -1, -1]
        return placed

    return place


def told(*answers):
    """A placer that is told its rank, or which devices there are, and gives these answers in turn."""

    class InTurn(Kind):
        def __call__(self, load, *machine, rank=None, live=None):
            self.calls += 1
            return answers[(self.calls - 1) % len(answers)]

    return InTurn


def by_rank(answers):
    """A placer that is told its rank, and answers this by rank and load."""
    return lambda load, *machine, rank: answers(rank, load)


INVARIANCE = [
    Edge(
        RENAMED,
        PAIR,
        when(lambda load: load[0, 0] < load[0, 1], [[-1, 0, -1, 1]], SEPARATE),
        when(lambda load: load[0, 0] < load[0, 1], TOGETHER, SEPARATE),
        "with the experts in reverse order the peak of layer 0 is 22, not 17",
    ),
    Edge(
        SCALED,
        LARGEST_SCALED,
        SPLIT,
        when(lambda load: load.max() > 2**41, [[0, -1, 0, 1]], SPLIT),
        "with all loads times 1024 the peak of layer 0 is 562949953421824, not 1024 times 549755813888",
    ),
    Edge(SCALED, TOO_LARGE, when(lambda load: load.max() > 2**41, UNSPLIT, SPLIT)),
    Edge(
        LAYERS,
        by_layers([4, 2], [6, 0], [8, 2]),
        SPLIT_3,
        layer_poor_if(0, 2),
        "the peak of layer 0 goes from 6 to 3 when the other layers lose their load",
    ),
    Edge(
        LAYERS,
        by_layers([4, 2], [6, 0], [8, 2]),
        layer_poor_if(1, 2),  # only the first and the last layer are tried
        layer_poor_if(2, 1),
        "the peak of layer 2 goes from 10 to 5",
    ),
    Edge(
        RANKS,
        MOVING,
        by_rank(lambda rank, load: SPLIT if load[0, 0] == 9 else UNSPLIT),
        by_rank(lambda rank, load: UNSPLIT if rank and load[0, 0] == 1 else SPLIT),
        "in call 2 rank 1 decides for [[0, 1, -1, -1]], rank 0 for [[0, 1, 0, 1]]; better: [[0, 1, 0, 1]]",
    ),
    Edge(RANKS, MOVING, told(SPLIT, UNSPLIT, SEPARATE)),
    *(
        Edge(TYPES, INT32, SPREAD, when(lambda load, of=of: load.dtype == of, HEAPED, SPREAD), "4294967294 tokens")
        for of in ("int32", "int64", "float64")
    ),
    Edge(TYPES, INT32, None, when(lambda load: load.dtype == "float32", HEAPED, SPREAD), "4294967296 tokens"),
    Edge(TYPES, INT32, HEAPED, [[0, 0, 0, 1, 1, 1]], "nowhere", ("ignores the load",)),
    Edge(TYPES, INT64, SPREAD, when(lambda load: load.dtype == "int64", HEAPED, SPREAD), "4294967296 tokens"),
    Edge(TYPES, INT64, when(lambda load: load.dtype == "int32", HEAPED, SPREAD)),
    Edge(TYPES, INT32, once(SPREAD, HEAPED)),
]

FOLLOWS = "placer_follows_the_load"
MACHINE = "placer_follows_the_machine"
DEAD = "placer_leaves_dead_devices_empty"
HOTTER = PlacerCase((np.array([[10, 4, 1]]), np.array([[1, 4, 10]])), 6, 1, 1, 3)  # the mean is 5
GROWS = PlacerCase((np.array([[6, 4, 1]]), np.array([[10, 4, 1]])), 3, 1, 1, 1, machines=(np.array([6, 1, 1, 3]),))
ALONE_AND_SPREAD = by_slots({3: [[0, 1, 2]], 6: [[0, -1, 1, 2, -1, -1]]})
ALONE_AND_HEAPED = by_slots({3: [[0, 1, 2]], 6: [[0, 2, 1, -1, -1, -1]]})


class RemembersTheFirst(Kind):
    def answer(self, *given):
        return (
            ALONE_AND_SPREAD(*given)
            if self.calls == 1
            else by_slots({3: [[0, 1, 2]], 6: [[1, 2, 0, -1, -1, -1]]})(*given)
        )


ONE_DIES = PlacerCase((np.array([[3, 5]]),), 6, 1, 1, 3, live=(np.array([True, False, True]),))
# three of four devices live, and the mean on them is 4
THREE_LIVE = PlacerCase((np.array([[5, 5, 1, 1]]),), 16, 1, 1, 4, live=(np.array([True, True, False, True]),))


def on_four(*held):
    """Four slots of each of four devices: what they hold first, the rest empty."""
    return [[expert for some in held for expert in (some + [-1] * 4)[:4]]]


STATE = [
    Edge(
        FOLLOWS,
        HOTTER,
        when(lambda load: load[0, 0] == 1, [[2, -1, 1, 0, -1, -1]], [[0, -1, 1, 2, -1, -1]]),
        when(lambda load: load[0, 0] == 1, [[2, 0, 1, -1, -1, -1]], [[0, -1, 1, 2, -1, -1]]),
        "has 11 tokens",
    ),
    Edge(FOLLOWS, HOTTER, on_calls(range(1, 3), [[0, -1, 1, -1, 2, -1]], HEAPED)),
    Edge(MACHINE, GROWS, ALONE_AND_SPREAD, ALONE_AND_HEAPED, "has 11 tokens"),
    Edge(MACHINE, GROWS, ALONE_AND_HEAPED, [[0, 1, 2]], "of shape (1, 3)", ("ignores the load",)),
    Edge(
        MACHINE,
        GROWS,
        None,
        RemembersTheFirst,
        "in call 2, after another machine, it answers [[1, 2, 0, -1, -1, -1]], not [[0, -1, 1, 2, -1, -1]]",
    ),
    Edge(MACHINE, GROWS, RemembersTheFirst, capabilities=("stateful",)),
    Edge(MACHINE, GROWS, on_calls(range(1, 3), ALONE_AND_SPREAD, ALONE_AND_HEAPED)),
    Edge(
        DEAD,
        ONE_DIES,
        told([[0, -1, -1, -1, 1, -1]]),
        told([[0, 1, 0, -1, 1, -1]]),
        "in call 1 it puts expert 0 of layer 0 on device 1, which is dead: live = [True, False, True]; "
        "better: [0, 1, -1, -1, 0, 1]",
    ),
    Edge(
        DEAD,
        THREE_LIVE,
        told(on_four([0, 2], [1, 3], [], [])),
        told(on_four([0, 2, 3], [1], [], [])),
        "has 7 tokens, 4 can be had: 1.75 times the proved bound of 4, allowed are 1.5 times",
    ),
    Edge(
        DEAD,
        THREE_LIVE,
        told(on_four([1, 2, 3], [0], [], [0])),
        told(on_four([0, 1], [2], [], [3])),
        "has 10 tokens, 4 can be had: 2.5 times the proved bound of 4, allowed are 2 times",
    ),
    Edge(
        DEAD,
        THREE_LIVE,
        told(on_four([0, 1, 2, 3], [], [], [])),
        told(on_four([], [], [0, 1, 2, 3], [])),
        "which is dead",
        ("ignores the load",),
    ),
    Edge(DEAD, ONE_DIES, told([[0, -1, -1, -1, 1, -1]], [[0, 1, -1, -1, -1, -1]])),
]

PLACED = "placer_places_every_expert_at_production_size"
BOUND = "placer_is_near_the_bound_at_production_size"
ALIKE = "placer_treats_layers_alike_at_production_size"
LAYERS_AGAIN = case([[10, 4, 1], [5, 5, 5], [10, 4, 1]], 6, 3)  # the mean is 5
FIVE_LAYERS = case([[10, 4, 1]] * 4 + [[1, 10, 4]], 6, 3)
GOOD, FAIR, BAD = [0, -1, 1, -1, 2, -1], [0, -1, 1, 2, -1, -1], [0, 2, 1, -1, -1, -1]
PRODUCTION = [
    Edge(PLACED, LAYERS_AGAIN, [GOOD, BAD, GOOD], [GOOD, [0, 0, 2, -1, -1, -1], GOOD], "places expert 1 of layer 1"),
    Edge(
        BOUND,
        LAYERS_AGAIN,
        [GOOD, BAD, FAIR],
        [GOOD, BAD, BAD],
        "in layer 2 the fullest device has 11 tokens: 2.2 times",
    ),
    Edge(BOUND, LAYERS_AGAIN, [GOOD, BAD, FAIR], [GOOD, [0, 1, 2, -1, 0, 1], BAD], "in layer 2"),
    Edge(BOUND, FIVE_LAYERS, [GOOD] * 5, [GOOD] * 4 + [[1, 2, 0, -1, -1, -1]], "in layer 4"),
    Edge(BOUND, case([1, 4, 10], 6, 3), [[2, -1, 0, 1, -1, -1]], [[2, 0, 1, -1, -1, -1]], "has 11 tokens"),
    Edge(BOUND, LAYERS_AGAIN, on_calls(ONCE, [GOOD] * 3, [BAD] * 3)),
    Edge(
        ALIKE,
        LAYERS_AGAIN,
        [GOOD, BAD, FAIR],
        [GOOD, BAD, BAD],
        "the fullest device of layer 2 has 11 tokens, that of layer 0, with the same loads, 10",
    ),
    Edge(ALIKE, LAYERS_AGAIN, on_calls(ONCE, [GOOD] * 3, [GOOD, BAD, BAD])),
]

EDGES = ANSWERS + QUALITY + INVARIANCE + STATE + PRODUCTION
