"""Correct routers in the styles of the training frameworks; no check may flag one."""

import numpy as np

from miniature_routers import top
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "quality")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
class InHalfPrecision:
    capabilities = frozenset({"half precision"})

    def __call__(self, scores, top_k):
        rounded = np.float32(np.float16(np.clip(scores, -6e4, 6e4)))
        return top(rounded, top_k)


class Droppers:
    """Plain top-K, of which a full expert keeps a part; the capacity is a formula of DeepSpeed's, Tutel's or yours."""

    capabilities = frozenset({"drops", "online", "first come"})

    def capacity(self, tokens, experts, top_k):
        return -(-tokens * top_k // experts)

    def __call__(self, scores, top_k):
        tokens, experts = scores.shape
        mask = np.zeros(scores.shape, bool)
        np.put_along_axis(mask, top(scores, top_k), True, axis=1)
        return mask & (self.rank(mask, scores) <= self.capacity(tokens, experts, top_k))

    def rank(self, mask, scores):
        return mask.cumsum(axis=0)


@correct
class DropsWhoComesLast(Droppers):
    pass


@correct
class WithRoomForAWholeRound(Droppers):
    def capacity(self, tokens, experts, top_k):
        return top_k * -(-tokens // experts)


@correct
class WithAFactorAndAMinimum(Droppers):
    def capacity(self, tokens, experts, top_k):
        return max(4, int(np.ceil(1.25 * tokens * top_k / experts)))


@correct
class DropsTheLeastProbable(Droppers):
    capabilities = frozenset({"drops", "respects capacity"})

    def rank(self, mask, scores):
        order = np.argsort(-np.where(mask, scores, -np.inf), axis=0, kind="stable")
        return np.argsort(order, axis=0, kind="stable") + 1
