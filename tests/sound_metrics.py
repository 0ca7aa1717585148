"""Correct metrics in many styles; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import numpy as np

from miniature_metrics import balance, best, computes, frequency, softmax
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)


@correct
@computes("balancedness")
def utilisation_with_a_small_epsilon(load):
    """One number a layer, in single precision, as SGLang does it."""
    load = load.astype(np.float32)
    return (load.mean(axis=1) + 1e-5) / (load.max(axis=1) + 1e-5)


@correct
@computes("balancedness", "pools rows")
def mean_tokens_over_max_tokens(load):
    """All layers at once, as vLLM does it: sums of means over sums of maxima."""
    most = load.max(axis=1).sum()
    return float(load.mean(axis=1).sum() / most) if most else 0.0


@correct
@computes("max-vio")
def list_of_floats_by_layer(load):
    return [max(row) * len(row) / sum(row) - 1 if sum(row) else 0.0 for row in load.tolist()]


@correct
@computes("min-vio")
def mean_over_layers(load):
    return float(np.mean([row.min() / row.mean() - 1 for row in load.astype(float) if row.any()] or [0.0]))


@correct
@computes("expert-load")
def rank_by_rank(experts, num_experts):
    return sum((np.eye(num_experts + 1, dtype=int)[part].sum(axis=(0, 1))[:-1] for part in experts), 0)


@correct
@computes("aux-loss", "logits", "counts K times", "picks experts")
def chooses_by_itself(logits, experts):
    """Takes logits, finds the best experts and counts each choice, as transformers does it."""
    scores = softmax(logits)
    return balance(scores, best(logits, experts)) * experts.shape[1]


@correct
class ScaledInSinglePrecision:
    """A loss with its coefficient in it, that renormalises, and multiplies by the mask."""

    capabilities = ("aux-loss", "scaled")

    def __call__(self, scores, experts, mask=None, gradient=False):
        real = np.ones(len(scores), np.float32) if mask is None else mask.astype(np.float32)
        shares = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        hot = np.zeros(scores.shape, np.float32)
        np.put_along_axis(hot, experts, 1, axis=1)
        tokens, top_k = real.sum(), experts.shape[1]
        load = (hot * real[:, None]).sum(axis=0) * scores.shape[1] / (top_k * tokens)
        if gradient:
            slopes = load - (load * shares).sum(axis=1, keepdims=True)
            return 0.01 * slopes * real[:, None] / tokens
        return 0.01 * float(load @ (shares * real[:, None]).sum(axis=0)) / tokens


@correct
class AccumulatesOverMicroBatches:
    """Adds up counts and scores, and forgets them when it has answered."""

    capabilities = ("global-loss",)

    def __call__(self, scores, experts):
        parts = list(zip(scores, experts, strict=True))
        means = sum(part.sum(axis=0) for part, _ in parts) / sum(len(part) for part, _ in parts)
        return float(frequency(scores, experts) @ means)


@correct
@computes("z-loss", "no gradient")
def logged_only(logits, gradient=False):
    return float(np.mean(np.logaddexp.reduce(logits, axis=1) ** 2)) * (not gradient)


@correct
class SmoothedOverCalls:
    """A moving average that says so."""

    capabilities = ("imbalance", "stateful")
    average = None

    def __call__(self, load):
        now = np.mean([row.max() / row.mean() if row.any() else 1.0 for row in load])
        self.average = now if self.average is None else 0.9 * self.average + 0.1 * now
        return self.average
