"""Faulty routers that drop; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_routers import top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def first_come(chosen, capacity):
    """Keep, of every expert's tokens in order, as many as its capacity."""
    chosen = chosen.copy()
    left = np.broadcast_to(capacity, chosen.max() + 1).copy()
    for token, place in np.ndindex(chosen.shape):
        expert = chosen[token, place]
        chosen[token, place] = expert if left[expert] > 0 else -1
        left[expert] -= 1
    return chosen


def fair(scores, top_k):
    return -(-len(scores) * top_k // scores.shape[1])


class Drops:
    capabilities = frozenset({"drops", "online"})

    def __call__(self, scores, top_k):
        return first_come(self.wanted(scores, top_k), self.capacity(scores, top_k))

    def wanted(self, scores, top_k):
        return top(scores, top_k)

    def capacity(self, scores, top_k):
        return fair(scores, top_k)


@faulty("router_is_near_the_optimum")
class WantsTheWorst(Drops):
    def wanted(self, scores, top_k):
        return top(-np.asarray(scores, np.float64), top_k)


@faulty("router_is_near_the_optimum")
class WantsByPosition(Drops):
    def wanted(self, scores, top_k):
        return (np.arange(len(scores))[:, None] + np.arange(top_k)) % scores.shape[1]


@faulty("router_drops_only_where_experts_are_full")
class DropsBeforeItIsFull(Drops):
    """The last expert has room for one token less than the others."""

    def capacity(self, scores, top_k):
        capacity = np.full(scores.shape[1], fair(scores, top_k))
        capacity[-1] -= 1
        return capacity[: top(scores, top_k).max() + 1]


@faulty("router_drops_only_where_experts_are_full")
class DropsEveryFourthToken(Drops):
    """Whether its experts are full or not."""

    def __call__(self, scores, top_k):
        chosen = top(scores, top_k).copy()
        chosen[3::4] = -1
        return chosen


@faulty("router_drops_only_where_experts_are_full")
class CountsDroppedPlaces(Drops):
    """A token that is dropped takes a place of its next expert all the same."""

    def __call__(self, scores, top_k):
        chosen = top(scores, scores.shape[1])
        left = np.full(scores.shape[1], fair(scores, top_k))
        kept = np.full((len(scores), top_k), -1)
        for token, place in np.ndindex(kept.shape):
            expert = chosen[token, place]
            if left[expert] > 0:
                kept[token, place] = expert
            else:
                left[chosen[token, (place + 1) % scores.shape[1]]] -= 1
            left[expert] -= 1
        return kept


@faulty("router_keeps_a_balanced_top_k")
class HasRoomForHalf(Drops):
    def capacity(self, scores, top_k):
        return fair(scores, top_k) // 2
