"""Edges of the checks at production sizes; forty tokens of 32 experts stand for thousands, beyond the small batches."""

import numpy as np

from edges import Edge, script
from equipoise.reference.routing.group_limited import group_limited
from miniatures import Kind
from routings import case, mask, top

GIVES, BEST = "router_gives_k_experts_at_production_size", "router_takes_the_best_at_production_size"
ALIKE, WEIGHS = "router_treats_a_token_among_thousands_as_among_few", "router_weighs_many_experts_as_few"
SERVES, CAPACITY = (
    "router_serves_every_token_and_expert_at_production_size",
    "router_respects_capacity_at_production_size",
)
GROUPS = "router_takes_the_best_of_its_groups_at_production_size"

THREE = case([[0.75, 0.5, 0.25]] * 3, 2)
TWO_EACH, TOO_FEW, TOO_MANY = mask("110 101 011"), mask("110 100 111"), mask("110 110 111")
GIVE_EDGES = [
    Edge(GIVES, THREE, script(TWO_EACH, TOO_FEW), TOO_FEW, "token 1 gets 1 experts, not 2"),
    Edge(GIVES, THREE, None, TOO_MANY, "token 2 gets 3 experts, not 2"),
    Edge(GIVES, THREE, mask("110 100 000"), TOO_MANY, "token 2 gets 3 experts", capabilities=("drops",)),
    Edge(GIVES, THREE, TOO_FEW, capabilities=("any number",)),
]

EXPERTS = 32


def rising(tokens=40, top_k=1):
    """Scores in steps of 1/64, the best, 32/64, of the last expert."""
    return case(np.tile(np.arange(1, EXPERTS + 1) / 64, (tokens, 1)), top_k)


def close_by(distance):
    """The best expert is the last, and the one before is worse by this much."""
    given = rising()
    given.scores[:, -2] = 0.5 - distance
    return given


def otherwise(change, small=top):
    """A router that has one way for 32 experts, which ``change`` spoils, and takes the best of fewer."""

    def routed(scores, top_k):
        return change(top(scores, top_k)) if scores.shape[1] == EXPERTS else small(scores, top_k)

    return routed


def second_best(token):
    def change(chosen):
        chosen = chosen.copy()
        chosen[token, 0] = EXPERTS - 2
        return chosen

    return change


def loses(token):
    def change(chosen):
        chosen = chosen.copy()
        chosen[token, -1] = -1
        return chosen

    return change


def coarse(scores, top_k):
    """Takes what is best in steps of 1/200: what it loses is less than 2^-7."""
    return top(np.floor(scores.astype(np.float64) * 200), top_k)


def coarse_in_large_batches(scores, top_k):
    return (coarse if len(scores) >= 24 else top)(scores, top_k)


def too_coarse(scores, top_k):
    return top(np.floor(scores.astype(np.float64) * 10), top_k)


def refuses_few(scores, top_k):
    if scores.shape[1] != EXPERTS:
        raise ValueError("too few")
    return top(scores, top_k)


def drops_of_few(scores, top_k):
    return loses(0)(top(scores, top_k)) if scores.shape[1] != EXPERTS else top(scores, top_k)


def coarse_for_24(scores, top_k):
    return (coarse if scores.shape[1] == 24 else top)(scores, top_k)


def weighs_by_batch(scores, top_k):
    chosen = otherwise(second_best(3))(scores, top_k)
    return chosen, np.full(chosen.shape, 1.0 / len(scores))


NOT_BEST = "silent: does not take the best K experts of a few"
INSTEAD = (
    "token 3 goes to expert 30 with score 0.484375 and not to expert 31 with 0.5; of few experts it takes the best"
)
BEST_EDGES = [
    Edge(BEST, rising(), top, otherwise(second_best(3)), INSTEAD),
    Edge(BEST, rising(), None, otherwise(loses(3)), "token 3 gets 0 experts, not 1"),
    Edge(BEST, rising(4, 2), top, otherwise(loses(2)), "token 2 gets 1 experts, not 2"),
    Edge(BEST, close_by(0.006), None, otherwise(second_best(3)), "of few experts it takes the best"),
    Edge(BEST, close_by(0.006), otherwise(second_best(3), coarse), None),
    Edge(BEST, close_by(0.006), otherwise(second_best(3), coarse_for_24), None),
    Edge(BEST, rising(), None, weighs_by_batch, INSTEAD),
    Edge(BEST, close_by(0.009), None, otherwise(second_best(3), coarse), "of few experts it takes the best"),
    Edge(BEST, close_by(0.009), None, otherwise(second_best(3), too_coarse), NOT_BEST),
    Edge(BEST, close_by(0.009), None, otherwise(second_best(3), coarse_in_large_batches), NOT_BEST),
    Edge(BEST, close_by(0.009), None, refuses_few, NOT_BEST),
    Edge(BEST, close_by(0.009), None, drops_of_few, NOT_BEST),
]


def in_batches_of(size, chosen, weights=None):
    """Takes the best, with the scores as weights, but is told what to do with batches of one size."""

    def routed(scores, top_k):
        best = top(scores, top_k)
        values = np.take_along_axis(scores.astype(np.float64), best, axis=1)
        if len(scores) == size and scores.shape[1] == EXPERTS:
            best, values = chosen(best), values if weights is None else weights(values)
        return best, values

    return routed


def scaled(token, factor):
    def change(values):
        values = values.copy()
        values[token] *= factor
        return values

    return change


def same(chosen):
    return chosen


def by_batch(scores, top_k):
    """Whom a token goes to depends on how many there are."""
    return (top(scores, top_k) + len(scores)) % scores.shape[1]


TIED = rising(40, 1)
TIED.scores[:, -2] = 0.5
ALIKE_EDGES = [
    Edge(
        ALIKE, rising(), top, in_batches_of(40, second_best(39)), "token 39 of 40 goes to other experts than among 20"
    ),
    Edge(
        ALIKE, rising(100), in_batches_of(100, second_best(1)), in_batches_of(100, second_best(99)), "among 24 tokens"
    ),
    Edge(ALIKE, rising(3), in_batches_of(3, second_best(0)), in_batches_of(3, second_best(1)), "token 1 of 3 goes to"),
    Edge(ALIKE, rising(41), None, in_batches_of(41, second_best(40)), "among 21 tokens: [31]"),
    Edge(ALIKE, TIED, in_batches_of(40, second_best(39)), None),
    Edge(
        ALIKE,
        rising(),
        in_batches_of(40, same, scaled(39, 1.005)),
        in_batches_of(40, same, scaled(39, 1.02)),
        "token 39 of 40 has other weights (for its best expert 0.51) than among 20 tokens (0.5)",
    ),
    Edge(ALIKE, rising(), lambda scores, top_k: (raw if len(scores) >= 40 else top)(scores, top_k)),
    Edge(ALIKE, rising(), None, by_batch, "silent: gives a token of a small batch other"),
    Edge(ALIKE, rising(), None, refuses_few, "silent: gives a token of a small batch other"),
]


def raw(scores, top_k):
    chosen = top(scores, top_k)
    return chosen, np.take_along_axis(scores.astype(np.float64), chosen, axis=1)


def softmax(scores, top_k):
    """Only what lies far below vanishes."""
    shares = np.exp(8 * scores.astype(np.float64))
    shares /= shares.sum(axis=1, keepdims=True)
    chosen = top(scores, top_k)
    return chosen, np.take_along_axis(shares, chosen, axis=1)


def of_all(scores, top_k):
    """Weights that any expert more makes smaller."""
    chosen, weights = raw(scores, top_k)
    return chosen, weights / scores.shape[1]


def by_rank(scores, top_k):
    """Weights by K: those of two are not those of three."""
    chosen, weights = raw(scores, top_k)
    return chosen, weights ** (1 + top_k / 2)


def changed_for(change, weigh=raw, least=3):
    """Weighs otherwise where 32 experts are there, and of these ``least`` at least are chosen."""

    def routed(scores, top_k):
        chosen, weights = weigh(scores, top_k)
        return chosen, change(weights) if scores.shape[1] == EXPERTS and top_k >= least else weights

    return routed


def lowest_by(factor):
    def change(weights):
        weights = weights.copy()
        weights[:, -1] *= factor
        return weights

    return change


def wherever(change):
    """The same for all batches of three experts a token and more than 24 tokens, also of few experts."""

    def routed(scores, top_k):
        chosen, weights = raw(scores, top_k)
        return chosen, change(weights) if top_k == 4 else weights

    return routed


class TakesManyExperts(Kind):
    least = 16

    def accepts(self, tokens, experts, top_k):
        return experts >= self.least

    def answer(self, scores, top_k):
        if scores.shape[1] < self.least:
            raise ValueError("too few")
        return raw(scores, top_k)


class TakesThreeExperts(TakesManyExperts):
    least = 3


def takes_no_empty_batch(scores, top_k):
    if len(scores) == 0:
        raise ValueError("no tokens")
    return raw(scores, top_k)


OTHERWISE = "silent: weighs the best K experts of a few otherwise"
WEIGH_EDGES = [
    Edge(
        WEIGHS, rising(40, 3), changed_for(lowest_by(1.005)), changed_for(lowest_by(1.02)), "without the experts that"
    ),
    Edge(
        WEIGHS, rising(40, 3), changed_for(lowest_by(1.005), softmax), changed_for(lowest_by(1.02), softmax), "withou"
    ),
    Edge(
        WEIGHS, rising(40, 1), raw, changed_for(lowest_by(1.02), least=1), "token 1 has the weights [0.51], but [0.5]"
    ),
    Edge(
        WEIGHS, rising(40, 4), wherever(lowest_by(1.005)), wherever(lowest_by(1.02)), "has two weights of 0.462188 to"
    ),
    Edge(WEIGHS, rising(40, 3), lambda scores, top_k: top(scores, top_k)),
    Edge(WEIGHS, rising(40, 3), None, of_all, OTHERWISE),
    Edge(WEIGHS, rising(40, 3), None, by_rank, OTHERWISE),
    Edge(WEIGHS, rising(40, 3), None, by_batch, OTHERWISE),
    Edge(WEIGHS, rising(40, 3), None, refuses_few, OTHERWISE),
    Edge(WEIGHS, rising(40, 3), TakesManyExperts),
    Edge(WEIGHS, rising(40, 3), TakesThreeExperts),
    Edge(WEIGHS, rising(40, 1), takes_no_empty_batch),
    Edge(WEIGHS, rising(1, 3), raw, changed_for(lowest_by(1.02)), "token 0 has the weights"),
]


def favours(tokens, last, experts=4, top_k=1):
    """The last expert is the best of so many tokens, the first that of the others."""
    scores = np.full((tokens, experts), 0.25)
    scores[:, 0] = 0.5
    scores[np.linspace(0, tokens - 1, last).astype(int), -1] = 0.75
    return case(scores, top_k)


def ranks_but_the_last(scores, top_k):
    return top(scores[:, :-1], top_k)


def never_the_favourite(scores, top_k):
    """Sinkhorn may do so: whoever is the best of 0.75 gets none, wherever it stands."""
    return top(np.where(scores == 0.75, 0, scores), top_k)


GRADES = np.array([1, 0.5, 0.25, 0.25])  # the mean is 0.5: the second is as good as any at random


def graded(good):
    return case(np.tile(GRADES, (len(good), 1)))


def take(good):
    """Ones take the best expert, zeros one of the mean."""
    return np.array([[0 if letter == "1" else 1] for letter in good])


def blocks(allowed, refused, says):
    size = allowed or refused
    pair = (None if one is None else take(one) for one in (allowed, refused))
    return Edge(SERVES, graded(size), *pair, says)


EIGHT, NONE = "1" * 8, "0" * 8
SERVE_EDGES = [
    Edge(
        SERVES,
        favours(32, 16),
        top,
        ranks_but_the_last,
        "expert 3 gets no token, is the best of 16 tokens, and gets 32",
    ),
    Edge(SERVES, favours(32, 15), ranks_but_the_last),
    Edge(SERVES, favours(68, 16), ranks_but_the_last),
    Edge(SERVES, favours(68, 17), None, ranks_but_the_last, "is the best of 17 tokens"),
    Edge(SERVES, favours(64, 16), None, ranks_but_the_last, "is the best of 16 tokens"),
    Edge(SERVES, favours(32, 16), never_the_favourite),
    Edge(SERVES, favours(16, 16, 17), ranks_but_the_last, None),
    Edge(SERVES, favours(16, 16, 16), None, ranks_but_the_last, "is the best of 16 tokens"),
    Edge(SERVES, favours(16, 16, 17, 2), None, ranks_but_the_last, "is the best of 16 tokens"),
    Edge(SERVES, favours(32, 16), script(top, ranks_but_the_last)),
    blocks(
        EIGHT * 3 + "11" + "0" * 6, EIGHT * 3 + "1" + "0" * 7, "tokens 24 to 31 get 12.50% of what they could gain ov"
    ),
    blocks("1" * 15 + "0" * 17, "1" * 16 + "0" * 16, "tokens 16 to 23 get 0.00%"),
    blocks(EIGHT + "0" * 7, None, ""),  # too few for two blocks
    blocks(None, EIGHT * 2 + "10000000" * 2, "tokens 16 to 23 get 12.50%"),
    blocks(
        None, NONE + EIGHT, "tokens 0 to 7 get 0.00% of what they could gain over experts at random, all tokens 50.00%"
    ),
    blocks("1" * 30 + "0" * 6, "1" * 28 + NONE, "tokens 28 to 35 get 0.00%"),
    Edge(SERVES, graded(EIGHT * 4), np.vstack([take(EIGHT * 3), [[1]] * 7, [[-1]]])),
    Edge(SERVES, case(np.full((32, 4), 0.5)), take("1" * 32)),
]

OVERFULL = case([[0.75, 0.25]] * 3)
GOOD, BAD = [[0], [0], [1]], [[0], [0], [0]]
CAPACITY_EDGES = [
    Edge(CAPACITY, OVERFULL, script(GOOD, BAD), BAD, "expert 0 takes 3 tokens, the capacity is 2"),
    Edge(CAPACITY, case([[0.75, 0.25]] * 3, 2), mask("11 11 11"), None),
    Edge(
        CAPACITY, case([[0.75, 0.25]] * 4), [[1], [1], [0], [0]], [[1], [1], [1], [0]], "expert 1 takes 3 tokens, the"
    ),
]


def grouped(scores, top_k, num_groups, topk_groups):
    assert (num_groups, topk_groups) == (8, 4)
    return group_limited(scores.astype(np.float64), top_k, num_groups, topk_groups)


def fixed(chosen, small=grouped):
    """Takes these of 32 experts, and the best of fewer."""

    def routed(scores, top_k, num_groups, topk_groups):
        return chosen if scores.shape[1] == EXPERTS else small(scores, top_k, num_groups, topk_groups)

    return routed


def worst_of_groups(scores, top_k, num_groups, topk_groups):
    return grouped(-scores, top_k, num_groups, topk_groups)


def spread_out(*experts):
    """Two tokens: the best, and these."""
    return np.array([[31, 30, 29, 28, 27], list(experts)])


FIVE = rising(2, 5)  # groups of four: 28 to 31, 24 to 27, ...
NEAR_FIVE, FAR_FIVE = rising(2, 5), rising(2, 5)
NEAR_FIVE.scores[1, 27], FAR_FIVE.scores[1, 27] = NEAR_FIVE.scores[1, 26] + 0.006, FAR_FIVE.scores[1, 26] + 0.009
LEFT = "token 1 takes an expert with score 0.421875 and leaves expert 27 with"
GROUP_EDGES = [
    Edge(GROUPS, FIVE, grouped, fixed(spread_out(31, 27, 23, 19, 15)), "token 1 uses 5 groups, not at most 4"),
    Edge(GROUPS, FIVE, None, fixed(spread_out(31, 30, 29, 28, 26)), LEFT + " 0.4375 in the same group"),
    Edge(GROUPS, FIVE, fixed(spread_out(31, 27, 23, 19, 18), worst_of_groups), None),
    Edge(GROUPS, NEAR_FIVE, fixed(spread_out(31, 30, 29, 28, 26)), None),
    Edge(GROUPS, FAR_FIVE, None, fixed(spread_out(31, 30, 29, 28, 26)), LEFT),
    Edge(GROUPS, FIVE, fixed(spread_out(31, 30, 29, 28, 26), worst_of_groups), None),
    Edge(GROUPS, FIVE, script(grouped, fixed(spread_out(31, 27, 23, 19, 15))), None),
]

EDGES = [
    *(GIVE_EDGES + BEST_EDGES + ALIKE_EDGES + WEIGH_EDGES),
    *(SERVE_EDGES + CAPACITY_EDGES + GROUP_EDGES),
]
