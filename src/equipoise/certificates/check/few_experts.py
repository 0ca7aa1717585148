r"""The check of a certificate of few experts: standard library and NumPy, integers only, no solver.

For any prices ``a[t]`` of the tokens' places (in the drop form not negative),

    D(a) = K sum_t a[t] + the B largest of V_e,   V_e = the sum of the c[e] largest of max(0, s[t,e] - a[t]) over t

is at least the score of any answer: an answer scores ``sum (s - a) x + sum_t a[t] sum_e x``, the second sum is
``K sum a`` (in the drop form at most that), and an expert adds at most V_e to the first, for at most B experts. An
answer that reaches D(a) is optimal. Some optima leave a gap that no prices close.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.assignment import check_assignment
from equipoise.certificates.check.verdict import Verdict, of_bounds

Integers = npt.NDArray[np.int64]

LARGEST = 2**61
"""Of a price."""


def check_few_experts(
    scores: Integers,
    top_k: int,
    capacity: Integers,
    drop: bool,
    mask: npt.NDArray[np.bool_] | None,
    most: int,
    experts: Integers,
    prices: Integers,
    exponent: int,
    error: Fraction,
) -> Verdict:
    """Decide whether ``experts`` is proved optimal by ``prices``; give bounds in any case.

    Parameters
    ----------
    scores, top_k, capacity, drop, mask, experts, exponent, error
        As in :func:`equipoise.certificates.check.assignment.check_assignment`.
    most
        B.
    prices
        ``[T]`` integers on the grid; those of padding tokens do not count.
    """
    nothing = np.zeros(scores.shape[1], np.int64)
    plain = check_assignment(scores, top_k, capacity, drop, mask, experts, nothing, exponent, error)
    if plain.upper is None:
        return plain
    if prices.shape != (len(scores),) or prices.max() > LARGEST or prices.min() < (0 if drop else -LARGEST):
        return Verdict(False, "the prices of the tokens do not fit the problem", None, None)
    real = np.ones(len(scores), bool) if mask is None else mask
    unit, slip = Fraction(2) ** -exponent, int(real.sum()) * top_k * error
    upper = dual_bound(scores[real], top_k, capacity, most, prices[real]) * unit + slip
    if plain.lower is None:
        return Verdict(False, plain.reason, None, upper)
    used = len(np.unique(experts[experts >= 0]))
    if used > most:
        return Verdict(False, f"the batch uses {used} experts, more than {most}", None, upper)
    return of_bounds(plain.lower, upper, slip, exponent)


def dual_bound(scores: Integers, top_k: int, capacity: Integers, most: int, prices: Integers) -> int:
    """Return D, in grid steps, of the real tokens."""
    worth: list[int] = []
    for column, room in zip(scores.T, capacity.tolist(), strict=True):
        over = np.maximum(0, column - prices)
        kept = np.sort(over)[max(0, len(over) - room) :]
        worth.append(sum(kept.tolist()))
    best: list[int] = sorted(worth)[-most:] if most > 0 else []
    return top_k * int(sum(prices.tolist())) + sum(best)
