"""Routers that choose plain top-K and weigh it wrongly, each in one way."""

from __future__ import annotations

import numpy as np

from equipoise.routing import Routing
from miniature_routers import top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)

FORMULA, OWN = "router_weights_follow_the_declared_formula", "router_weights_are_a_token_s_own"
APART = "router_weights_tell_experts_far_apart"


def softmax(values, axis=1):
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


def sigmoid(values):
    return 0.5 * (1 + np.tanh(np.asarray(values, np.float64) / 2))


def shares(values):
    with np.errstate(all="ignore"):
        return values / values.sum(axis=1, keepdims=True)


class Weighs:
    """Plain top-K; subclasses say with which weights ``[T, K]``, of the scores and of those of the chosen."""

    def __call__(self, scores, top_k):
        scores = np.asarray(scores, np.float64)
        chosen = top(scores, top_k)
        return Routing(chosen, self.weights(scores, np.take_along_axis(scores, chosen, axis=1), chosen))

    def weights(self, scores, best, chosen):
        return best


def gate(values):
    """A gate before top-K, for :class:`Weighs`."""
    return lambda self, scores, best, chosen: np.take_along_axis(values(scores), chosen, axis=1)


@faulty(FORMULA)
class ForgetsTheScale(Weighs):
    capabilities = frozenset({"weights: scaled by 2.5"})


@faulty(FORMULA)
class NormalisesOverAllExperts(Weighs):
    capabilities = frozenset({"weights: normalised"})
    weights = gate(lambda scores: shares(scores + 1e-20))


@faulty(FORMULA)
class DividesByAMillionthMore(Weighs):
    """The sum and an epsilon that is too large."""

    capabilities = frozenset({"weights: normalised"})

    def weights(self, scores, best, chosen):
        return best / (best.sum(axis=1, keepdims=True) + 1e-2)


@faulty(FORMULA)
class DividesByZero(Weighs):
    capabilities = frozenset({"weights: normalised"})

    def weights(self, scores, best, chosen):
        return shares(best)


@faulty(FORMULA)
class TakesTheSoftmaxOverAllExperts(Weighs):
    capabilities = frozenset({"weights: softmax of the chosen"})
    weights = gate(softmax)


@faulty(FORMULA)
class TakesTheSoftmaxOfTheChosen(Weighs):
    capabilities = frozenset({"weights: softmax"})

    def weights(self, scores, best, chosen):
        return softmax(best)


@faulty(FORMULA)
class TakesTheSigmoidTwice(Weighs):
    capabilities = frozenset({"weights: sigmoid"})
    weights = gate(lambda scores: sigmoid(sigmoid(scores)))


@faulty(FORMULA)
class WeighsWithTheSquare(Weighs):
    capabilities = frozenset({"weights: raw scores"})

    def weights(self, scores, best, chosen):
        return best**2


@faulty(FORMULA)
class SumsToTheWrongScale(Weighs):
    """Of its own gate nothing is known but that weights are normalised, then scaled."""

    capabilities = frozenset({"logits", "weights: normalised", "weights: scaled by 2.5"})

    def weights(self, scores, best, chosen):
        return softmax(best) * 2


@faulty(OWN)
class TakesTheSoftmaxOverTheTokens(Weighs):
    weights = gate(lambda scores: softmax(scores, axis=0) * scores)


@faulty(OWN)
class WeighsALoneTokenWithOne(Weighs):  # megablocks PR 87
    def weights(self, scores, best, chosen):
        return np.ones_like(best) if len(scores) == 1 else best


@faulty(OWN)
class WeighsByPosition(Weighs):
    def weights(self, scores, best, chosen):
        return best / (1 + np.arange(len(best)))[:, None]


@faulty(OWN)
class WeighsByTheLoad(Weighs):
    def weights(self, scores, best, chosen):
        load = np.bincount(chosen.ravel(), minlength=scores.shape[1])
        return best / (1 + load.max())


@faulty(OWN)
class KeepsTheFirstWeights(Weighs):
    """A buffer that is filled only once."""

    def __init__(self):
        self.kept = None

    def weights(self, scores, best, chosen):
        if self.kept is None:
            self.kept = best
        return np.resize(self.kept, best.shape)


@faulty("router_weights_at_k_1_depend_on_the_scores")
class NormalisesASingleExpert(Weighs):  # minimind issue 858
    def weights(self, scores, best, chosen):
        return best / (best.sum(axis=1, keepdims=True) + 1e-20)


@faulty("router_weights_at_k_1_depend_on_the_scores")
class SaysNothingOfOneExpert(Weighs):
    def weights(self, scores, best, chosen):
        return np.full_like(best, 0.5) if best.shape[1] == 1 else best


@faulty(APART)
class TakesTheSoftmaxTwice(Weighs):  # transformers issue 45120
    weights = gate(lambda scores: softmax(softmax(scores)))


@faulty(APART)
class TakesTheSoftmaxOfTheSoftmax(Weighs):
    """Before top-K, and again of the chosen."""

    def weights(self, scores, best, chosen):
        return softmax(np.take_along_axis(softmax(scores), chosen, axis=1))


@faulty(APART)
class TakesTheSoftmaxOfWhatAGateGave(Weighs):
    capabilities = frozenset({"scores in [0, 1]"})
    weights = gate(softmax)


@faulty(APART)
class WeighsAllTheSame(Weighs):
    def weights(self, scores, best, chosen):
        return best if best.shape[1] == 1 else np.full_like(best, 1 / best.shape[1])


@faulty("router_weights_are_finite_and_not_negative")
class OverflowsInItsWeights(Weighs):
    def weights(self, scores, best, chosen):
        with np.errstate(all="ignore"):
            raised = np.exp(scores.astype(np.float32))
            return np.take_along_axis(raised / raised.sum(axis=1, keepdims=True), chosen, axis=1)


@faulty("router_weights_are_finite_and_not_negative")
class WeighsLogitsWithoutAGate(Weighs):
    capabilities = frozenset({"logits"})


@faulty("router_weights_follow_the_scores")
class WeighsLogitsByTheirSize(Weighs):
    capabilities = frozenset({"logits"})

    def weights(self, scores, best, chosen):
        return np.abs(best)
