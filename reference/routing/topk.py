"""Plain top-K: what every router does before anybody balances it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.routing import Routing


def top_k_experts(keys: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
    """Return ``[T, K]``: the experts with the K largest ``keys[t, :]``, largest first, ties to the lower index."""
    return np.argsort(-keys, axis=1, kind="stable")[:, :top_k]


def routed(scores: npt.NDArray[Any], chosen: npt.NDArray[np.int64]) -> Routing:
    """Return ``chosen`` with the scores of the chosen experts as gate weights, whatever they were chosen by."""
    return Routing(chosen, np.take_along_axis(scores, chosen, axis=1))


def normalised(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return weights ``[T, K]`` over their sum in each row; equal ones where the sum is zero."""
    total = weights.sum(axis=1, keepdims=True)
    shares: npt.NDArray[np.float64] = np.where(
        total == 0, 1 / weights.shape[1], weights / np.where(total == 0, 1, total)
    )
    return shares


def topk(scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.int64]:
    """Route every token to its K best experts, whatever their load. Cost: O(T E log E)."""
    return top_k_experts(np.asarray(scores, np.float64), top_k)
