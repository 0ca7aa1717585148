"""Correct routers in many styles; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import numpy as np

from equipoise import AssignmentProblem, solve
from miniature_routers import Biased, Capped, Stored, top
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)


@correct
def plain_top_k(scores, top_k):
    return top(scores, top_k)


@correct
def plain_top_k_as_mask(scores, top_k):
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, top(scores, top_k), True, axis=1)
    return mask


@correct
def plain_top_k_with_weights(scores, top_k):
    chosen = top(scores, top_k)
    return chosen.astype(np.int32), np.take_along_axis(scores, chosen, axis=1)


@correct
def exact_optimum(scores, top_k):
    return solve(AssignmentProblem(scores, top_k)).experts


@correct
class SimpleLossFree(Biased):
    pass


@correct
class WithState(Stored):
    step = 0.01

    def __call__(self, scores, top_k, training=True):
        before = self.bias
        routing = super().__call__(scores, top_k)
        if not training:
            self.bias = before
        return routing


@correct
class GreedyWithinCapacity(Capped):
    pass


@correct
class WithMaskAndLoad:
    load = None

    def __call__(self, scores, top_k, mask=None):
        chosen = top(scores, top_k)
        if mask is not None:
            chosen = np.where(mask[:, None], chosen, -1)
        self.load = np.bincount(chosen[chosen >= 0], minlength=scores.shape[1])
        return chosen
