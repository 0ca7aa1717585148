"""Hypothesis strategies for balancers' inputs: composable, and shrinking towards few tokens and small numbers.

>>> from hypothesis import given
>>> @given(routing_instances(max_tokens=8))
... def test(instance):
...     scores, top_k = instance
...     assert scores.shape[1] >= top_k >= 1
>>> test()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Scores = npt.NDArray[Any]

eighths = st.integers(0, 8).map(lambda n: n / 8)
"""Scores with many ties, exact in every float type."""

unit_floats = st.floats(0, 1, width=32, allow_subnormal=False)
"""Scores as a sigmoid gate gives them."""


@st.composite
def score_matrices(
    draw: Callable[..., Any],
    *,
    tokens: st.SearchStrategy[int] | None = None,
    experts: st.SearchStrategy[int] | None = None,
    elements: st.SearchStrategy[float] | None = None,
) -> Scores:
    """Return ``[T, E]`` float32 scores in [0, 1]: tied or tie-free, some with a common favourite."""
    shape = (draw(tokens or st.integers(1, 12)), draw(experts or st.integers(1, 6)))
    kind = elements or draw(st.sampled_from((eighths, unit_floats)))
    scores: Scores = draw(hnp.arrays(np.float32, shape, elements=kind))
    if elements is None and draw(st.booleans()):
        scores[:, draw(st.integers(0, shape[1] - 1))] = 1.0  # everybody's favourite
    return scores


@st.composite
def distinct_scores(
    draw: Callable[..., Any],
    *,
    tokens: st.SearchStrategy[int] | None = None,
    experts: st.SearchStrategy[int] | None = None,
    skew: st.SearchStrategy[int] | None = None,
) -> Scores:
    """Return ``[T, E]`` float32 scores without any tie, exact multiples of 2^-12 in (0, 1), popular experts first.

    All entries differ, and so do differences within rows by construction from a seed; it shrinks in size and skew.
    """
    shape = (draw(tokens or st.integers(1, 24)), draw(experts or st.integers(2, 8)))
    tilt = draw(skew or st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    levels = rng.permutation(2**12 - 1)[: shape[0] * shape[1]].reshape(shape) + 1.0
    popularity = 1 - tilt * np.arange(shape[1]) / (4 * shape[1])
    return np.asarray(np.floor(levels * popularity) / 2**12, np.float32)


@st.composite
def routing_instances(draw: Callable[..., Any], *, max_tokens: int = 12, max_experts: int = 6) -> tuple[Scores, int]:
    """Return ``(scores[T, E], top_k)`` with any ``1 <= K <= E``; T * K need not be divisible by E."""
    tokens, experts = st.integers(1, max_tokens), st.integers(1, max_experts)
    scores = draw(score_matrices(tokens=tokens, experts=experts))
    return scores, draw(st.integers(1, scores.shape[1]))


@st.composite
def drifting_batches(
    draw: Callable[..., Any], *, max_steps: int = 6, max_tokens: int = 16, max_experts: int = 6
) -> tuple[tuple[Scores, ...], int]:
    """Return ``(batches, top_k)``: batches of one shape whose favourite expert moves over time."""
    shape = (draw(st.integers(2, max_tokens)), draw(st.integers(2, max_experts)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    batches = []
    for favourite in draw(st.lists(st.integers(0, shape[1] - 1), min_size=1, max_size=max_steps)):
        scores = rng.integers(1, 2**11, shape) / 2**12
        scores[:, favourite] += 0.5
        batches.append(scores.astype(np.float32))
    return tuple(batches), draw(st.integers(1, shape[1]))
