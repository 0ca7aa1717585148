"""Edges of the checks of invariance: the order of experts and tokens, the float type, padding."""

import numpy as np

from edges import Edge, script
from routings import case, mask

EXPERTS, TOKENS = "router_treats_experts_alike", "router_treats_tokens_alike"
TYPE, TWINS, PADDING = (
    "router_ignores_the_float_type",
    "router_survives_duplicated_experts",
    "router_does_not_look_at_padding",
)

FALLING = case([[0.9, 0.6, 0.3], [0.8, 0.5, 0.2], [0.7, 0.4, 0.1], [0.65, 0.35, 0.05]])
PLAIN = mask("100 100 100 100")


def turned(other, across):
    """What it chooses, in the order of the case, where experts (``across``) or tokens come in reverse order."""

    def routed(scores, top_k):
        if across:
            return other[:, ::-1] if scores[0, 0] < scores[0, -1] else PLAIN
        return other[::-1] if scores[0, 0] < scores[-1, 0] else PLAIN

    return routed


def alike_once(across):
    """Remembers: only its first answer is what it should be."""
    return script(turned(PLAIN, across), mask("001 010 001 010"))


CHANGED = "with the {} in reverse order 3 of 4 tokens change their experts: token 1 from [0] to [1]"
ORDER_EDGES = [
    Edge(check, FALLING, turned(mask("100 010 001 100"), across), turned(mask("100 010 001 010"), across), words)
    for check, across, words in ((EXPERTS, True, CHANGED.format("experts")), (TOKENS, False, CHANGED.format("tokens")))
]
ORDER_EDGES += [Edge(EXPERTS, FALLING, alike_once(True)), Edge(TOKENS, FALLING, alike_once(False))]


def by_type(dtype):
    return lambda scores, top_k: mask("010 100 100 100") if scores.dtype == dtype else PLAIN


TYPE_EDGES = [
    Edge(
        TYPE, FALLING, script(PLAIN, mask("010 100 100 100")), by_type(np.float32), "as float32 the same scores go to"
    ),
    Edge(TYPE, FALLING, None, by_type(np.float16), "as float16 the same scores go to [[1], [0], [0], [0]]"),
]

PAIRED = case([[0.5, 0.5, 0.25, 0.25]] * 2, 2)
TWIN_EDGES = [Edge(TWINS, PAIRED, mask("1010 0001"), mask("1100 1110"), "token 1 gets 3 experts, not 2")]

PADDED = case([[0.75, 0.25, 0.125]] * 3)
STAY = [[0], [-1], [0]]


def looks(scores, top_k, mask):
    assert mask.tolist() == [True, False, True]
    return STAY if scores[1, 0] < scores[1, 1] else [[1], [-1], [0]]


PADDING_EDGES = [
    Edge(
        PADDING, PADDED, STAY, script(STAY, STAY, STAY, looks), "other padding sends the real tokens to [[1], [0]], not"
    ),
    Edge(PADDING, PADDED, script(STAY, STAY, STAY, STAY, [[1], [-1], [1]])),
    Edge(PADDING, PADDED, script(STAY, STAY, STAY, STAY, looks)),
    Edge(PADDING, PADDED, lambda scores, top_k, mask: [[0], [int(scores[1, 0] > 0)], [0]]),
]

EDGES = [*ORDER_EDGES, *TYPE_EDGES, *TWIN_EDGES, *PADDING_EDGES]
