"""Flip margins, against all roundings one by one in rational arithmetic."""

from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import cache
from itertools import product

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise import InvalidProblem, flip_margins
from equipoise.flips import ROUNDINGS

INFINITE = float("inf")
EDGES = [0.0, 5e-324, 2.0**-149, 2.0**-133, 3e-39, 6e-8, 65504.0, 65519.0, 65520.0, 1e30, 3.39e38, 3.4028236e38, 1e300]


@cache
def numbers_of(rounding: str) -> tuple[list[float], list[int]]:
    """All finite numbers of a type of 16 bits, sorted, and the bits of each."""
    bits = np.arange(2**16, dtype=np.uint16)
    values = (bits.astype(np.uint32) << 16).view(np.float32) if rounding == "bf16" else bits.view(np.float16)
    found = {float(v): int(b) for v, b in zip(values, bits, strict=True) if np.isfinite(v)}  # one zero of two
    return sorted(found), [found[value] for value in sorted(found)]


def neighbours(value: float, rounding: str) -> tuple[float, float, float]:
    """Down, nearest (ties to even), up."""
    if rounding == "fp32":
        with np.errstate(over="ignore"):
            nearest = np.float32(value)
        down = nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-INFINITE))
        up = nearest if float(nearest) >= value else np.nextafter(nearest, np.float32(INFINITE))
        return float(down), float(nearest), float(up)
    known, bits = numbers_of(rounding)
    below, above = bisect_right(known, value) - 1, bisect_left(known, value)
    down = known[below] if below >= 0 else -INFINITE
    up = known[above] if above < len(known) else INFINITE
    if down == up:
        return down, down, up
    if INFINITE in (-down, up):  # halfway to the number that would come next, had the type a larger exponent
        last, step = known[-1], Fraction(known[-1]) - Fraction(known[-2])
        beyond = abs(Fraction(value)) >= last + step / 2
        return down, (up if value > 0 else down) if beyond else (down if value > 0 else up), up
    low, high = Fraction(value) - Fraction(down), Fraction(up) - Fraction(value)
    even = down if bits[below] % 2 == 0 else up
    return down, down if low < high else up if high < low else even, up


def plus(value: float, bias: float):
    return value if abs(value) == INFINITE else Fraction(value) + Fraction(bias)


def first_largest(keys, top_k):
    return frozenset(sorted(range(len(keys)), key=lambda e: (-keys[e], e))[:top_k])


def largest_sets(keys, top_k):
    """The K largest, if no tie leaves a choice."""
    ranked = sorted(keys, reverse=True)
    if len(keys) > top_k and ranked[top_k - 1] == ranked[top_k]:
        return None
    return first_largest(keys, top_k)


def by_all_roundings(row, bias, top_k, rounding):
    """Margin, stable, flips."""
    exact = [plus(s, b) for s, b in zip(row, bias, strict=True)]
    chosen, ranked = first_largest(exact, top_k), sorted(exact, reverse=True)
    around = [neighbours(s, rounding) for s in row]
    moved = product(*({low, high} for low, _, high in around))
    stable = all(largest_sets([plus(s, b) for s, b in zip(one, bias, strict=True)], top_k) == chosen for one in moved)
    nearest = [plus(one[1], b) for one, b in zip(around, bias, strict=True)]
    margin = ranked[top_k - 1] - ranked[top_k] if top_k < len(row) else INFINITE
    return margin, stable, first_largest(nearest, top_k) != chosen


@st.composite
def batches(draw):
    """Scores that are close to each other or to an edge of a type, with a bias or none."""
    experts, tokens = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    steps = st.integers(-6, 6).map(lambda n: 0.75 * (1 + n * 2.0 ** draw(st.sampled_from([-7, -9, -12, -24, -26]))))
    edges = st.sampled_from(EDGES).flatmap(lambda edge: st.sampled_from([edge, -edge]))
    number = draw(st.sampled_from([steps, edges, steps | edges, st.floats(-1e6, 1e6)]))
    row = st.lists(number, min_size=experts, max_size=experts)
    scores = draw(st.lists(row, min_size=tokens, max_size=tokens))
    small = st.integers(-8, 8).map(lambda n: n * 2.0**-10) | st.floats(-1, 1) | edges
    bias = draw(st.none() | st.lists(small, min_size=experts, max_size=experts))
    return np.array(scores), draw(st.integers(1, experts)), bias


@given(batches(), st.sampled_from(list(ROUNDINGS)))
@example((np.array([[1.0, 1.0 + 2**-9, 0.0]]), 1, None), "bf16")
@example((np.array([[0.5, 0.25, 0.25]]), 2, None), "fp32")
@example((np.array([[0.5, 0.5]]), 1, [0.0, 2.0**-80]), "fp32")
@example((np.array([[0.3, 0.3 - 2**-54]]), 1, [2.0**-54, 2.0**-53]), "fp32")
@example((np.array([[-65519.0, -65520.0]]), 1, None), "fp16")
@example((np.array([[1e300, 1e30]]), 1, [-1e300, 0.0]), "bf16")
def test_what_is_said_of_a_token_is_what_all_roundings_of_its_scores_do(batch, rounding):
    scores, top_k, bias = batch
    found = flip_margins(scores, top_k, bias, rounding=rounding)
    for token, row in enumerate(scores.tolist()):
        margin, stable, flips = by_all_roundings(row, bias or [0.0] * len(row), top_k, rounding)
        assert (found.stable[token], found.flips[token]) == (stable, flips)
        assert (found.margin[token] == 0) == (margin == 0)
        assert found.margin[token] == pytest.approx(float(margin), rel=1e-12)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("biased", [False, True])
def test_no_stable_token_flips_in_the_types_own_arithmetic_and_those_that_flip_are_told(rounding, biased):
    generator = np.random.default_rng(3)
    scores = generator.random((6000, 64))  # more than one block of rows
    bias = generator.normal(0, 0.05, 64) if biased else None
    found = flip_margins(scores, 6, bias, rounding=rounding)
    dtype = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "fp32": np.float32}[rounding]
    moved = scores.astype(np.float32).astype(dtype).astype(np.float64)
    offset = 0 if bias is None else bias

    def chosen(keys):
        return np.sort(np.argsort(-(keys + offset), axis=1, kind="stable")[:, :6], axis=1)

    others = (chosen(scores) != chosen(moved)).any(axis=1)
    assert not (found.stable & others).any()
    assert not (found.stable & found.flips).any()
    doubly = int((found.flips != others).sum())  # float64 to bfloat16 by way of float32 is rounded twice
    assert doubly <= 3
    assert found.flips.sum() > 20 or rounding == "fp32"


def test_scores_that_the_type_has_move_nothing_and_ties_alone_are_not_stable():
    scores = np.array([[0.5, 0.25, 0.25, 0.125], [0.5, 0.25, 0.125, 0.0]], np.float16)
    found = flip_margins(scores, 2, rounding="bf16")
    assert found.margin.tolist() == [0.0, 0.125]
    assert found.stable.tolist() == [False, True]
    assert not found.flips.any()


def test_a_token_that_takes_every_expert_is_stable_even_beyond_the_type():
    found = flip_margins([[-1e9, 1e9], [1.0, 1.0]], 2, rounding="fp16")
    assert found.stable.all()
    assert np.isinf(found.margin).all()


@pytest.mark.parametrize(
    ("field", "arguments"),
    {
        "rounding": ([[0.1, 0.2]], 1, None, "int8"),
        "scores": ([0.1, 0.2], 1, None, "bf16"),
        "scores, not finite": ([[0.1, np.nan]], 1, None, "bf16"),
        "scores, too large": ([[0.1, 1e308]], 1, None, "bf16"),
        "scores, beyond floats": ([[1, 2**53 + 1]], 1, None, "bf16"),
        "scores, booleans": ([[True, False]], 1, None, "bf16"),
        "bias": ([[0.1, 0.2]], 1, [0.1], "bf16"),
        "top_k": ([[0.1, 0.2]], 3, None, "bf16"),
    }.items(),
)
def test_bad_input_is_refused_under_its_name(field, arguments):
    scores, top_k, bias, rounding = arguments
    with pytest.raises(InvalidProblem, match=f"^{field.split(',')[0]} is "):
        flip_margins(scores, top_k, bias, rounding=rounding)
