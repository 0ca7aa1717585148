"""How the kernels read a score: the grid integer, refined below its last bit by a hash that breaks ties.

A refined value is ``v * 2**shift + noise`` with ``0 <= noise < 2**bits`` and ``2**shift >= (E + 2) * 2**bits``. Prices
that are optimal for the refined values round to prices that are optimal for v; :mod:`.rounding` has the argument.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numba as nb
import numpy as np
import numpy.typing as npt
from numba.extending import overload

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.dual_descent.limits import FAR, VALUE_BITS
from equipoise.solvers.assignment.dual_descent.tuning import Tuning

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """The real tokens' scores and how to refine them.

    Attributes
    ----------
    scores
        ``[T, E]`` float32 scores, of which ``rint(score * scale)`` is the grid integer, or the grid integers.
    scale
        ``2**exponent`` of the grid.
    shift, mask
        Of the noise that breaks ties: its place below the value, and ``2**bits - 1``.
    factor
        ``[E]`` one 32-bit hash per expert.
    """

    scores: Array
    scale: float
    shift: int
    mask: int
    factor: Integers

    @classmethod
    def of(cls, problem: AssignmentProblem, tuning: Tuning) -> Self:
        """Choose the layout: float32 scores are read where they lie, everything else as grid integers."""
        grid, given = problem.grid, problem.scores
        if given.dtype == np.float32 and abs(grid.exponent) < 900:
            scores, scale = given if problem.mask is None else given[problem.tokens], 2.0**grid.exponent
        else:
            scores, scale = problem.real_values, 1.0
        largest = float(max(-scores.min(initial=0), scores.max(initial=0)))
        scores = np.ascontiguousarray(scores).view()
        scores.flags.writeable = False  # another type for the compiler otherwise
        shift, mask, factor = tie_breaker(largest * scale, problem.num_experts, tuning)
        return cls(scores, scale, shift, mask, factor)


def refined(prices: npt.NDArray[np.float64], exponent: int) -> Integers:
    """``prices * 2**exponent``, cut off where they could not be exact."""
    return np.clip(np.ldexp(prices, exponent), 0, FAR // 4).astype(np.int64)


def tie_breaker(largest: float, experts: int, tuning: Tuning) -> tuple[int, int, Integers]:
    """Return ``shift, mask, factor`` for grid integers up to ``largest``: as much noise as leaves prices exact."""
    used = int(np.ceil(np.log2(largest + 2)))
    guard = int(np.ceil(np.log2(experts + 2)))
    bits = min(tuning.noise_bits, VALUE_BITS - used - guard)
    factor = np.random.default_rng(experts).integers(1, 2**32, experts)
    return (bits + guard, 2**bits - 1, factor) if bits >= 2 else (0, 0, factor)


def grid_value(score: Any, scale: Any) -> Any:
    """Return the grid integer of a score as read; numba puts one of the two bodies below in its place, by dtype."""
    raise NotImplementedError("grid_value is called from compiled code only")


@overload(grid_value, inline="always")
def _grid_value_of(score, scale):  # type: ignore[no-untyped-def]
    if isinstance(score, nb.types.Float):
        return lambda score, scale: np.int64(np.rint(np.float64(score) * scale))
    return lambda score, scale: score


@nb.njit(cache=True, inline="always")
def reduced_row(rows: Any, token: int, price: Any, out: Any) -> None:
    """Write ``out[e] = value[token, e] - price[e]``, exactly; the hash of a token is a 32-bit number."""
    scores, scale, shift, mask, factor = rows
    salt = (np.int64(token) * np.int64(0x9E3779B1) + 0x7F4A7C15) & np.int64(0xFFFFFFFF)
    salt = ((salt ^ (salt >> 15)) * np.int64(0x45D9F3B)) & np.int64(0xFFFFFFFF)
    row = scores[token]
    for e in range(len(row)):
        noise = ((salt * factor[e]) >> np.int64(24)) & mask
        out[e] = (grid_value(row[e], scale) << shift) + noise - price[e]
