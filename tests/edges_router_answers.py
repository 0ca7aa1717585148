"""Edges of the checks of answers: tokens get K experts, padding gets none."""

from edges import Edge, script
from routings import case, mask

THREE = case([[0.75, 0.5, 0.25], [0.75, 0.5, 0.25], [0.75, 0.5, 0.25]], top_k=2)
EIGHT = case([[0.75, 0.25]] * 8)
"""Tokens 1, 4 and 7 are padding: every third, from the second on."""
TWO_EACH = mask("110 011 101")
PADDED = "router_sends_padding_nowhere"


def only_real(scores, top_k, mask):
    return mask[:, None] & (scores > 0.5)


EDGES = [
    *(
        Edge(check, THREE, TWO_EACH, mask("110 100 111"), "token 1 gets 1 experts, not 2")
        for check in (
            "router_gives_k_experts",
            "router_takes_all_when_k_is_e",
            "router_works_with_one_expert",
            "router_works_with_few_tokens",
            "router_works_when_nothing_divides",
            "router_breaks_ties",
            "router_survives_extreme_scores",
        )
    ),
    Edge("router_gives_k_experts", THREE, script(TWO_EACH, mask("110 100 111"))),
    Edge("router_gives_k_experts", THREE, None, mask("110 101 111"), "token 2 gets 3 experts, not 2"),
    Edge(PADDED, EIGHT, only_real, mask("10 00 10 10 00 10 10 10"), "padding token 7 is sent to 1 experts"),
    Edge(PADDED, EIGHT, None, mask("10 00 10 10 01 10 10 00"), "padding token 4 is sent to 1 experts"),
    Edge(PADDED, EIGHT, mask("10 00 10 10 00 10 10 00"), mask("10 10 10 10 00 10 10 00"), "padding token 1 is sent"),
    Edge(PADDED, EIGHT, script(only_real, mask("10 10 10 10 00 10 10 00"))),
]
