"""What edges of routers are written in: cases, masks, weights, and routers that are a function of their scores."""

import numpy as np

from equipoise.roles.router import RouterCase
from miniature_routers import top

__all__ = ["batches", "case", "mask", "top", "weighted"]


def case(scores, top_k=1, groups=None, used=None):
    return RouterCase((np.array(scores, np.float32),), top_k, groups, used)


def batches(*scores, top_k=1):
    return RouterCase(tuple(np.array(batch, np.float32) for batch in scores), top_k)


def mask(rows):
    """Who goes where, in zeros and ones: a word for every token."""
    return np.array([[letter == "1" for letter in row] for row in rows.split()])


def weighted(experts, weights):
    return np.array(experts), np.array(weights, np.float64)
