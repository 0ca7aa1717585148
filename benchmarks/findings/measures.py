"""What the findings share: scores to draw, sweeps run to their end, gaps to the certified optimum, Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from equipoise import AssignmentProblem, metrics, solve
from equipoise.reference.routing.bip import bip_sweep
from equipoise.reference.routing.midpoint import midpoint_sweep
from equipoise.reference.routing.quantile import quantile_sweep
from equipoise.reference.routing.topk import top_k_experts

SWEEPS: dict[str, Callable[..., np.ndarray]] = {
    "quantile": quantile_sweep,
    "BIP": bip_sweep,
    "midpoint": midpoint_sweep,
}

NOTHING = 1e-9
"""Relative gaps below this are rounding of float64 sums."""


def logits(random: np.random.Generator, tokens: int, experts: int, skew: float) -> np.ndarray:
    """Normal logits, plus normal popularity of the experts, ``skew`` times as large."""
    return random.normal(size=(tokens, experts)) + skew * random.normal(size=experts)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return the logistic gate."""
    return 1 / (1 + np.exp(-values))


def softmax(values: np.ndarray) -> np.ndarray:
    """Return the softmax gate."""
    grown = np.exp(values - values.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def settled(sweep: Callable[..., np.ndarray], scores: np.ndarray, top_k: int, limit: int) -> tuple[np.ndarray, int]:
    """Sweep from zero prices until they repeat or the limit; return them and the number of sweeps."""
    prices = np.zeros(scores.shape[1])
    for number in range(limit):
        after = sweep(scores, prices, top_k)
        if (after == prices).all():
            return prices, number
        prices = after
    return prices, limit


def gap(problem: AssignmentProblem, prices: np.ndarray) -> float:
    """``D(q - min q)`` above the certified optimum, over that optimum's gain on random balanced routing."""
    solution = solve(problem)
    if solution.evidence != "certified" or solution.objective is None:
        raise SystemExit("an optimum could not be certified")
    prices = prices - prices.min()
    best = -np.partition(prices - problem.scores, problem.top_k - 1, axis=1)[:, : problem.top_k]
    dual = math.fsum(best.ravel()) + math.fsum(problem.capacity * prices)
    return (dual - float(solution.objective)) / float(solution.objective - metrics.random_score(problem))


def vios(scores: np.ndarray, prices: np.ndarray, top_k: int) -> tuple[float, float]:
    """MaxVio and MinVio of the top K of ``scores - prices``."""
    load = metrics.loads(top_k_experts(scores - prices, top_k), scores.shape[1])
    return metrics.max_vio(load), metrics.min_vio(load)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a Markdown table; floats get three significant digits."""
    head = list(head)
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
