r"""Sinkhorn routing as Megatron-LM runs it (megatron/core/transformer/moe; S-BASE, arXiv 2202.01169).

The input is read as logits L. In float32, from ones, with eps = 1e-8,

    d0[t] = 1 / (T (sum_e d1[e] exp L[t, e] + eps)),    d1[e] = 1 / (E (sum_t d0[t] exp L[t, e] + eps))

until the mean of ``|d1 - previous d1|`` is at most 1e-4; then every token takes the top K of the plan
``P = d0 exp(L) d1``. Gate weights are not the plan: the sigmoid of the logits for K = 1, their softmax otherwise.
Megatron-LM does this in training; in evaluation it takes the plain top K.

What that loop does, and what is done here:

* It is slow, not endless. Only the product of d0 and d1 is determined, eps lets their scales drift apart, and the test
  is absolute: on logits with unpopular experts d1 reaches 1e3 and beyond, and its change stays above 1e-4 for hundreds
  of thousands of iterations although the plan is long balanced. ``max_iterations`` (ours) ends it; the plan at that
  point is used.
* Logits above 88 overflow float32 and the plan is NaN; logits below about -18 drown in eps. ``stable=True`` (ours) runs
  the same iteration on logarithms in float64 without eps, until column sums are right to ``tolerance``.
* A NaN plan routes to the lowest indices. torch ranks NaN above every number: as meaningless, another set.
* The plan balances fractions; the top K of it does not balance tokens. ``K = E`` is plain.

The iteration ascends the entropic problem ``max <P, L> - <P, log P>`` over plans with row sums 1/T and column sums 1/E;
:func:`entropic_gap` says how far a plan is from that optimum, which is not the assignment optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.routing.topk import top_k_experts
from equipoise.routing import Routing

Floats = npt.NDArray[np.float64]


class Sinkhorn:
    """Top K of the Sinkhorn plan. Cost: O(T E) an iteration, plus O(T E log E)."""

    capabilities = frozenset({"logits", "scores in [0, 1]"})
    """As Megatron-LM runs it, it overflows on larger logits."""

    def __init__(self, tolerance: float = 1e-4, max_iterations: int = 1000, stable: bool = False) -> None:
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.stable = stable

    def __call__(self, logits: npt.NDArray[Any], top_k: int) -> Routing:
        """Route one batch."""
        logits = np.asarray(logits, np.float64)
        run = stable_plan if self.stable else megatron_plan
        plan, _ = run(logits, self.tolerance, self.max_iterations)
        chosen = top_k_experts(plan, top_k)
        gate = 0.5 * (1 + np.tanh(logits / 2)) if top_k == 1 else np.exp(logits - _log_sum_exp(logits, 1))
        return Routing(chosen, np.take_along_axis(gate, chosen, axis=1))


def megatron_plan(logits: npt.NDArray[Any], tolerance: float = 1e-4, max_iterations: int = 1000) -> tuple[Floats, bool]:
    """Return the plan of the float32 loop and whether its own stopping test was met (NaN meets it)."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        cost = np.exp(logits.astype(np.float32))
        tokens, experts = cost.shape
        eps = np.float32(1e-8)
        d0, d1 = np.ones(tokens, np.float32), np.ones(experts, np.float32)
        ended = False
        for _ in range(max_iterations):
            previous = d1
            d0 = np.float32(1 / tokens) / (cost @ d1 + eps)
            d1 = np.float32(1 / experts) / (d0 @ cost + eps)
            ended = not np.abs(previous - d1).mean() > tolerance
            if ended:
                break
        return (d1 * cost * d0[:, None]).astype(np.float64), ended


def stable_plan(logits: Floats, tolerance: float = 1e-4, max_iterations: int = 1000) -> tuple[Floats, bool]:
    """Return the plan by logarithms, and whether every column sum is within ``tolerance / E`` of 1/E."""
    tokens, experts = logits.shape
    v = np.zeros((1, experts))
    ended = False
    for _ in range(max_iterations):
        u = _log_sum_exp(logits - v, 1) + np.log(tokens)
        change = _log_sum_exp(logits - u - v, 0) + np.log(experts)
        ended = bool(np.abs(np.expm1(change)).max() <= tolerance)
        if ended:
            break
        v = v + change
    return np.exp(logits - (_log_sum_exp(logits - v, 1) + np.log(tokens)) - v), ended


def entropic_objective(logits: Floats, plan: Floats) -> float:
    """Return ``<P, L> - <P, log P>``, with ``0 log 0 = 0``."""
    positive = plan > 0
    return float((plan[positive] * (logits[positive] - np.log(plan[positive]))).sum())


def entropic_bound(logits: Floats, v: Floats) -> float:
    """Return the dual value at column potentials ``v[E]``: no plan with the right marginals scores more."""
    tokens = len(logits)
    return float((_log_sum_exp(logits - v, 1) + np.log(tokens)).mean() + v.mean())


def entropic_gap(logits: npt.NDArray[Any], plan: Floats) -> float:
    """Return how far ``plan``, once its marginals are made exact, may be from the entropic optimum.

    An upper bound on the distance: the dual value at the potentials ``v[e] = mean over t of L - log P`` (exact for a
    scaled plan) less the objective of the rounded plan. NaN for a NaN plan.
    """
    logits = np.asarray(logits, np.float64)
    potentials = (logits - np.log(np.maximum(plan, np.finfo(np.float64).tiny))).mean(axis=0)
    return entropic_bound(logits, potentials) - entropic_objective(logits, rounded(plan))


def rounded(plan: Floats) -> Floats:
    """Return a plan near ``plan`` with row sums 1/T and column sums 1/E (Altschuler, Weed, Rigollet, 2017, alg. 2)."""
    tokens, experts = plan.shape
    with np.errstate(divide="ignore"):
        plan = plan * np.minimum(1, 1 / (tokens * plan.sum(axis=1, keepdims=True)))
        plan = plan * np.minimum(1, 1 / (experts * plan.sum(axis=0, keepdims=True)))
    rows = np.maximum(0, 1 / tokens - plan.sum(axis=1))
    columns = np.maximum(0, 1 / experts - plan.sum(axis=0))
    missing = rows.sum()
    return plan + np.outer(rows, columns) / missing if missing > 0 else plan


def _log_sum_exp(values: Floats, axis: int) -> Floats:
    largest = values.max(axis=axis, keepdims=True)
    total: Floats = largest + np.log(np.exp(values - largest).sum(axis=axis, keepdims=True))
    return total
