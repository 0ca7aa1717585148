"""Correct routers that limit a token to groups of experts, by every published rule; no check may flag one."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import Biased
from miniature_routers_groups import limited
from miniature_routers_weights import softmax
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "groups", "quality")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


def by_maximum(grouped, top_k, topk_groups):
    return grouped.max(axis=2)


@correct
def within_groups(scores, top_k, num_groups=1, topk_groups=1):
    return limited(scores, top_k, num_groups, topk_groups)


@correct
def by_their_best_with_weights(scores, top_k, num_groups=1, topk_groups=1):
    chosen = limited(scores, top_k, num_groups, topk_groups, by_maximum)
    return Routing(chosen, softmax(np.take_along_axis(np.asarray(scores, np.float64), chosen, axis=1)))


by_their_best_with_weights.capabilities = frozenset({"weights: softmax of the chosen"})


@correct
def by_k_over_m(scores, top_k, num_groups=1, topk_groups=1):
    """Refuses K that M does not divide."""
    if top_k % topk_groups:
        raise ValueError("top_k is no multiple of topk_groups")

    def rule(grouped, top_k, topk_groups):
        return np.sort(grouped, axis=2)[:, :, -(top_k // topk_groups) :].sum(axis=2)

    return limited(scores, top_k, num_groups, topk_groups, rule)


@correct
def on_float32_sums_of_logits(scores, top_k, num_groups=1, topk_groups=1):
    """By the logits whose sigmoid the scores are; ties fall to the higher index; groups of one are not taken."""
    if num_groups == scores.shape[1] > 1:
        raise ValueError("a group must have two experts")
    if scores.min() > 0 and scores.max() < 1:
        scores = np.log(scores) - np.log1p(-scores)
    back = np.ascontiguousarray(scores[:, ::-1])
    return scores.shape[1] - 1 - limited(back, top_k, num_groups, topk_groups)


@correct
class OwnGroups(Biased):
    """Its groups are its own; it learns a bias; it refuses what they do not hold."""

    capabilities = frozenset({"group limited"})
    num_groups, topk_groups = 2, 1
    load = None

    def __call__(self, scores, top_k):
        if scores.shape[1] % 2:
            raise ValueError("two groups must be even")
        bias = self.current(scores)
        chosen = limited(scores + bias, top_k, self.num_groups, self.topk_groups)
        self.load = np.bincount(chosen.ravel(), minlength=scores.shape[1])
        self.learn(bias, self.load)
        return Routing(chosen, self.weights(scores, chosen, bias))


@correct
class WithGroupsAndBias(Biased):
    def __call__(self, scores, top_k, num_groups=1, topk_groups=1):
        bias = self.current(scores)
        chosen = limited(scores + bias, top_k, num_groups, topk_groups)
        self.learn(bias, np.bincount(chosen.ravel(), minlength=scores.shape[1]))
        return Routing(chosen, self.weights(scores, chosen, bias))


@correct
class DropsWithinGroups:
    """First come, first served, within groups."""

    capabilities = frozenset({"drops", "online"})

    def __call__(self, scores, top_k, num_groups=1, topk_groups=1):
        chosen = limited(scores, top_k, num_groups, topk_groups)
        room = np.full(scores.shape[1], -(-len(scores) * top_k // scores.shape[1]))
        for token, place in np.ndindex(chosen.shape):
            expert = chosen[token, place]
            chosen[token, place] = expert if room[expert] else -1
            room[expert] -= room[expert] > 0
        return chosen


@correct
class BreaksTiesAtRandom:
    capabilities = frozenset({"random"})

    def __call__(self, scores, top_k, num_groups=1, topk_groups=1):
        noisy = np.asarray(scores, np.float64) + 1e-9 * np.random.default_rng().random(scores.shape)
        return limited(noisy, top_k, num_groups, topk_groups)


@correct
def balances_within_groups(scores, top_k, num_groups=1, topk_groups=1):
    """Prices from the batch itself: other experts than the best, with and without groups."""
    scores = np.asarray(scores, np.float64)
    tokens, experts = scores.shape
    prices = np.zeros(experts)
    place = min(tokens - 1, -(-tokens * top_k // experts))
    for _ in range(4):
        worth = np.sort(scores - prices, axis=1)[:, ::-1][:, min(top_k, experts - 1), None]
        prices = np.maximum(0, np.sort(scores - worth, axis=0)[::-1][place]) if place < tokens - 1 else prices
    return limited(scores - prices, top_k, num_groups, topk_groups)


@correct
def within_groups_without_padding(scores, top_k, num_groups=1, topk_groups=1, mask=None):
    chosen = limited(scores, top_k, num_groups, topk_groups)
    if mask is not None:
        chosen[~mask] = -1
    return chosen
