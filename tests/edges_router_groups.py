"""Edges of the checks of groups: two groups of two experts unless a case says otherwise."""

import numpy as np

from edges import Edge, script
from equipoise.errors import TargetError
from routings import case, mask, top, weighted

WITHIN, REFUSES = "router_stays_within_its_groups", "router_refuses_more_experts_than_its_groups_hold"
HOLD, BEST = "router_takes_what_its_groups_hold", "router_takes_the_best_of_its_groups"
ALL, WEIGHS = "router_is_not_limited_by_all_groups", "router_weighs_within_its_groups"
PADDING, LOADS = "router_keeps_padding_out_of_its_groups", "router_counts_loads_within_its_groups"
TAKES = ("takes topk_groups",)
NAN = float("nan")


def given(scores, top_k=1, groups=2, used=1):
    return case(scores, top_k, groups, used)


PAIRS = given([[0.75, 0.5, 0.25, 0.125], [0.75, 0.5, 0.25, 0.125]], 2)
LOOSE = case([[0.75, 0.5, 0.25, 0.125]], 3)  # written before groups were drawn: 2 of 4
IN_ONE, IN_TWO = mask("1100 0011"), mask("1100 0110")


def own(answer, groups, used, **shown):
    """A router with groups of its own, which takes none."""
    return script(lambda scores, top_k: answer, num_groups=[groups], topk_groups=[used], **shown)


def exact(answer, groups=2, used=1):
    def routed(scores, top_k, num_groups, topk_groups):
        assert (num_groups, topk_groups) == (groups, used)
        return answer

    return routed


USES = "token 1 uses 2 of 2 groups, not at most 1"
WITHIN_EDGES = [
    Edge(WITHIN, PAIRS, script(exact(IN_ONE), IN_TWO), exact(IN_TWO), USES, TAKES),
    Edge(WITHIN, PAIRS, own(IN_ONE, 2, 1), own(IN_TWO, 2, 1), USES),
    Edge(WITHIN, PAIRS, own(IN_TWO, 2, 2)),
    Edge(WITHIN, PAIRS, own(IN_TWO, 2, 0)),
    Edge(WITHIN, PAIRS, own(IN_TWO, 0, 1)),
    Edge(WITHIN, PAIRS, own(IN_TWO, 3, 1)),  # does not divide the experts
    Edge(WITHIN, PAIRS, own(IN_TWO, 2, None)),
    Edge(WITHIN, PAIRS, own(IN_TWO, 2, [1])),
    Edge(WITHIN, PAIRS, own(IN_TWO, 4, 1)),  # too little room: refusing is another check's
    Edge(
        WITHIN, PAIRS, own(mask("1100 1000"), 4, 2), own(mask("1100 1110"), 4, 2), "uses 3 of 4 groups, not at most 2"
    ),
    Edge(WITHIN, case([[0.75, 0.5, 0.25, 0.125]], 2), mask("0110"), mask("1110"), "token 0 uses 3 of 4", TAKES),
    Edge(WITHIN, given([[0.5] * 6], 4, 3, 2), mask("110011"), mask("110101"), "uses 3 of 3 groups, not at mo", TAKES),
]

TIGHT = given(PAIRS.scores, 3)  # three of two


def raises(scores, top_k, **keywords):
    raise ValueError("no")


def hangs(scores, top_k, **keywords):
    raise TargetError("it hangs", "hangs")


GIVES = "1 of 2 groups hold 2 experts, K is 3: it gives token 1 "
REFUSE_EDGES = [
    Edge(REFUSES, TIGHT, raises, hangs, "it hangs", TAKES),
    Edge(REFUSES, TIGHT, script(raises, IN_ONE), mask("1110 1110"), "it gives token 0 3 experts of 2 groups", TAKES),
    Edge(REFUSES, TIGHT, mask("1100 0011"), mask("1100 0110"), GIVES + "2 experts of 2 groups", (*TAKES, "drops")),
    Edge(REFUSES, TIGHT, mask("1100 0011"), mask("1100 1010"), GIVES, (*TAKES, "any number")),
    Edge(REFUSES, TIGHT, None, IN_ONE, "it gives token 0 2 experts of 1 groups and does not refuse", TAKES),
    Edge(REFUSES, TIGHT, own(mask("1110 1110"), 2, 2), own(mask("1110 1110"), 2, 1), "2 groups hold 2 experts"),
    Edge(REFUSES, TIGHT, own(mask("1110 1110"), 3, 1)),
    Edge(REFUSES, PAIRS, IN_TWO, capabilities=TAKES),  # there is room
]


def refusing(*refused, error=ValueError):
    """Refuses these pairs of K and groups; ``None`` stands for none."""

    def routed(scores, top_k, num_groups=None, topk_groups=None):
        assert num_groups != 1 or topk_groups == 1
        if (top_k, num_groups) in refused:
            raise error("no")
        return top(scores, top_k)

    return routed


TAKES_ONE = "1 of 2 groups hold 2 experts, but it takes K = 1 and refuses K = 2"
RAISED, ALONE = "it raised", "but it takes"
HOLD_EDGES = [
    Edge(HOLD, PAIRS, refusing((1, 2), (2, 1), (2, None)), refusing((2, 2)), TAKES_ONE, TAKES),
    Edge(HOLD, PAIRS, None, refusing((2, 2), (2, 1)), TAKES_ONE, TAKES),
    Edge(HOLD, PAIRS, None, refusing((2, 2), (2, None)), TAKES_ONE, TAKES),
    Edge(HOLD, PAIRS, None, refusing((2, 2), (2, None), (2, 1)), RAISED, TAKES, unsaid=ALONE),  # that is a refusal
    Edge(HOLD, PAIRS, None, refusing((2, 2), (1, 2)), RAISED, TAKES, unsaid=ALONE),
    Edge(HOLD, PAIRS, None, refusing((2, 2), error=KeyError), RAISED, TAKES, unsaid=ALONE),
    Edge(
        HOLD, given(PAIRS.scores, 1), None, refusing((1, 2)), RAISED, TAKES, unsaid=ALONE
    ),  # K = 0 is nothing to ask for
    Edge(
        HOLD,
        given(PAIRS.scores, 3, 2, 2),
        None,
        refusing((3, 2)),
        "2 of 2 groups hold 4 experts, but it takes K = 1",
        TAKES,
    ),
]


def best(scores, chosen, wrong=None, says="no rule for groups explains that", top_k=1, groups=2, used=1, **more):
    """An edge about one token; the experts are said by their numbers, None for what is not tried."""
    one = None if chosen is None else exact([chosen], groups, used)
    other = None if wrong is None else exact([wrong], groups, used)
    return Edge(BEST, given([scores], top_k, groups, used), one, other, says, **({"capabilities": LIMITED} | more))


LIMITED = TAKES
LEADER = [0.9, 0.1, 0.6, 0.5]  # the largest stands in one group, the two largest together in the other
NEVER = [0.05] * 4  # a group that is in any case
BY_THREE = [*NEVER, 0.005, 0.005, 0.005, -0.3, 0.02, 0, -0.03, -0.03]  # by its three largest the second group


def without_groups(plain, limited):
    """Chooses one with groups, and what ``plain`` says for no groups or one."""

    def routed(scores, top_k, num_groups=None, topk_groups=None):
        assert topk_groups in (None, 1)
        return limited if num_groups == 2 else plain(num_groups)

    return routed


def refuses_to(number):
    if number is None:
        raise ValueError("groups are needed")
    return [[1]]


BEST_EDGES = [
    best(LEADER, [0], [1], "token 0 takes [1] with 1 of 2 groups; no rule for groups explains that"),
    best(LEADER, [2], [3]),
    Edge(
        BEST,
        given([LEADER, LEADER]),
        exact([[2], [2]]),
        exact([[0], [2]]),
        "token 1 takes [2] with 1 of 2 groups; no rule for groups explains that and the tokens before",
        TAKES,
    ),
    best([0.03, -0.05, -0.05, -0.05, 0.01, 0.01, -0.3, -0.3], [4], [1]),  # by its two largest
    best([0.03, -0.05, -0.05, -0.05, 0.01, 0.01, -0.3, -0.3], [0, 1], [0, 4], top_k=2),  # by its largest
    best(BY_THREE, [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 7], top_k=7, groups=3, used=2),  # three for seven
    best(BY_THREE, [0, 1, 2, 3, 4], [0, 1, 2, 4, 5], top_k=5, groups=3, used=2),  # and for five
    best([3, -9, 2.9, 2, 2.5, 2.5], [2], [3], groups=3),  # by what a softmax makes of two
    best([5, 1, 2, 2, 0, 0], [2], [1], groups=3),  # a sigmoid
    best([-0.3, 0.1, -2.8, 4.7, 3.4, -2.1, 1.8, -3.1], [4], [5], groups=4),  # a sigmoid: 1.08, before 1.05
    best([0.9, 0.1, 0.45, 0.5], [3], [2]),  # by what a softmax was made of
    best([0.83, 0.65, 0.53, 0.12, 0.44, 0.95, 0.06, 0.96], [5], [4], groups=4),  # a sigmoid: 2.70, before 2.20
    best([0.9, 0.8, 0.7, 0.1, 0.05, 0.05], [0, 1], [0, 2], top_k=2, groups=3, used=2),
    best([0.9, 0.8, 0.85, 0.1, 0.05, 0.05], [0, 2], [0, 1], top_k=2, groups=3, used=2),
    best([0.9, 0.8, 0.7, 0.1, 0.05, 0.05], None, [0, 4], top_k=2, groups=3, used=2),
    best([0.9, 0.05, 0.5, 0.1, 0.3, 0.3], [0, 4], [0, 1], top_k=2, groups=3, used=2),  # the others tie by two
    best([0.9, 0.05, 0.5, 0.1, 0.3, 0.3], [0, 2], [0, 3], top_k=2, groups=3, used=2),
    best([0.5, 0.25, 0.5, 0.25], [0], [1]),
    best([0.5, 0.25, 0.5, 0.25], [2, 3], [0, 2], top_k=2),
    best([0.5, 0.25, 0.5, 0.25, 0.1, 0.1], [0], [4], groups=3),
    best([-0.5, -0.25, -0.75, -0.875], [1], [2]),
    best([0.5, 0.5 + 1e-6, 0.25, 0.25], [0], [2]),  # closer than any gate keeps apart
    best([0.5, 0.5 + 1e-3, 0.25, 0.25], [1], [0]),
    Edge(BEST, given([LEADER]), exact([[0]]), exact([[-1]]), "token 0 takes []", TAKES),
    Edge(BEST, given([[0.9, 0.8, 0.2, 0.1]], 2), exact(mask("1100")), exact(mask("1000")), "token 0 takes [0]", TAKES),
    Edge(BEST, given([LEADER]), own([[0]], 2, 1), own([[1]], 2, 1), "token 0 takes [1]"),
    Edge(BEST, given([LEADER]), own([[1]], 2, 1), capabilities=("balances",)),
    Edge(BEST, given([LEADER]), own([[1]], 3, 1)),
    Edge(BEST, given([LEADER], 3), own(mask("1110"), 2, 1)),
    Edge(BEST, given([LEADER]), own([[1]], 2, 1, bias=[[0, 1, 0, 0]]), own([[0]], 2, 1, bias=[[0, 1, 0, 0]]), "[0]"),
    Edge(BEST, given([LEADER]), own([[0]], 2, 1, bias=[[1]]), own([[1]], 2, 1, bias=[[0, 1]]), "token 0 takes [1]"),
    Edge(BEST, given([LEADER]), own([[0]], 2, 1, bias=[[0] * 4, [0, 1, 0, 0]])),
    Edge(  # what balances takes other experts without groups too
        BEST,
        given([LEADER]),
        without_groups(lambda number: [[1]], [[1]]),
        without_groups(lambda number: [[1]] if number else [[0]], [[1]]),
        "token 0 takes [1]",
        TAKES,
    ),
    Edge(BEST, given([LEADER]), None, without_groups(lambda number: [[0]] if number else [[1]], [[1]]), "[1]", TAKES),
    Edge(BEST, given([LEADER]), None, without_groups(refuses_to, [[1]]), "token 0 takes [1]", TAKES),
    Edge(
        BEST,
        given([LEADER, LEADER]),
        without_groups(lambda number: [[0], [1]], [[0], [1]]),
        without_groups(lambda number: [[0], [0]], [[0], [1]]),
        "token 1 takes [1]",
        TAKES,
    ),
    Edge(BEST, given([LEADER]), without_groups(lambda number: [[-1]], [[1]]), capabilities=TAKES),
    Edge(BEST, given([LEADER]), script(exact([[0]]), [[1]]), None, "", TAKES),
]

SLACK = given([[0.75, 0.5, 0.25, 0.125], [0.75, 0.5, 0.5, 0.125]], 2)
FREE = mask("1100 1100")


def limited_by_all(limited, free):
    def routed(scores, top_k, num_groups, topk_groups):
        assert num_groups == topk_groups
        return {2: limited, 1: free}[num_groups]

    return routed


def weighing(second):
    return mask("1100 1100"), np.array([[0.6, 0.4, 0, 0], [0.6, second, 0, 0]])


ALL_EDGES = [
    Edge(
        ALL,
        SLACK,
        limited_by_all(mask("1100 1010"), FREE),
        limited_by_all(mask("1010 1100"), FREE),
        "with all of 2 groups token 0 goes elsewhere than with one group",
        TAKES,
    ),
    Edge(ALL, given(SLACK.scores, 4), limited_by_all(mask("1111 1111"), mask("1111 1111")), None, "", TAKES),
    Edge(ALL, given(SLACK.scores, 4), None, limited_by_all(mask("1111 1110"), mask("1111 1111")), "token 1", TAKES),
    Edge(ALL, given(SLACK.scores, 1), None, limited_by_all(mask("1000 0100"), mask("1000 1000")), "token 1", TAKES),
    Edge(
        ALL,
        SLACK,
        limited_by_all(weighing(0.400002), weighing(0.4)),
        limited_by_all(weighing(0.4001), weighing(0.4)),
        "with all of 2 groups token 1 has the weights [0.6, 0.4001], with one group [0.6, 0.4]",
        TAKES,
    ),
    Edge(ALL, SLACK, limited_by_all(weighing(NAN), weighing(NAN)), None, "", TAKES),
    Edge(ALL, SLACK, limited_by_all(FREE, weighing(0.4)), None, "", TAKES),
    Edge(ALL, SLACK, limited_by_all(weighing(0.4), FREE), None, "", TAKES),
    Edge(  # which of equals it takes decides the weights
        ALL,
        SLACK,
        limited_by_all((mask("1100 1010"), np.array([[0.6, 0.4, 0, 0], [0.7, 0, 0.3, 0]])), weighing(0.4)),
        None,
        "",
        TAKES,
    ),
]


def weights(first, second):
    return weighted([[0, 1], [2, 3]], [first, second])


LOGITS = given([[2, 1, 0, -1], [2, 1, 0, -1]], 2)
WEIGH_EDGES = [
    Edge(
        WEIGHS,
        PAIRS,
        weights([0.5, 0.5], [1, 0]),
        weights([0.5, 0.5], [0, 1]),
        "token 1 has scores [0.125, 0.25]",
        TAKES,
    ),
    Edge(
        WEIGHS, PAIRS, weights([0.5, 0.5 + 1e-7], [1, 0]), weights([0.5, 0.5001], [1, 0]), "token 0 has scores", TAKES
    ),
    Edge(WEIGHS, PAIRS, IN_ONE, weights([0.5, 0.5], [1, -0.01]), "token 1", TAKES),
    Edge(WEIGHS, PAIRS, None, weights([0.5, NAN], [1, 0]), "token 0", TAKES),
    Edge(WEIGHS, LOGITS, weights([0.5, 0.6], [1, -1]), weights([0.5, 0.5], [1, np.inf]), "token 1", TAKES),
    Edge(WEIGHS, given([[0.5, 0.5 - 1e-6, 0, 0]], 2), weighted([[0, 1]], [[0.4, 0.6]]), None, "", TAKES),
    Edge(WEIGHS, PAIRS, own(weights([0.5, 0.6], [1, NAN]), 4, 1), own(weights([1, 0], [0, 1]), 2, 1), "token 1"),
    Edge(WEIGHS, PAIRS, own(weights([0.5, 0.6], [1, NAN]), 3, 1)),
    Edge(WEIGHS, PAIRS, script(weights([1, 0], [1, 0]), weights([0, 1], [0, 1])), None, "", TAKES),
]

PADDED = given([[0.75, 0.5, 0.25, 0.125]] * 8, 2)
SENT = mask("1100 0000 1100 1100 0000 1100 1100 0000")
SENT_ON = mask("1100 0000 1100 1100 0000 1100 1100 1000")


def looks(scores, top_k, mask, **groups):
    moved = SENT.copy()
    moved[0] = [scores[1, 0] > scores[1, 3], 1, 1, 0]
    return moved


def pads(scores, top_k, mask, num_groups, topk_groups):
    assert (num_groups, topk_groups) == (2, 1)
    assert not mask[[1, 4, 7]].any()
    assert scores[1].tolist() == scores[4].tolist()
    return mask[:, None] & SENT


PADDING_EDGES = [
    Edge(PADDING, PADDED, pads, SENT_ON, "padding token 7 is sent to 1 experts with 1 of 2 groups", TAKES),
    Edge(PADDING, PADDED, script(SENT, SENT_ON), looks, "other padding sends the real tokens to", TAKES),
    Edge(PADDING, PADDED, own(SENT_ON, 3, 1)),
    Edge(PADDING, PADDED, own(SENT_ON, 4, 1)),
]

LOAD_EDGES = [
    Edge(
        LOADS,
        PAIRS,
        script(IN_ONE, load=[[0] * 4, [1, 1, 1, 1], [2, 2, 2, 2]]),
        script(IN_ONE, load=[[0] * 4, [2, 2, 0, 0]]),
        "its load is [2, 2, 0, 0], not [1, 1, 1, 1], with 1 of 2 groups",
        TAKES,
    ),
    Edge(LOADS, PAIRS, None, IN_ONE, "its load is None", TAKES),
    Edge(LOADS, PAIRS, own(IN_ONE, 3, 1), own(IN_ONE, 2, 1, load=[[2, 2, 0, 0]]), "its load is [2"),
    Edge(LOADS, PAIRS, own(IN_ONE, 4, 1)),
]

EDGES = [
    *(WITHIN_EDGES + REFUSE_EDGES + HOLD_EDGES + BEST_EDGES),
    *(ALL_EDGES + WEIGH_EDGES + PADDING_EDGES + LOAD_EDGES),
]
