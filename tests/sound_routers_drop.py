"""Correct routers that drop, by every published capacity and in every order; no check may flag one."""

from __future__ import annotations

import numpy as np

from miniature_routers import Biased, top
from miniature_routers_drop import Drops, fair
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "quality")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
class Switch(Drops):
    """First come, first served, at ceil(T K / E)."""


@correct
class PerChoice(Drops):
    """K ceil(T / E), at least 4, rounded up to a multiple of 8 (DeepSpeed, Megatron-LM)."""

    def capacity(self, scores, top_k):
        return -(-max(4, top_k * -(-len(scores) // scores.shape[1])) // 8) * 8


@correct
class OneAndAQuarter(Drops):
    """All first choices come before the second ones (GShard)."""

    capabilities = frozenset({"drops", "online", "balances"})

    def __call__(self, scores, top_k):
        chosen, capacity = top(scores, top_k), int(np.ceil(1.25 * fair(scores, top_k)))
        left = np.full(scores.shape[1], capacity)
        for place, token in np.ndindex(chosen.T.shape):
            expert = chosen[token, place]
            chosen[token, place] = expert if left[expert] > 0 else -1
            left[expert] -= 1
        return chosen


@correct
class KeepsTheHighestScores:
    """By priority: every expert keeps the tokens that score most."""

    capabilities = frozenset({"drops", "respects capacity"})

    def __call__(self, scores, top_k):
        mask = np.zeros(scores.shape, bool)
        np.put_along_axis(mask, top(scores, top_k), True, axis=1)
        order = np.argsort(-np.where(mask, scores, -np.inf), axis=0, kind="stable")
        kept = np.zeros(scores.shape, bool)
        np.put_along_axis(kept, order[: fair(scores, top_k)], True, axis=0)
        return mask & kept


@correct
class DropsAtRandom(Drops):
    capabilities = frozenset({"drops", "random"})

    def __call__(self, scores, top_k):
        order = np.random.default_rng().permutation(len(scores))
        chosen = np.empty((len(scores), top_k), np.int64)
        chosen[order] = super().__call__(scores[order], top_k)
        return chosen


@correct
class DropsAndLearns(Biased):
    capabilities = frozenset({"drops", "online"})

    def __call__(self, scores, top_k):
        bias = self.current(scores)
        chosen = top(scores + bias, top_k)
        self.learn(bias, np.bincount(chosen.ravel(), minlength=scores.shape[1]))
        return Drops.__call__(self, scores, top_k)

    def wanted(self, scores, top_k):
        return top(scores + self.bias, top_k)

    capacity = Drops.capacity


@correct
class HashesTokens:
    """By a token's numbers, not by what they say (hash layers): its scores are as good as random ones."""

    capabilities = frozenset({"random", "depends on expert order"})

    def __call__(self, scores, top_k):
        first = np.asarray(scores, np.float64).view(np.uint64).sum(axis=1) % np.uint64(scores.shape[1])
        return (first.astype(np.int64)[:, None] + np.arange(top_k)) % scores.shape[1]
