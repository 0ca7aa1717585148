"""Router replay: which tokens change experts when their scores are rounded to another type, decided exactly.

A router in training and its replay in inference see the same scores in different types. Rounding may move each score to
one of its two neighbours in the type; a token is safe if no such moves change its K experts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.blocks import by_blocks
from equipoise.errors import InvalidProblem

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

LARGEST = 2.0**1000
"""Scores and biases stay below it, so that sums of two never overflow."""


class _Type(NamedTuple):
    """A binary type: bits of the significand, the exponent of the least normal number, the largest finite number."""

    bits: int
    least: int
    largest: float


ROUNDINGS = {
    "bf16": _Type(8, -126, 2.0**128 - 2.0**120),
    "fp16": _Type(11, -14, 65504.0),
    "fp32": _Type(24, -126, 2.0**128 - 2.0**104),
}
"""Types that scores may be rounded to; all have subnormal numbers."""


@dataclass(frozen=True, eq=False)
class FlipMargins:
    """What rounding does to the choice of every token.

    Attributes
    ----------
    rounding
        The type that scores are rounded to.
    margin
        ``[T]``: K-th minus (K+1)-th largest biased score, in float64: 0 for ties alone, infinite where K = E.
    stable
        ``[T]``: whether the token has the same K experts, with no tie to break, however each of its scores is rounded,
        up or down.
    flips
        ``[T]``: whether it has others when its scores are rounded to nearest, ties to even; of experts that are level,
        before and after, the lower index is taken. Never where it is stable.
    """

    rounding: str
    margin: Floats
    stable: Booleans
    flips: Booleans

    def __repr__(self) -> str:
        tokens, moved, safe = len(self.flips), int(self.flips.sum()), int(self.stable.sum())
        return f"<flip margins: {self.rounding} flips {moved} of {tokens} tokens, {safe} are certified stable>"


def flip_margins(scores: Any, top_k: int, bias: Any = None, *, rounding: str = "bf16") -> FlipMargins:
    """Return which tokens change experts when their scores are rounded, and which cannot.

    A token's experts are the K largest ``s[t, e] + b[e]``. Its scores are rounded to the type, ``s`` becoming one of
    its two neighbours ``down(s) <= s <= up(s)`` there (itself, if the type has it); the bias is added exactly as it is
    given, and the sum is not rounded. The choice C is stable iff

        min over e in C of down(s[t, e]) + b[e]  >  max over e not in C of up(s[t, e]) + b[e]

    as each score may be rounded apart from the others. Every decision is exact: floats are compared as the rationals
    that they are, sums as pairs of a float and its error.

    Parameters
    ----------
    scores
        Array-like, shape (T, E), finite.
    top_k
        Experts per token, K.
    bias
        Array-like, shape (E,), finite; None: none. For a sum that is itself rounded, give ``scores + bias`` as scores.
    rounding
        "bf16", "fp16" or "fp32".

    Raises
    ------
    InvalidProblem
        If an argument is out of range.

    Notes
    -----
    Perturbations of up to half the margin change nothing. O(T E) time, in blocks of rows and threads.

    Examples
    --------
    >>> found = equipoise.flip_margins([[0.5, 0.502, 0.1], [0.9, 0.2, 0.1]], top_k=1)
    >>> found
    <flip margins: bf16 flips 1 of 2 tokens, 1 are certified stable>
    >>> found.flips.tolist(), found.stable.tolist()
    ([True, False], [False, True])
    """
    if rounding not in ROUNDINGS:
        raise InvalidProblem("rounding", repr(rounding), ", ".join(ROUNDINGS))
    values = _numbers(scores, "scores", 2)
    tokens, experts = values.shape
    added = None if bias is None else _numbers(bias, "bias", 1).astype(np.float64)
    if added is not None and len(added) != experts:
        raise InvalidProblem("bias", f"of shape {added.shape}", f"shape ({experts},)")
    if not 1 <= top_k <= experts:
        raise InvalidProblem("top_k", str(top_k), f"1 to E = {experts}")
    margin, stable, flips = np.full(tokens, math.inf), np.ones(tokens, bool), np.zeros(tokens, bool)

    def fill(rows: slice) -> None:
        block = values[rows].astype(np.float64)
        margin[rows], stable[rows], flips[rows] = _decided(block, top_k, added, ROUNDINGS[rounding])

    if top_k < experts:
        by_blocks(fill, tokens, experts)
    return FlipMargins(rounding, margin, stable, flips)


def _numbers(given: Any, field: str, axes: int) -> npt.NDArray[Any]:
    array = as_numpy(given, field)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise InvalidProblem(field, f"of type {array.dtype}", "float16, bfloat16, float32, float64 or integers")
    if array.ndim != axes or not array.shape[-1]:
        raise InvalidProblem(field, f"of shape {array.shape}", "shape (T, E)" if axes == 2 else "shape (E,)")
    largest = LARGEST if array.dtype == np.float64 else np.inf if array.dtype.kind == "f" else 2**53
    if not ((array < largest) & (array > -largest)).all():
        raise InvalidProblem(field, "not finite, or too large", f"finite numbers of magnitude below {largest:.4g}")
    return array


def _decided(scores: Floats, top_k: int, bias: Floats | None, form: _Type) -> tuple[Floats, Booleans, Booleans]:
    """Return margin, stability and flips of a block of rows, K < E; rows with a wide margin need no closer look."""
    near = scores if bias is None else scores + bias
    lead = np.partition(near, (-top_k - 1, -top_k), axis=1)[:, [-top_k, -top_k - 1]]
    margin: Floats = lead[:, 0] - lead[:, 1]
    largest = np.abs(scores).max(axis=1)
    error = 2.0**-50 * np.abs(near).max(axis=1)  # of four sums and differences in float64
    wide = (margin > 2 * _step(largest, form) + error) & (largest <= form.largest)
    stable, flips = wide.copy(), np.zeros(len(scores), bool)
    margin[~wide], stable[~wide], flips[~wide] = _close(scores[~wide], top_k, bias, form)
    return margin, stable, flips


def _close(scores: Floats, top_k: int, bias: Floats | None, form: _Type) -> tuple[list[float], Booleans, Booleans]:
    """Return the same for any rows."""
    down, nearest, up = _rounded(scores, form)
    exact = _plus(scores, bias)
    chosen = _largest(exact, top_k)
    lowest = np.where(chosen, _plus(down, bias), np.inf).min(axis=1)
    highest = np.where(chosen, -np.inf, _plus(up, bias)).max(axis=1)
    flips = (_largest(_plus(nearest, bias), top_k) != chosen).any(axis=1)
    last, after = np.where(chosen, exact, np.inf).argmin(axis=1), np.where(chosen, -np.inf, exact).argmax(axis=1)
    added, rows = np.zeros(scores.shape[1]) if bias is None else bias, np.arange(len(scores))
    terms = scores[rows, last], added[last], -scores[rows, after], -added[after]
    margin = [math.fsum(four) for four in zip(*(term.tolist() for term in terms), strict=True)]
    return margin, lowest > highest, flips


def _step(values: Floats, form: _Type) -> Floats:
    """Return the distance of the neighbours of each value in the type, a power of two: from the bits of its exponent.

    It is that of the exponent's range even beyond the type's largest number.
    """
    power = (np.ascontiguousarray(values).view(np.int64) & (0x7FF << 52)).view(np.float64)
    return np.maximum(power, 2.0**form.least) * 2.0 ** (1 - form.bits)


def _rounded(values: Floats, form: _Type) -> tuple[Floats, Floats, Floats]:
    """Return the values rounded down, to nearest and up; beyond the type's range infinite. All of it is exact."""
    step = _step(values, form)
    scaled = values / step
    down, nearest, up = (rule(scaled) * step for rule in (np.floor, np.rint, np.ceil))
    down[down < -form.largest] = -np.inf
    nearest[np.abs(nearest) > form.largest] *= np.inf
    up[up > form.largest] = np.inf
    return np.minimum(down, form.largest), nearest, np.maximum(up, -form.largest)


def _plus(values: Floats, bias: Floats | None) -> npt.NDArray[Any]:
    """Return the exact sums, in their order: a complex number holds a sum rounded and what rounding took (Knuth).

    NumPy orders complex numbers by their real parts, then by their imaginary ones; as rounding is monotone, that is the
    order of the exact sums.
    """
    if bias is None:
        return values
    sums = np.zeros(values.shape, np.complex128)
    sums.real = near = values + bias
    with np.errstate(invalid="ignore"):
        part = near - values
        error = (values - (near - part)) + (bias - part)
    sums.imag = np.where(np.isfinite(near), error, 0.0)
    return sums


def _largest(keys: npt.NDArray[Any], top_k: int) -> Booleans:
    """Return ``[T, E]``: which are the K largest of their row, of those that are level the first ones."""
    least = np.partition(keys, -top_k, axis=1)[:, -top_k, None]
    above, level = keys > least, keys == least
    found: Booleans = above | (level & (level.cumsum(axis=1) <= top_k - above.sum(axis=1)[:, None]))
    return found
