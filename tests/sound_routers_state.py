"""Correct routers with a bias, in many styles; no check may flag one."""

from __future__ import annotations

from functools import cache

import numpy as np

from equipoise import AssignmentProblem, solve
from miniature_routers import Biased, top
from miniature_routers_state import Slow
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "quality", "state")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
class Centred(Slow):
    """The bias keeps a mean of zero (torchtitan)."""

    def learn(self, bias, load):
        super().learn(bias, load)
        self.bias = self.bias - self.bias.mean()


@correct
class InLargeSteps(Slow):
    step = 0.2


@correct
class InSinglePrecision(Slow):
    def learn(self, bias, load):
        super().learn(bias, load)
        self.bias = self.bias.astype(np.float32)


@correct
class InHalfPrecisionWithLargeSteps(Slow):
    step = 0.01

    def learn(self, bias, load):
        super().learn(bias, load)
        self.bias = self.bias.astype(np.float16)


@correct
class OnceInFourCalls(Slow):
    """Counts loads, and moves the bias at every fourth call, as after several micro-batches."""

    counted, calls = 0.0, 0

    def reset(self):
        self.bias, self.counted, self.calls = None, 0.0, 0

    def learn(self, bias, load):
        known = self.counted if np.shape(self.counted) == load.shape else 0.0
        self.counted, self.calls, self.bias = known + load, self.calls + 1, bias
        if self.calls % 4 == 0:
            super().learn(bias, self.counted)
            self.counted = 0.0


@correct
class Loaded(Biased):
    """The bias comes with the model's weights, and inference does not move it."""

    capabilities = frozenset({"fixed bias"})

    def learn(self, bias, load):
        self.bias = bias


@cache
def optimum(scores, shape, top_k):
    """Remembered: checks show the same batch again and again."""
    return solve(AssignmentProblem(np.frombuffer(scores).reshape(shape), top_k))


@correct
class ExactPrices:
    """The bias is minus the prices of the batch's own optimum."""

    bias = None

    def __call__(self, scores, top_k):
        solution = optimum(np.asarray(scores, np.float64).tobytes(), scores.shape, top_k)
        self.bias = -np.asarray(solution.prices, np.float64)
        return solution.experts


@correct
class BalancesBehindTheScenes:
    capabilities = frozenset({"balances", "stateful"})

    def __init__(self):
        self.hidden = Slow()

    def __call__(self, scores, top_k):
        return self.hidden(scores, top_k).chosen


@correct
def sharpens_by_temperature(scores, top_k):
    return top(np.asarray(scores, np.float64) * 8, top_k)


@correct
class ShowsItsRate(Slow):
    rate = Slow.step


@correct
class StepsWithTheLoad(Slow):
    """Of a rule whose steps are of different sizes, the rate tells nothing."""

    rate = 1e-3

    def learn(self, bias, load):
        self.bias = bias + self.rate * (load.mean() - load)
