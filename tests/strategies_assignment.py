"""Hypothesis strategies for assignment problems; everything shrinks towards few tokens, small integers, no frills."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise import AssignmentProblem


def _floats(width: int):
    return st.floats(width=width, allow_nan=False, allow_infinity=False)


def _integers(dtype: str):
    info = np.iinfo(dtype)
    return st.integers(int(info.min), int(info.max))


TIES = (np.dtype("int64"), st.integers(-2, 2))
COUNTS = (np.dtype("int64"), st.integers(-1000, 1000))
EIGHTHS = (np.dtype("float64"), st.integers(-8, 8).map(lambda n: n / 8))
GATES = (np.dtype("float32"), st.floats(0, 1, width=32, allow_subnormal=False))
TAME = (TIES, COUNTS, EIGHTHS, GATES)
"""Scores as routers have them: engines resolve them."""

WILD = tuple((np.dtype(name), _integers(name)) for name in ("int8", "uint16", "int64", "uint64"))
WILD += tuple((np.dtype(f"float{width}"), _floats(width)) for width in (16, 32, 64))
"""Scores of any size a type can hold: rounding to the grid is the rule here."""

INTEGRAL = (TIES, COUNTS)
DISTINCT = (COUNTS, GATES, *WILD)
"""Scores that seldom tie."""
ALL = TAME + WILD


def fewer(divisor: int) -> settings:
    """Settings for an expensive property: a fraction of the profile's examples."""
    return settings(max_examples=max(1, settings().max_examples // divisor))


@st.composite
def score_matrices(draw, kinds=ALL, max_tokens: int = 5, max_experts: int = 4, least: int = 1):
    dtype, elements = draw(st.sampled_from(kinds))
    shape = draw(st.tuples(st.integers(least, max_tokens), st.integers(least, max_experts)))
    return draw(hnp.arrays(dtype, shape, elements=elements))


@st.composite
def problems(draw, kinds=ALL, max_tokens: int = 5, max_experts: int = 4, drop: bool | None = None) -> AssignmentProblem:
    """Small valid problems: ties, K=1 and K=E, T<E, slack and uneven and zero capacity, drop form, padding."""
    scores = draw(score_matrices(kinds, max_tokens, max_experts))
    tokens, experts = scores.shape
    top_k = draw(st.integers(1, experts))
    if drop is None:
        drop = draw(st.booleans())
    mask = draw(st.none() | hnp.arrays(bool, tokens).filter(np.any))
    real = tokens if mask is None else int(mask.sum())
    capacity = draw(st.none() | _uniform(real, experts, top_k, drop) | _uneven(real, experts, top_k, drop))
    return AssignmentProblem(scores, top_k, capacity, drop, mask)


def _uniform(tokens: int, experts: int, top_k: int, drop: bool):
    return st.integers(0 if drop else -(-tokens * top_k // experts), tokens + 2)


def _uneven(tokens: int, experts: int, top_k: int, drop: bool):
    limits = st.lists(st.integers(0, tokens + 2), min_size=experts, max_size=experts)
    return limits if drop else limits.map(lambda given: _enough(given, tokens, top_k))


def _enough(limits: list[int], tokens: int, top_k: int) -> list[int]:
    """Raise the first capacities until they hold every assignment."""
    limits = list(limits)
    for expert, limit in enumerate(limits):
        shortage = tokens * top_k - sum(min(other, tokens) for other in limits)
        if shortage > 0 and limit < tokens:
            limits[expert] = min(tokens, limit + shortage)
    return limits


@st.composite
def problems_and(draw, matrix_of, **options):
    """A problem and an array over its real tokens and experts, drawn from ``matrix_of(shape)``."""
    problem = draw(problems(**options))
    return problem, draw(matrix_of((len(problem.tokens), problem.num_experts)))


@st.composite
def contests(draw, kinds=ALL) -> AssignmentProblem:
    """Problems in which tokens compete for full experts: K < E, no slack, no padding, nobody dropped."""
    scores = draw(score_matrices(kinds, 5, 4, least=2))
    return AssignmentProblem(scores, draw(st.integers(1, scores.shape[1] - 1)))
