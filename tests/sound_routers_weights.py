"""Correct routers with a formula for their weights, declared or plain to see."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import Capped, top
from miniature_routers_weights import Weighs, gate, shares, sigmoid, softmax
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)

PARTS = ("answers", "weights", "values")
"""Of the checks, that tell these from plain top-K."""


@correct
class WeighsWithTheScores(Weighs):
    capabilities = frozenset({"weights: raw scores"})


@correct
class WeighsInHalfPrecision(Weighs):
    capabilities = frozenset({"weights: raw scores"})

    def weights(self, scores, best, chosen):
        with np.errstate(all="ignore"):
            return np.clip(best, -6e4, 6e4).astype(np.float16)


@correct
class Normalises(Weighs):
    capabilities = frozenset({"weights: normalised"})

    def weights(self, scores, best, chosen):
        return best / (best.sum(axis=1, keepdims=True) + 1e-20)


@correct
class NormalisesZerosEvenly(Weighs):
    capabilities = frozenset({"weights: normalised", "scores in [0, 1]"})

    def weights(self, scores, best, chosen):
        return shares(np.where(best.sum(axis=1, keepdims=True) == 0, 1, best))


@correct
class TakesTheSoftmax(Weighs):
    weights = gate(softmax)


@correct
class TakesTheDeclaredSoftmax(TakesTheSoftmax):
    capabilities = frozenset({"logits", "weights: softmax"})


@correct
class TakesTheSoftmaxAfterTopK(Weighs):
    capabilities = frozenset({"weights: softmax of the chosen"})

    def weights(self, scores, best, chosen):
        return softmax(best)


@correct
class TakesTheSigmoid(Weighs):
    weights = gate(sigmoid)


@correct
class ChoosesByTheSigmoidInHalfPrecision:
    """Large scores tie behind its gate, and so do small ones."""

    capabilities = frozenset({"logits", "weights: sigmoid"})

    def __call__(self, scores, top_k):
        with np.errstate(all="ignore"):
            values = sigmoid(scores).astype(np.float16)
        chosen = top(values, top_k)
        return Routing(chosen, np.take_along_axis(values, chosen, axis=1))


@correct
class ChoosesByTheSoftmax:
    """In float32, undeclared: what is far below the best ties at zero."""

    def __call__(self, scores, top_k):
        values = softmax(np.asarray(scores, np.float32))
        chosen = top(values, top_k)
        return Routing(chosen, np.take_along_axis(values, chosen, axis=1))


@correct
class AsDeepSeek(Weighs):
    capabilities = frozenset({"logits", "weights: sigmoid", "weights: normalised", "weights: scaled by 2.5"})

    def weights(self, scores, best, chosen):
        values = np.take_along_axis(sigmoid(scores), chosen, axis=1)
        return 2.5 * values / (values.sum(axis=1, keepdims=True) + 1e-20)


@correct
class HasAGateOfItsOwn(Weighs):
    capabilities = frozenset({"logits", "weights: normalised", "weights: scaled by 16"})

    def weights(self, scores, best, chosen):
        return 16 * shares(np.sqrt(np.logaddexp(0, best)))


@correct
class DropsAndWeighs(Capped):
    """What is left of a token's K experts is not normalised again."""

    capabilities = Capped.capabilities | {"weights: normalised"}

    def __call__(self, scores, top_k):
        chosen = super().__call__(scores, top_k)
        best = np.take_along_axis(np.asarray(scores, np.float64), np.maximum(chosen, 0), axis=1)
        return Routing(chosen, best / (best.sum(axis=1, keepdims=True) + 1e-20))


@correct
class Hashes:
    """A token's experts follow from its own numbers alone, whatever they say; so "random" is declared."""

    capabilities = frozenset({"random", "weights: softmax"})

    def __call__(self, scores, top_k):
        first = [hash(row.tobytes()) % scores.shape[1] for row in np.asarray(scores, np.float64)]
        chosen = (np.array(first)[:, None] + np.arange(top_k)) % scores.shape[1]
        return Routing(chosen, np.take_along_axis(softmax(np.asarray(scores, np.float64)), chosen, axis=1))
