"""Edges of the checks of quality: against the optimum, chance, capacity, and the peak of plain top-K."""

from edges import Edge, script
from routings import case, mask

NEAR, DROPS, FULL = "router_is_near_the_optimum", "router_drops_only_where_experts_are_full", "router_respects_capacity"
LOWERS, BALANCES = "router_lowers_the_peak_of_a_skewed_batch", "router_balances_a_skewed_batch"
KEEPS, TYPE, FIRST = (
    "router_keeps_a_balanced_top_k",
    "router_tells_apart_what_its_float_type_does",
    "router_keeps_who_comes_first",
)

CROSS = case([[0.75, 0.25], [0.25, 0.75]])  # at random each token gets a half
LEAN = case([[0.75, 0.25], [0.1875, 0.75]])  # the second a little less
TRIPLE = case([[0.75, 0.5, 0.25]], 2)  # two at random score 1.0
LOWER = case([[0.75, 0.5, 0.125]], 2)  # two at random score 0.92, the best and the last 0.875
GREEDY = case([[0.75, 0.5], [1, 0]])
LEVEL = case([[0.5, 0.5], [1, 0]])
LAST = case([[0.75, 0.5], [0.75, 0.5], [0.5, 0.5]])
SHARE = case([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 1, 0.5625]])  # at random 4.06 / 4, at the best 3: 1.98 to be gained
ONE_SHORT = case([[0.75, 0.25], [0.5, 0.25]])
OVERFULL = case([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75]])
ONLINE = ("online",)
CHANCE_EDGES = [
    Edge(
        NEAR, CROSS, script([[0], [0]], [[1], [0]]), [[1], [0]], "at its own peak load of 1 the optimum scores 1.5, it"
    ),
    Edge(NEAR, LEAN, [[0], [1]], [[0], [0]], "random balanced routing scores more"),
    Edge(NEAR, CROSS, [[1], [0]], capabilities=("random",)),
    Edge(NEAR, CROSS, [[1], [0]], capabilities=("group limited",)),
    Edge(NEAR, CROSS, mask("10 00"), mask("01 00"), "with 1 assignments dropped, as it drops, the optimum scores 0.75"),
    Edge(NEAR, CROSS, mask("00 00"), None),
    Edge(NEAR, TRIPLE, mask("001"), None),
    Edge(NEAR, LOWER, mask("010"), mask("001"), "with 1 assignments dropped"),
    Edge(NEAR, LOWER, mask("110"), mask("101"), "scores more"),
    Edge(NEAR, GREEDY, [[1], [0]], [[0], [1]], "scores 1.5, it scores 0.75"),
    Edge(NEAR, GREEDY, [[0], [1]], capabilities=ONLINE),
    Edge(NEAR, LEVEL, [[0], [1]], None, capabilities=ONLINE),
    Edge(NEAR, LAST, [[0], [1], [0]], [[1], [1], [0]], "scores more", capabilities=ONLINE),
    Edge(NEAR, TRIPLE, mask("101"), mask("011"), "scores more", capabilities=ONLINE),
    Edge(NEAR, GREEDY, [[1], [0]], capabilities=ONLINE),  # what comes later may be worth more
    Edge(NEAR, case([[0.75, 0.25], [0.5, 0.25], [1, 0]]), mask("10 00 01"), mask("01 00 01"), "1 assi", ONLINE),
    Edge(NEAR, CROSS, mask("11 00"), None),
    Edge(NEAR, case([[0.75, 0.25], [0.5, 0.75]]), None, mask("11 00"), "scores 1: 0.5 lost, 133.33% of"),
    Edge(NEAR, case([[0.75, 0.25], [0.5, 0.75]]), None, mask("11 10"), "0.75 lost, 66.67% of", max_gap=0.5),
    Edge(NEAR, OVERFULL, mask("10 01 00"), capabilities=ONLINE),
    Edge(NEAR, SHARE, [[0], [0], [3]], [[0], [0], [1]], "25.20% of the possible gain (more than 25.00%)", max_gap=0.25),
    Edge(NEAR, SHARE, [[0], [0], [2]], [[0], [0], [3]], "(more than 0.00%)", max_gap=0),
    Edge(NEAR, CROSS, [[0], [1]], [[1], [0]], "200.00%", ("random",), max_gap=0.25),
    Edge(NEAR, CROSS, [[0], [1]], [[1], [0]], "200.00%", ("group limited",), max_gap=0.25),
    Edge(NEAR, ONE_SHORT, mask("10 00"), mask("00 10"), "1 assignments dropped, as it drops, ", max_gap=0),
    Edge(NEAR, CROSS, script(*[[[1], [0]]] * 99, [[0], [1]]), script([[1], [0]]), "scores", ("has bias",)),
    Edge(NEAR, CROSS, None, script(*[[[1], [0]]] * 100, [[0], [1]]), "scores", ("has reset",)),
]

DROP_EDGES = [
    Edge(
        DROPS,
        OVERFULL,
        mask("10 00 01"),
        mask("10 10 00"),
        "token 2 is dropped from expert 1, which takes 0 tokens while another takes 2",
    ),
    Edge(DROPS, OVERFULL, script(mask("10 00 01"), mask("10 10 00"))),
    Edge(DROPS, OVERFULL, mask("10 10 10")),  # beyond the best
    Edge(DROPS, OVERFULL, mask("11 10 00")),
    *(
        Edge(DROPS, OVERFULL, mask("10 10 00"), capabilities=(one,))
        for one in ("has reset", "has bias", "stateful", "group limited")
    ),
]

GOOD, BAD, OTHER = [[0], [0], [1]], [[0], [0], [0]], [[1], [1], [1]]
FULL_EDGES = [
    Edge(FULL, OVERFULL, script(GOOD, BAD), BAD, "expert 0 takes 3 tokens, the capacity is 2"),
    Edge(FULL, OVERFULL, script(*[BAD] * 99, GOOD), script(*[GOOD] * 99, BAD), "takes 3", ("has bias",)),
    Edge(FULL, OVERFULL, script(*[GOOD] * 100, BAD), OTHER, "expert 1 takes 3", ("has reset",)),
]

PULL = case([[0.75, 0.25]] * 3)
PEAK_EDGES = [
    Edge(LOWERS, PULL, script(GOOD, BAD), script(BAD, GOOD), "the peak load stays at 3 tokens, that of plain top-K"),
    *(
        Edge(LOWERS, PULL, script(*[BAD] * 99, GOOD), script(*[BAD] * 100, GOOD), "3 tokens in 100 calls, that", (one,))
        for one in ("has reset", "has bias", "stateful")
    ),
]

EVEN = case([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75]])
ONE_MORE, TWO_MORE = [[0], [0], [0], [1]], [[0], [0], [0], [0]]
BALANCE_EDGES = [
    Edge(BALANCES, EVEN, ONE_MORE, TWO_MORE, "the peak load is 4 tokens, plain top-K has 2"),
    Edge(BALANCES, EVEN, script(*[TWO_MORE] * 10, ONE_MORE), script(*[TWO_MORE] * 11, ONE_MORE), "is 4 tokens"),
    Edge(BALANCES, EVEN, script(TWO_MORE, ONE_MORE, TWO_MORE)),
    Edge(
        BALANCES, EVEN, script(*[TWO_MORE] * 109, ONE_MORE), script(*[TWO_MORE] * 110, ONE_MORE), "is 4", ("has bias",)
    ),
]

KEPT_EDGES = [
    Edge(
        KEEPS, CROSS, script([[0], [1]], [[1], [0]]), [[0], [0]], "it gives up the unique, perfectly balanced optimum"
    ),
    Edge(
        TYPE,
        CROSS,
        script([[0], [1]], [[1], [0]]),
        [[0], [0]],
        "token 1 takes [0], though bfloat16 tells its scores apart: [0.25, 0.75]",
    ),
    Edge(TYPE, CROSS, None, [[1], [1]], "token 0 takes [1]"),
    Edge(TYPE, case([[0.75, 0.5, 0.25]], 2), None, mask("101"), "token 0 takes [0, 2]"),
]

QUEUE = case([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75], [0.75, 0.25]])
FIRST_EDGES = [
    Edge(
        FIRST,
        QUEUE,
        mask("10 10 01 00 00"),
        mask("10 00 01 00 10"),
        "tokens [0, 1, 4] want expert 0, in this order, and [0, 4] stay",
    ),
    Edge(FIRST, QUEUE, script(mask("10 10 01 00 00"), mask("00 10 01 00 00")), mask("10 10 00 01 10"), "[3] stay"),
    Edge(FIRST, QUEUE, mask("00 00 00 00 00")),
]

EDGES = [
    *(CHANCE_EDGES + DROP_EDGES + FULL_EDGES + PEAK_EDGES),
    *(BALANCE_EDGES + KEPT_EDGES + FIRST_EDGES),
]
