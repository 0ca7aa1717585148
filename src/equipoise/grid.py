r"""Scores as integers: the grid on which every decision about optimality is made.

A grid with exponent ``g`` holds the integers ``v = round(s * 2**g)``. Floats are dyadic rationals, so there is a
``g`` at which nothing is rounded; it is taken unless the integers would then be too large for exact 64-bit price
arithmetic, and what rounding loses is stated as ``error`` and enters every bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.blocks import by_blocks

PRICE_BITS = 61
"""Scores and prices stay within ``2**PRICE_BITS``, so that a difference of two never overflows 64 bits."""

_CHUNK = 1 << 16
_LAZY = 1 << 20


@dataclass(frozen=True)
class GridRows:
    """Grid integers made when they are asked for: a slice of rows of large scores, not twice their memory."""

    scores: npt.NDArray[Any]
    exponent: int

    dtype = np.dtype(np.int64)
    ndim = 2

    @property
    def shape(self) -> tuple[int, ...]:
        """``(T, E)``."""
        return self.scores.shape

    @property
    def nbytes(self) -> int:
        """Of all rows."""
        return 8 * self.scores.size

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Any) -> npt.NDArray[np.int64]:
        return to_grid(self.scores[rows], self.exponent)


@dataclass(frozen=True)
class Grid:
    """Integers ``rows[T,E]`` with ``abs(scores - rows * 2**-exponent) <= error``, exactly."""

    rows: npt.NDArray[np.int64] | GridRows
    exponent: int
    error: Fraction

    @cached_property
    def values(self) -> npt.NDArray[np.int64]:
        """All rows as one array."""
        return self.rows if isinstance(self.rows, np.ndarray) else self.rows[:]

    @property
    def unit(self) -> Fraction:
        """Size of one grid step, ``2**-exponent``."""
        return Fraction(2) ** -self.exponent


def grid_of(scores: npt.NDArray[Any]) -> Grid:
    """Put finite ``scores[T,E]`` on the finest useful grid.

    The exponent is the smallest at which every score is an integer, or the largest with
    ``(E + 1) * range * 2**g <= 2**61`` if that is less; ``range`` spans the scores and zero. Exchange prices are sums
    of at most ``E + 1`` score differences, hence fit too.
    """
    low, high = scores.min().item(), scores.max().item()
    exponent, error = grid_from(low, high, scores.shape[1], _exact_exponent(scores))
    lazy = GridRows(scores, exponent)
    return Grid(lazy if scores.size > _LAZY else lazy[:], exponent, error)


def grid_from(low: float, high: float, experts: int, finest: int) -> tuple[int, Fraction]:
    """Return the exponent of that grid and its error, from the least and largest score and the exact exponent."""
    span = max(Fraction(high), Fraction(0)) - min(Fraction(low), Fraction(0))
    exponent = min(finest, _largest_exponent(span * (experts + 1), PRICE_BITS)) if span else 0
    return exponent, Fraction(0) if exponent >= finest else Fraction(1, 2) * Fraction(2) ** -exponent


def to_grid(numbers: npt.NDArray[Any], exponent: int) -> npt.NDArray[np.int64]:
    """Round ``numbers * 2**exponent`` to integers; the caller knows that the result fits 64 bits."""
    if numbers.dtype.kind == "f":
        values = np.empty(numbers.shape, np.int64)
        for target, source in _chunks(values, numbers):
            if source.dtype == np.float32 and abs(exponent) < 120:  # a power of two changes no digit
                exact = source * np.float32(2.0**exponent)
            else:
                exact = source.astype(np.float64)
                exact = np.ldexp(exact, exponent) if abs(exponent) > 1000 else exact * 2.0**exponent
            np.rint(exact, out=target, casting="unsafe")
    elif exponent >= 0:
        values = numbers.astype(np.int64) << exponent
    else:
        values = _shift_down(numbers, -exponent)
    values.flags.writeable = False
    return values


def coarsen(values: npt.NDArray[np.int64], largest: int) -> tuple[npt.NDArray[np.int64], int]:
    """Drop the fewest low bits, with rounding, that bring every ``abs(values)`` to at most ``largest``.

    Returns the coarser integers and the number of bits dropped: engines cannot all take 61-bit costs.
    """
    peak = max(-int(values.min(initial=0)), int(values.max(initial=0)))
    bits = 0
    while (peak + (1 << bits >> 1)) >> bits > largest:
        bits += 1
    return (_shift_down(values, bits) if bits else values), bits


def total(values: npt.NDArray[np.int64]) -> int:
    """Exact sum of up to ``2**31`` 64-bit integers: high and low halves apart."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _shift_down(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.int64]:
    """``round(values / 2**bits)``, halves upwards, without an intermediate that could overflow."""
    number = values.dtype.type
    rounded: npt.NDArray[Any] = (values >> number(bits)) + ((values >> number(bits - 1)) & number(1))
    return rounded.astype(np.int64, copy=False)


def _largest_exponent(size: Fraction, bits: int) -> int:
    """Largest ``g`` with ``size * 2**g <= 2**bits``."""
    exponent = bits - (size.numerator.bit_length() - size.denominator.bit_length()) - 1
    while size * Fraction(2) ** (exponent + 1) <= 2**bits:
        exponent += 1
    return exponent


def _exact_exponent(scores: npt.NDArray[Any]) -> int:
    """Smallest ``g`` at which every float score times ``2**g`` is an integer; 0 for integers."""
    if scores.dtype.kind != "f":
        return 0
    wide = np.float64 if scores.dtype.itemsize == 8 else np.float32
    word, one = (np.uint64, np.uint64(1)) if wide is np.float64 else (np.uint32, np.uint32(1))
    if (finest := _exponent_at_least(scores, wide)) is not None:
        return finest
    below_exponent = word(2 ** np.finfo(wide).nmant - 1)

    def last_bit(chunk: npt.NDArray[Any]) -> float:
        magnitude = np.abs(chunk[chunk != 0].astype(wide))
        bits = magnitude.view(word)
        without_last = (bits & (bits - one)).view(wide)
        powers = (bits & below_exponent) == 0
        step = np.where(powers, magnitude, magnitude - without_last)
        return float(step.min(initial=np.inf))

    def smaller(block: slice) -> float:
        chunk: npt.NDArray[np.floating[Any]] = scores[block].astype(wide, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            multiples = np.rint(chunk / first) * first == chunk
        return last_bit(chunk[~multiples])

    first = wide(last_bit(scores[: max(1, _CHUNK // scores.shape[1])]))
    least = min(float(first), *by_blocks(smaller, *scores.shape))
    return 0 if least == np.inf else 1 - int(np.frexp(least)[1])


def _exponent_at_least(scores: npt.NDArray[Any], wide: type[np.floating[Any]]) -> int | None:
    """Exponent that the spacing of floats at the least score asks for, where no score is <= 0 and that is needed.

    No score has a last bit below that spacing, and one in the same binade with an odd mantissa has just that: most
    matrices are settled by a look at their few least scores.
    """
    least, float_type = float(scores.min()), np.finfo(wide)
    if not least > 0:
        return None
    exponent = int(np.frexp(least)[1])
    end = np.inf if exponent > 1023 else 2.0**exponent

    def attained(block: slice) -> bool:
        few = scores[block][scores[block] < end].astype(wide)
        bits: npt.NDArray[Any] = few.view(np.uint64 if wide is np.float64 else np.uint32)
        return bool((bits % 2).any())

    if not any(by_blocks(attained, *scores.shape)):
        return None
    return int(float_type.nmant - max(exponent - 1, int(float_type.minexp)))


def _chunks(*arrays: npt.NDArray[Any]) -> Any:
    """Matching blocks of rows of a limited size, so that temporaries stay small on large inputs."""
    rows = max(1, _CHUNK // max(1, arrays[0].size // max(1, len(arrays[0]))))
    for start in range(0, len(arrays[0]), rows):
        yield tuple(array[start : start + rows] for array in arrays)
