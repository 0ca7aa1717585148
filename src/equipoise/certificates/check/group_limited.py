r"""The check of a group-limited certificate: standard library and NumPy, integers only, no solver.

For prices ``q[e] >= 0`` of the experts' capacities,

    D(q) = sum_t A_t + sum_e c[e] q[e],   A_t = the best sum of K entries of s[t,:] - q from at most M groups

is at least the score of any feasible assignment (weak duality; in the drop form only positive entries count, and there
may be fewer than K). An assignment that reaches D(q) is optimal. Some optima leave a gap that no prices close.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.assignment import check_assignment
from equipoise.certificates.check.verdict import Verdict, of_bounds

Integers = npt.NDArray[np.int64]

_NEVER = -(2**62)
_CHUNK = 1 << 18


def check_group_limited(
    scores: Integers,
    top_k: int,
    capacity: Integers,
    drop: bool,
    mask: npt.NDArray[np.bool_] | None,
    groups: tuple[int, int],
    experts: Integers,
    prices: Integers,
    exponent: int,
    error: Fraction,
) -> Verdict:
    """Decide whether ``experts`` is proved optimal by ``prices``; give bounds in any case.

    Parameters
    ----------
    scores, top_k, capacity, drop, mask, experts, prices, exponent, error
        As in :func:`equipoise.certificates.check.assignment.check_assignment`.
    groups
        N, a divisor of E, and M.
    """
    number, most = groups
    real = np.ones(len(scores), bool) if mask is None else mask
    plain = check_assignment(scores, top_k, capacity, drop, mask, experts, prices, exponent, error)
    if plain.upper is None:
        return plain
    if max(abs(int(scores.min())), abs(int(scores.max())), int(prices.max())) * (top_k + 1) > -_NEVER // 4:
        return Verdict(False, "scores or prices are too large for exact sums", None, plain.upper)
    unit, slip = Fraction(2) ** -exponent, int(real.sum()) * top_k * error
    dual = sum(int(most_of) * int(price) for most_of, price in zip(capacity, prices, strict=True))
    rows = max(1, _CHUNK // scores.shape[1])
    for start in range(0, len(scores), rows):
        block = scores[start : start + rows][real[start : start + rows]]
        dual += sum(_best(block - prices, top_k, number, most, drop).tolist())
    upper = dual * unit + slip
    if plain.lower is None:
        return Verdict(False, plain.reason, None, upper)
    used = np.zeros((len(scores), number), bool)
    token, place = np.nonzero(experts >= 0)
    used[token, experts[token, place] // (scores.shape[1] // number)] = True
    over = used.sum(axis=1) > most
    if over.any():
        return Verdict(False, f"token {int(np.argmax(over))} uses more than {most} groups", None, upper)
    return of_bounds(plain.lower, upper, slip, exponent)


def _best(reduced: Integers, top_k: int, groups: int, most: int, drop: bool) -> Integers:
    """``A_t``: ``best[m, k]`` is the best sum of k entries from at most m of the groups seen so far."""
    tokens, experts = reduced.shape
    ranked = -np.sort(-reduced.reshape(tokens, groups, experts // groups), axis=2)
    best = np.full((most + 1, top_k + 1, tokens), _NEVER)
    best[:, 0] = 0
    for group in range(groups):
        seen = best.copy()
        total = np.zeros(tokens, np.int64)
        for taken in range(1, min(top_k, experts // groups) + 1):
            total = total + ranked[:, group, taken - 1]
            np.maximum(best[1:, taken:], seen[:-1, : top_k + 1 - taken] + total, out=best[1:, taken:])
    value: Integers = best[most].max(axis=0) if drop else best[most, top_k]
    return value
