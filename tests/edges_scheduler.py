"""Edges of the checks of schedulers: loads of experts, and which devices host them; answers are ``split[E, G]``.

Draws are flagged from a chance of 1e-12 over twice the counts of a case on: that all of n tokens go to one of two
replicas has the chance 2^-n, and 2^-41 > 1e-12 / 4 > 2^-42, 2^-42 > 1e-12 / 6, 1e-12 / 8 > 2^-43.
"""

import numpy as np

from edges import Edge, on_calls
from equipoise.roles.scheduler import SchedulerCase
from miniatures import Kind


def case(load, hosts, live=()):
    return SchedulerCase((np.array(load),), np.array(hosts, bool), tuple(np.array(one, bool) for one in live))


ONCE = range(1, 2)
PAIR = case([10, 6], [[1, 1], [0, 1]])  # optimum 8, an even split 11, first hosts 10
BEST = "; better: [[8, 2], [0, 6]]"
RIGHT, LOST = [[8, 2], [0, 6]], [[9, 0], [0, 6]]
IDLE = case([0, 0], [[1, 1], [0, 1]])
SINGLE = case([10, 6], [[1, 0], [0, 1]])
EVERYWHERE = case([10, 6], [[1, 1], [1, 1]])
COUNTED = SchedulerCase((np.array([9, 1]),), np.array([[2, 1], [0, 1]]))
COUNTS = ("counts replicas",)
HUGE = case([2**31, 1], [[1, 1], [0, 1]])
BY_SOURCE = case([[4, 2], [6, 4]], [[1, 1], [0, 1]])
FLOWS = [[[4, 0], [0, 2]], [[4, 2], [0, 4]]]
AFRESH = SchedulerCase((np.array([10, 6]), np.array([4, 6])), PAIR.hosts)
FRACTIONAL, NEGATIVE, STRAY = [[8.5, 1.5], [0, 6]], [[11, -1], [0, 6]], [[9, 1], [1, 5]]


def once(right, wrong):
    return on_calls(ONCE, right, wrong)


def boom(*given):
    raise ValueError("boom")


ANSWERS = [
    Edge(
        "scheduler_gives_whole_tokens", PAIR, NEGATIVE, FRACTIONAL, "serves 8.5 tokens of expert 0 on device 0" + BEST
    ),
    Edge("scheduler_gives_whole_tokens", PAIR, RIGHT, [[float("nan"), 2], [0, 6]], "serves nan tokens"),
    Edge(
        "scheduler_serves_no_negative_tokens",
        PAIR,
        LOST,
        NEGATIVE,
        "it serves -1 tokens of expert 0 on device 1" + BEST,
    ),
    Edge("scheduler_serves_only_on_hosts", PAIR, LOST, STRAY, "which does not host it" + BEST),
    Edge("scheduler_serves_every_token_once", PAIR, STRAY, LOST, BEST),
    Edge("scheduler_serves_every_token_once", PAIR, RIGHT, [[8, 3], [0, 6]], BEST),
    Edge("scheduler_serves_every_token_once", PAIR, once(RIGHT, LOST)),
    Edge(
        "scheduler_keeps_the_remainder",
        case([11, 6], [[1, 1], [0, 1]]),
        [[11, 0], [0, 6]],
        [[5, 5], [0, 6]],
        "; better: ",
    ),
    Edge("scheduler_works_without_load", IDLE, [[0, 0], [0, 0]], [[0, 0], [0, 1]], "; better: [[0, 0], [0, 0]]"),
    Edge(
        "scheduler_works_with_single_hosts", SINGLE, [[10, 0], [0, 6]], [[9, 0], [0, 6]], "; better: [[10, 0], [0, 6]]"
    ),
    Edge("scheduler_works_with_replicas_everywhere", EVERYWHERE, [[10, 0], [6, 0]], [[5, 4], [3, 3]], "; better: "),
    Edge("scheduler_takes_numbers_of_replicas", COUNTED, [[9, 0], [0, 1]], [[8, 0], [0, 1]], "; better: ", COUNTS),
    Edge(
        "scheduler_works_with_one_device", case([10, 6], [[1], [1]]), [[10], [6]], [[10], [5]], "; better: [[10], [6]]"
    ),
    Edge("scheduler_survives_huge_loads", HUGE, [[2**31, 0], [0, 1]], [[2**31 - 1, 0], [0, 1]], "; better: "),
    Edge("scheduler_serves_what_every_device_sends", BY_SOURCE, FLOWS, [[[4, 0], [0, 2]], [[5, 0], [0, 4]]], BEST),
    Edge("scheduler_serves_what_every_device_sends", BY_SOURCE, RIGHT, [[4, 0], [0, 2]], BEST),
]

NEAR = "scheduler_is_near_the_optimum"
EVEN = "scheduler_is_no_worse_than_an_even_split"
USES = "scheduler_uses_idle_replicas"
FAIRLY = "scheduler_draws_replicas_fairly"
ELEVEN, TWELVE, THIRTEEN = [[5, 5], [0, 6]], [[4, 6], [0, 6]], [[3, 7], [0, 6]]
FIRST_HOSTS = [[1, 0, 1], [1, 0, 1], [0, 1, 1]]
FIRST = case([7, 5, 4], FIRST_HOSTS)  # optimum 6, an even split 9, first hosts 12
CHAIN = case([20, 10], [[1, 1, 0], [0, 1, 1]])  # optimum 10, an even split 15, first hosts 20
UNEVEN = case([[10, 6], [0, 0]], [[1, 1], [0, 1]])
RANDOM = ("random",)


def all_to_last(*load):
    return [[0, 0, tokens] for tokens in load]


NEARNESS = [
    Edge(
        NEAR,
        PAIR,
        ELEVEN,
        TWELVE,
        "device 1 gets 12 tokens; the optimum needs 8, an even split 11, the first host of every expert alone 10"
        + BEST,
    ),
    Edge(
        NEAR,
        FIRST,
        [[0, 0, 7], [0, 0, 5], [0, 4, 0]],
        [[0, 0, 7], [0, 0, 5], [0, 3, 1]],
        "device 2 gets 13 tokens; the optimum needs 6, an even split 9, the first host of every expert alone 12",
    ),
    Edge(
        NEAR,
        PAIR,
        [[6, 4], [0, 6]],
        ELEVEN,
        "device 1 gets 11 tokens; the optimum needs 8: 37.50% too many, allowed is 25.00%" + BEST,
        max_gap=0.25,
    ),
    Edge(NEAR, case([20], [[1, 1]]), [[17, 3]], [[18, 2]], "80.00% too many, allowed is 70.00%", max_gap=0.7),
    Edge(NEAR, IDLE, [[0, 0], [0, 0]], max_gap=0),
    Edge(NEAR, PAIR, RIGHT, [[7, 3], [0, 6]], 'the optimum needs 8, and "exact" is declared', ("exact",), 0.5),
    Edge(NEAR, PAIR, TWELVE, THIRTEEN, "an even split 12, the first", ("only by source",)),  # 5 and 5 start apart
    Edge(NEAR, case([14, 14, 14], FIRST_HOSTS), None, all_to_last(14, 14, 14), "device 2 gets 42 tokens"),
    Edge(NEAR, case([14, 14, 14], FIRST_HOSTS), all_to_last(14, 14, 14), capabilities=RANDOM),
    Edge(NEAR, case([15, 14, 14], FIRST_HOSTS), None, all_to_last(15, 14, 14), "an even split 22, the", RANDOM),
    Edge(NEAR, SchedulerCase((np.array([8, 3]),), np.array([[1, 3], [1, 0]])), [[8, 0], [3, 0]], capabilities=COUNTS),
    Edge(NEAR, PAIR, once(RIGHT, THIRTEEN)),
    Edge(NEAR, PAIR, None, LOST, BEST),
    Edge(NEAR, PAIR, None, boom, "); better: None"),
    Edge(
        "scheduler_relieves_a_device_through_a_chain",
        CHAIN,
        [[20, 0, 0], [0, 10, 0]],
        [[0, 20, 0], [0, 1, 9]],
        "device 1 gets 21 tokens; the optimum needs 10",
    ),
    Edge(
        "scheduler_balances_uneven_starts",
        UNEVEN,
        ELEVEN,
        TWELVE,
        "an even split 11, the first host of every expert alone 10" + BEST,
    ),
    Edge(EVEN, PAIR, ELEVEN, TWELVE, "device 1 gets 12 tokens; an even split over the replicas needs 11" + BEST),
    Edge(EVEN, case([7, 5], [[1, 1], [0, 1]]), [[3, 4], [0, 5]], [[2, 5], [0, 5]], "needs 9"),
    Edge(EVEN, COUNTED, [[6, 3], [0, 1]], [[7, 2], [0, 1]], "over the replicas needs 6", COUNTS),  # three each
    Edge(
        EVEN, case([[3, 2], [3, 3]], [[1, 1], [0, 1]]), [[2, 4], [0, 5]], [[1, 5], [0, 5]], "over the replicas needs 9"
    ),
    Edge(EVEN, case([41], [[1, 1]]), [[41, 0]], capabilities=RANDOM),
    Edge(EVEN, case([41], [[1, 1]]), [[41, 0]], capabilities=("hashes",)),
    Edge(EVEN, case([41], [[1, 1]]), None, [[41, 0]], "needs 21", ("random", "exact")),
    Edge(EVEN, case([42], [[1, 1]]), None, [[42, 0]], "needs 21", RANDOM),
    Edge(EVEN, case([42], [[1, 1, 0]]), [[42, 0, 0]], capabilities=RANDOM),
    Edge(EVEN, case([43], [[1, 1, 0]]), None, [[43, 0, 0]], "needs 22", RANDOM),
    Edge(EVEN, case([[20], [21]], [[1, 1]]), [[41, 0]], capabilities=RANDOM),
    Edge(EVEN, case([[20], [22]], [[1, 1]]), None, [[42, 0]], "needs 21", RANDOM),
    Edge(EVEN, case([100], [[1, 1, 1]]), [[50, 50, 0]], capabilities=RANDOM),  # too few are never flagged
    Edge(
        EVEN,
        case([41, 5, 0], [[1, 1, 0], [1, 0, 0], [0, 0, 1]]),
        [[41, 0, 0], [5, 0, 0], [0, 0, 0]],
        capabilities=RANDOM,
    ),
    Edge(
        USES,
        case([0, 6], [[1, 0, 0, 0], [0, 1, 1, 1]]),
        [[0, 0, 0, 0], [0, 4, 1, 1]],
        [[0, 0, 0, 0], [0, 3, 3, 0]],
        "device 1 serves 3 of the 6 tokens of expert 1, device 3, which hosts it too, none; "
        "better: [[0, 0, 0, 0], [0, 2, 2, 2]]",
    ),
    Edge(USES, SchedulerCase((np.array([2]),), np.array([[2, 1]])), [[2, 0]], capabilities=COUNTS),  # one each
    Edge(USES, SchedulerCase((np.array([4]),), np.array([[1, 2]])), None, [[4, 0]], "device 1, which", COUNTS),
    Edge(USES, case([4], [[1, 1, 1]]), [[2, 2, 0]], [[3, 1, 0]], "device 0 serves 3"),
    Edge(USES, case([41], [[1, 1]]), [[41, 0]], capabilities=RANDOM),
    Edge(USES, case([42], [[1, 1]]), None, [[42, 0]], "device 0 serves 42", RANDOM),
    Edge(
        FAIRLY,
        case([42], [[1, 1]]),
        [[42, 0]],
        capabilities=("hashes",),
    ),
    Edge(
        FAIRLY,
        case([43], [[1, 1]]),
        [[23, 20]],
        [[43, 0]],
        "device 0 serves 43 of the 43 tokens of expert 0, which has 2 replicas",
        ("hashes",),
    ),
    Edge(FAIRLY, case([42], [[1, 1]]), [[42, 0]], capabilities=RANDOM),
    Edge(
        FAIRLY, case([43], [[1, 1]]), None, [[43, 0]], "serves 43 of 43 tokens, which all 2 devices could serve", RANDOM
    ),
    Edge(FAIRLY, case([50, 50], [[1, 1], [0, 1]]), [[50, 0], [0, 50]], [[50, 0], [50, 0]], "not host", RANDOM),
    Edge(FAIRLY, case([10, 100], [[1, 1], [0, 1]]), [[10, 0], [0, 100]], capabilities=RANDOM),
    Edge(FAIRLY, case([50, 50], [[1, 1], [0, 1]]), None, [[50, 0], [0, 50]], "50 tokens of expert 0", ("hashes",)),
    # of six counts, 2^-43 > 1e-12 / 12 > 2^-44
    Edge(FAIRLY, case([21, 22], [[1, 1], [1, 1]]), [[21, 0], [22, 0]], capabilities=("hashes",)),
    Edge(FAIRLY, case([22, 22], [[1, 1], [1, 1]]), None, [[22, 0], [22, 0]], "serves 44 of 44 tokens", ("hashes",)),
]

TYPES = "scheduler_ignores_the_integer_type"
RANKS = "scheduler_decides_alike_on_every_rank"


def told(*answers):
    """A scheduler that is told its rank, or which devices there are, and gives these answers in turn."""

    class InTurn(Kind):
        def __call__(self, load, hosts, rank=None, live=None):
            self.calls += 1
            return answers[(self.calls - 1) % len(answers)]

    return InTurn


TWICE = SchedulerCase((PAIR.load, PAIR.load), PAIR.hosts)
INVARIANCE = [
    Edge(
        TYPES,
        PAIR,
        RIGHT,
        lambda load, hosts: ELEVEN if load.dtype == "int32" else RIGHT,
        "for int64 it answers [[8, 2], [0, 6]], for int32 [[5, 5], [0, 6]]",
    ),
    Edge(
        RANKS,
        TWICE,
        told(RIGHT, ELEVEN, TWELVE),
        lambda load, hosts, rank: ELEVEN if rank else RIGHT,
        "in call 1 rank 1 decides for [[5, 5], [0, 6]], rank 0 for [[8, 2], [0, 6]]" + BEST,
    ),
]

MACHINE = "scheduler_follows_the_machine"
LIVE = "scheduler_serves_on_live_devices_alone"
PLANS = "scheduler_serves_what_it_plans"
IGNORES = ("ignores loads",)
SHRINKS = SchedulerCase(
    (np.array([10, 6]), np.array([10, 6])), np.array([[1, 1, 0], [0, 1, 1]], bool), (np.ones(3, bool), np.arange(3) < 2)
)
# first hosts 10 on three devices, an even split 11 on two
ON_THREE = [[5, 5, 0], [0, 5, 1]]
MIDDLE_DIES = case([10, 6], [[1, 0, 1], [0, 1, 1]], live=[[1, 0, 1]])


def by_devices(on_three, on_two):
    return lambda load, hosts: on_three if hosts.shape[1] == 3 else on_two


class RemembersTheFirst(Kind):
    def answer(self, load, hosts):
        return by_devices(ON_THREE, RIGHT if self.calls == 1 else ELEVEN)(load, hosts)


def plans(shares, split):
    """A scheduler that plans these shares in each of its calls in turn, and serves this split."""

    class Plans(Kind):
        def answer(self, *given):
            self.shares = shares[self.calls - 1]
            return split

    return Plans


def planned(*shares):
    return np.array(shares, float)


LARGE = 10_000_000
STATE = [
    Edge(MACHINE, SHRINKS, by_devices(ON_THREE, ELEVEN), by_devices(ON_THREE, TWELVE), "device 1 gets 12 tokens; the"),
    Edge(MACHINE, SHRINKS, by_devices(ON_THREE, TWELVE), ON_THREE, "of shape (2, 3)", IGNORES),
    Edge(
        MACHINE,
        SHRINKS,
        None,
        RemembersTheFirst,
        "in call 2, after another machine, it answers [[5, 5], [0, 6]], not [[8, 2], [0, 6]]",
    ),
    Edge(MACHINE, SHRINKS, RemembersTheFirst, capabilities=("stateful",)),
    Edge(MACHINE, SHRINKS, on_calls(range(1, 3), by_devices(ON_THREE, RIGHT), by_devices(ON_THREE, ELEVEN))),
    Edge(
        LIVE,
        MIDDLE_DIES,
        told([[5, 0, 5], [0, 0, 6]]),
        told([[4, 0, 6], [0, 0, 6]]),
        "device 1 gets 12 tokens; the optimum needs 8, an even split 11",
    ),
    Edge(
        LIVE,
        MIDDLE_DIES,
        told([[4, 0, 6], [0, 0, 6]]),
        told([[10, 0, 0], [0, 1, 5]]),
        "it sends 1 tokens of expert 1 to device 1, which is dead: live = [True, False, True]; "
        "better: [[8, 0, 2], [0, 0, 6]]",
        IGNORES,
    ),
    Edge(LIVE, MIDDLE_DIES, told([[8, 0, 2], [0, 0, 6]], [[4, 0, 6], [0, 0, 6]])),
    Edge(
        PLANS,
        TWICE,
        plans([planned([0.7, 0.3], [0, 0.1]), planned([0, 1], [1, 0])], RIGHT),
        plans([planned([0.6, 0.4], [0, 1])], RIGHT),
        "it plans 6 of the 10 tokens of expert 0 for device 0 and serves 8",
    ),
    Edge(PLANS, PAIR, None, plans([planned([0.8, 0.2], [0, 0])], RIGHT), "it plans 0 of the 6 tokens of expert 1"),
    Edge(PLANS, PAIR, None, RIGHT, "its shares are no array, not [E, G]"),
    Edge(PLANS, PAIR, None, plans([planned([0.8, 0.2])], RIGHT), "its shares are (1, 2), not [E, G]"),
    Edge(  # half of them is planned for each device: one token more or less, and five
        PLANS,
        case([LARGE], [[1, 1]]),
        plans([planned([1, 1])], [[LARGE // 2 + 6, LARGE // 2 - 6]]),
        plans([planned([1, 1])], [[LARGE // 2 + 7, LARGE // 2 - 7]]),
        "for device 0 and serves 5000007",
    ),
]

SERVES = "scheduler_serves_every_token_at_production_size"
TRIVIAL = "scheduler_is_no_worse_than_trivial_at_production_size"
ROUGH = ("approximate",)
PRODUCTION = [
    Edge(SERVES, PAIR, [[10, 0], [0, 6]], LOST, "tokens"),
    Edge(SERVES, PAIR, once(RIGHT, LOST)),
    Edge(TRIVIAL, PAIR, ELEVEN, TWELVE, "device 1 gets 12 tokens; an even split over the replicas needs 11"),
    Edge(TRIVIAL, PAIR, ELEVEN, TWELVE, "needs 11", ROUGH),
    Edge(TRIVIAL, FIRST, None, [[0, 0, 7], [0, 0, 5], [0, 4, 0]], "device 2 gets 12 tokens"),
    Edge(TRIVIAL, FIRST, [[0, 0, 7], [0, 0, 5], [0, 4, 0]], [[0, 0, 7], [0, 0, 5], [0, 3, 1]], "13", ROUGH),
    Edge(TRIVIAL, case([41], [[1, 1]]), [[41, 0]], capabilities=RANDOM),
    Edge(TRIVIAL, case([42], [[1, 1]]), None, [[42, 0]], "needs 21", RANDOM),
]

EDGES = ANSWERS + NEARNESS + INVARIANCE + STATE + PRODUCTION
