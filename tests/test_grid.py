"""Scores on the integer grid: exact where it says so, within the stated error everywhere."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.grid import PRICE_BITS, Grid, _exact_exponent, coarsen, grid_of, to_grid
from strategies_assignment import ALL, score_matrices


def fractions(array):
    return [Fraction(number.item()) for number in array.ravel()]


def worst_error(grid: Grid, scores) -> Fraction:
    on_grid = [Fraction(int(value)) * grid.unit for value in grid.values.ravel()]
    return max(abs(a - b) for a, b in zip(fractions(scores), on_grid, strict=True))


@given(score_matrices(ALL))
@example(np.array([[1e38, 1e-38]], np.float32))
@example(np.array([[5e-324, -5e-324]]))
@example(np.array([[5e-324, 1.7e308], [-1.7e308, 2.2250738585072014e-308]]))
@example(np.array([[6e-8, 65504]], np.float16))
@example(np.array([[2**63 - 1, -(2**63)]]))
@example(np.array([[2**64 - 1, 0]], np.uint64))
@example(np.array([[2**53 + 1, 2**53]]))
@example(np.array([[0.0, -0.0]]))
def test_grid_error_bounds_the_distance_of_every_score(scores):
    grid = grid_of(scores)
    assert worst_error(grid, scores) <= grid.error
    assert grid.unit == Fraction(1, 2) ** grid.exponent


@given(score_matrices(ALL))
@example(np.array([[2**63 - 1, -(2**63)]]))
@example(np.array([[2**64 - 1] * 4], np.uint64))
@example(np.array([[1.7976931348623157e308, -1.7976931348623157e308]]))
def test_sums_of_as_many_differences_as_a_price_has_fit_the_price_range(scores):
    values = [int(value) for value in grid_of(scores).values.ravel()]
    span = max(*values, 0) - min(*values, 0)
    assert scores.shape[1] * span <= 2**PRICE_BITS


@given(score_matrices(ALL))
def test_zero_error_is_stated_exactly_where_nothing_is_rounded_or_the_grid_is_as_fine_as_fits(scores):
    grid = grid_of(scores)
    if grid.error:
        span = max(*fractions(scores), Fraction(0)) - min(*fractions(scores), Fraction(0))
        finer = span * 2 * Fraction(2) ** grid.exponent * (scores.shape[1] + 1)
        assert finer > 2**PRICE_BITS
        assert grid.error == grid.unit / 2
    else:
        assert worst_error(grid, scores) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_ordinary_floats_are_exact(dtype):
    scores = np.random.default_rng(1).random((64, 16)).astype(dtype) + np.array(0.0625, dtype)
    grid = grid_of(scores)
    assert grid.error == 0
    assert worst_error(grid, scores) == 0


def test_integers_beyond_double_precision_are_exact_while_they_fit():
    scores = np.array([[2**53 + 1, 2**53 - 1], [2**58 + 1, -(2**58) - 1]])
    grid = grid_of(scores)
    assert (grid.exponent, grid.error) == (0, 0)
    np.testing.assert_array_equal(grid.values, scores)


def test_grid_is_the_coarsest_exact_one():
    assert grid_of(np.array([[0.25, 0.75]])).exponent == 2
    assert grid_of(np.array([[8.0, 24.0]])).exponent == -3
    assert grid_of(np.array([[0.0, 0.0]])).exponent == 0
    assert grid_of(np.array([[8, 24]])).exponent == 0


def test_large_matrices_are_gridded_block_by_block_without_seams():
    scores = np.random.default_rng(2).integers(-9, 9, (3000, 1000)) / 8
    np.testing.assert_array_equal(grid_of(scores).values, (scores * 8).astype(int))


def test_grid_values_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        grid_of(np.array([[1.0, 2.0]])).values[0, 0] = 3


@given(hnp.arrays(np.int64, st.integers(0, 6), elements=st.integers(-(2**61), 2**61)), st.integers(1, 2**61))
@example(np.array([-3]), 1)
@example(np.array([2**61, -(2**61)]), 1)
@example(np.array([3, -3]), 2)
def test_coarsening_stays_below_the_limit_and_within_half_a_coarse_step(values, largest):
    coarse, bits = coarsen(values, largest)
    step = 2**bits
    for before, after in zip(values.tolist(), coarse.tolist(), strict=True):
        assert abs(after) <= largest
        assert 2 * abs(after * step - before) <= step


@given(hnp.arrays(np.int64, st.integers(1, 6), elements=st.integers(-(2**61), 2**61)), st.integers(1, 2**61))
def test_coarsening_drops_no_bit_that_fits(values, largest):
    _, bits = coarsen(values, largest)
    if bits:
        finer = max((abs(value) + 2 ** (bits - 1) // 2) // 2 ** (bits - 1) for value in values.tolist())
        assert finer > largest


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 60))
def test_integers_are_rounded_to_the_nearest_multiple(number, bits):
    rounded = int(to_grid(np.array([[number]]), -bits)[0, 0])
    assert abs(rounded * 2**bits - number) * 2 <= 2**bits


@given(st.integers(0, 2**32), st.sampled_from([np.float16, np.float32, np.float64]), st.booleans())
def test_exponent_is_the_smallest_at_which_every_score_is_whole_by_fractions(seed, dtype, few_bits):
    random = np.random.default_rng(seed)
    least = {np.float16: -26, np.float32: -155, np.float64: -1080}[dtype]
    numbers = random.integers(1, 9, (3, 4)).astype(float) if few_bits else random.random((3, 4))
    scores = np.ldexp(numbers, int(random.integers(least, 5))).astype(dtype) * random.choice([-1, 1, 1, 1])
    exact = [Fraction(float(score)) for score in scores.ravel() if score]
    assert _exact_exponent(scores, float(scores.min())) == max(
        (_power(f.denominator) - _power(f.numerator) for f in exact), default=0
    )


def _power(number: int) -> int:
    """Of two in a number."""
    return (abs(number) & -abs(number)).bit_length() - 1
