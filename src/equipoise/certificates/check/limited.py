r"""The check of a certificate with limits: standard library and NumPy, integers only, no solver.

Besides a price per expert there is one per limit, ``y[l] >= 0``. Charge every assignment the prices of the limits that
cover it, ``s'[t, e] = s[t, e] - sum of y[l] over t in A_l, e in G_l``. Then

    D(q, y) = D'(q) + sum_l C[l] y[l]  >=  the score of any feasible assignment,

D' being the dual of the plain problem with scores s' (weak duality). An assignment attains it iff the plain check
accepts it on s', it keeps every limit, and y[l] > 0 only where limit l is full.

With all scores zero, every feasible assignment scores 0; so D(q, y) < 0 on zero scores proves that there is none.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.assignment import check_assignment
from equipoise.certificates.check.verdict import Verdict

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_LARGEST = 2**61


def check_limited(
    scores: Integers,
    top_k: int,
    capacity: Integers,
    drop: bool,
    mask: Booleans | None,
    limits: tuple[Integers, Booleans, Booleans],
    experts: Integers | None,
    prices: Integers,
    limit_prices: Integers,
    exponent: int,
    error: Fraction,
) -> Verdict:
    """Decide whether ``experts`` is proved optimal by the prices; None: whether no assignment is proved to exist.

    Parameters
    ----------
    scores, top_k, capacity, drop, mask, experts, prices, exponent, error
        As in :func:`equipoise.certificates.check.assignment.check_assignment`.
    limits
        Capacity ``[L]``, tokens ``[L, T]`` and experts ``[L, E]`` of every limit.
    limit_prices
        ``[L]`` grid integers.
    """
    room, tokens, members = limits
    unit = Fraction(2) ** -exponent
    reason = _bad_prices(limit_prices, room.shape)
    if reason is not None:
        return Verdict(False, reason)
    charged = _charge(np.zeros_like(scores) if experts is None else scores, tokens, members, limit_prices)
    if charged is None:
        return Verdict(False, "the prices of the limits add up beyond 2^61")
    added = sum(int(most) * int(price) for most, price in zip(room, limit_prices, strict=True)) * unit
    form = (charged, top_k, capacity, drop, mask)
    if experts is None:
        nobody = np.full((len(scores), top_k), -1)
        dual = check_assignment(*form, nobody, prices, exponent, Fraction(0)).upper
        if dual is None or dual + added >= 0:
            return Verdict(False, "the prices do not prove that the limits cannot be kept")
        return Verdict(True, "no assignment keeps the limits: on zero scores the dual bound is negative")
    plain = check_assignment(*form, experts, prices, exponent, error)
    upper = None if plain.upper is None else plain.upper + added
    if plain.lower is None:
        return Verdict(False, plain.reason, None, upper)
    held = np.zeros(scores.shape, bool)
    token, place = np.nonzero(experts >= 0)
    held[token, experts[token, place]] = True
    load = [int(held[np.ix_(rows, columns)].sum()) for rows, columns in zip(tokens, members, strict=True)]
    for number, (total, most) in enumerate(zip(load, room, strict=True)):
        if total > most:
            return Verdict(False, f"limit {number} takes {total} assignments, its capacity is {int(most)}", None, upper)
    lower = plain.lower + sum(total * int(price) for total, price in zip(load, limit_prices, strict=True)) * unit
    if not plain.valid:
        return Verdict(False, plain.reason, lower, upper)
    for number, (total, most) in enumerate(zip(load, room, strict=True)):
        if limit_prices[number] > 0 and total < most:
            return Verdict(False, f"limit {number} has a price, but is not full", lower, upper)
    return Verdict(True, "the assignment keeps the limits and its score equals the dual bound", lower, upper)


def _bad_prices(prices: Integers, shape: tuple[int, ...]) -> str | None:
    if prices.dtype != np.int64 or prices.shape != shape:
        return f"the prices of the limits are {prices.dtype} of shape {prices.shape}, not 64-bit integers {shape}"
    if prices.size and (int(prices.min()) < 0 or int(prices.max()) > _LARGEST):
        return "the price of a limit is negative or beyond 2^61"
    return None


def _charge(scores: Integers, tokens: Booleans, members: Booleans, prices: Integers) -> Integers | None:
    """Scores less the prices of the limits that cover them; None if they leave the range of exact arithmetic."""
    charged = scores.copy()
    for number in np.flatnonzero(prices):
        block = np.ix_(tokens[number], members[number])
        charged[block] -= prices[number]
        if charged[block].min(initial=0) < -_LARGEST:
            return None
    return charged
