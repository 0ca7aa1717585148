"""Routers that fail in one place each: for which phase finds what, and how small it becomes."""

from __future__ import annotations

import numpy as np

from equipoise.checks.engine.known import vectors


def top(scores, top_k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]


KNOWN = next(vector.case.scores for vector in vectors("router") if vector.id == "skewed-24x8-k2")


def fails_on_a_vector_alone(scores, top_k):
    chosen = top(scores, top_k)
    return chosen[:, :1] if np.array_equal(scores, KNOWN) else chosen


def fails_above_a_quarter(scores, top_k):
    """One large score in the fourth column is enough."""
    if scores.shape[1] >= 4 and (scores[:, 3] > 0.25).any():
        return np.full((len(scores), top_k), -1)
    return top(scores, top_k)


def fails_with_one_token(scores, top_k):
    return np.full((1, top_k), -1) if len(scores) == 1 else top(scores, top_k)


class FailsAfterThree:
    """From the fourth batch on."""

    def __init__(self):
        self.seen = 0

    def __call__(self, scores, top_k):
        self.seen += 1
        return np.full((len(scores), top_k), -1) if self.seen > 3 else top(scores, top_k)


def fails_on_many_tokens(scores, top_k):
    return np.full((len(scores), top_k), -1) if len(scores) >= 9 else top(scores, top_k)


def sometimes(scores, top_k):
    """Where 5/8 stands twice, which no known case has."""
    return np.full((len(scores), top_k), -1) if (scores == 0.625).sum() >= 2 else top(scores, top_k)
