r"""The check of an assignment certificate: standard library and NumPy, integers only, no solver.

A certificate is an assignment x and one price ``q[e]`` per expert, all integers on one grid. For every ``q >= 0``

    D(q) = sum_t (sum of the K largest of s[t,:] - q) + sum_e c[e] q[e]

is at least the score of any feasible assignment (weak duality; in the drop form only positive parts of the K largest
count). So if x is feasible and its score equals D(q), then x is optimal. That is all that is checked.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.blocks import by_blocks
from equipoise.certificates.check.verdict import Verdict

Integers = npt.NDArray[np.int64]

_LARGEST = 2**61  # differences of two such numbers fit 64 bits


def check_assignment(
    scores: Integers,
    top_k: int,
    capacity: Integers,
    drop: bool,
    mask: npt.NDArray[np.bool_] | None,
    experts: Integers,
    prices: Integers,
    exponent: int,
    error: Fraction,
) -> Verdict:
    """Decide whether ``experts`` is proved optimal by ``prices``.

    Parameters
    ----------
    scores
        ``[T, E]`` grid integers, or what gives them by slices of rows: score times ``2**exponent``, rounded by at most
        ``error`` (in units of the scores).
    top_k, capacity, drop, mask
        The problem, as in :class:`equipoise.AssignmentProblem`.
    experts
        ``[T, K]`` expert indices, -1 for none.
    prices
        ``[E]`` grid integers.
    """
    unit = Fraction(2) ** -exponent
    reason = _bad_numbers(scores, capacity, prices)
    if reason is not None:
        return Verdict(False, reason)
    real = np.ones(scores.shape[0], bool) if mask is None else mask
    broken = infeasible(scores.shape, top_k, capacity, drop, real, experts)
    sums = _sums(scores, top_k, drop, real, None if broken else experts, prices)
    if sums is None:
        return Verdict(False, "scores goes beyond 2^61")
    value, dual = sums[0], sums[1] + sum(int(limit) * int(price) for limit, price in zip(capacity, prices, strict=True))
    slip = int(real.sum()) * top_k * error
    lower = value * unit - slip
    upper = None if (prices < 0).any() else dual * unit + slip
    if broken:
        return Verdict(False, broken, None, upper)
    if upper is None:
        return Verdict(False, f"the price of expert {int(np.argmax(prices < 0))} is negative", lower)
    if value != dual:
        gap = f"{dual - value} grid steps of 2^{-exponent}"
        return Verdict(False, f"the prices leave a gap of {gap} above the assignment's score", lower, upper)
    return Verdict(True, "the assignment is feasible and its score equals the dual bound", lower, upper)


def _bad_numbers(scores: Integers, capacity: Integers, prices: Integers) -> str | None:
    """Say what is wrong with types, shapes or sizes."""
    for name, array, shape in (
        ("scores", scores, scores.shape if len(scores.shape) == 2 else None),
        ("capacity", capacity, scores.shape[1:]),
        ("prices", prices, scores.shape[1:]),
    ):
        if array.dtype != np.int64 or array.shape != shape:
            return f"{name} is {array.dtype} of shape {array.shape}, not 64-bit integers of the problem's shape"
        if name != "scores" and _too_large(array[:]):
            return f"{name} goes beyond 2^61"
    return "a capacity is negative" if (capacity < 0).any() else None


def infeasible(
    shape: tuple[int, ...], top_k: int, capacity: Integers, drop: bool, real: npt.NDArray[np.bool_], experts: Integers
) -> str | None:
    """Say which constraint the assignment breaks first."""
    if experts.dtype.kind != "i" or experts.shape != (shape[0], top_k):
        return f"experts is {experts.dtype} of shape {experts.shape}, not integers of shape {(shape[0], top_k)}"
    if (outside := (experts < -1) | (experts >= shape[1])).any():
        return f"token {int(np.argmax(outside.any(axis=1)))} names an expert that does not exist"
    if (experts[~real] != -1).any():
        return "a padding token is assigned"
    ordered = experts if (experts[:, 1:] >= experts[:, :-1]).all() else np.sort(experts, axis=1)
    if (twice := (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        return f"token {int(np.argmax(twice.any(axis=1)))} takes an expert twice"
    if not drop and (short := (experts < 0) & real[:, None]).any():
        return f"token {int(np.argmax(short.any(axis=1)))} takes fewer than {top_k} experts"
    load = np.bincount(experts[experts >= 0], minlength=shape[1])
    if (load > capacity).any():
        worst = int(np.argmax(load > capacity))
        return f"expert {worst} takes {int(load[worst])} tokens, its capacity is {int(capacity[worst])}"
    return None


def _sums(
    scores: Integers, top_k: int, drop: bool, real: npt.NDArray[np.bool_], experts: Integers | None, prices: Integers
) -> tuple[int, int] | None:
    """Return the assignment's score and the tokens' part of the dual; None if a score is too large.

    Where no reduced score above a token's worst lies outside its experts, these are its K largest; others are sought.
    """

    def of_block(rows: slice) -> tuple[int, int] | None:
        block, among = scores[rows], real[rows]
        if _too_large(block):
            return None
        block = block if among.all() else block[among]
        reduced = block - prices
        value, dual, unsure = 0, 0, np.ones(len(block), bool)
        if experts is not None and len(block):
            chosen = experts[rows][among]
            taken, at = chosen >= 0, np.maximum(chosen, 0)
            held = block.take(at + block.shape[1] * np.arange(len(block))[:, None])
            kept = np.where(taken, held - prices.take(at), 0)
            worst = kept.min(axis=1, keepdims=True)
            # No token has fewer outside than inside, so equal sums are equal counts.
            outside, inside = reduced > worst, (kept > worst) & taken
            unsure = drop & (worst[:, 0] < 0)
            if np.count_nonzero(outside) != np.count_nonzero(inside):
                unsure |= np.count_nonzero(outside, axis=1) != np.count_nonzero(inside, axis=1)
            value, dual = _sum(held[taken]), _sum(kept[~unsure])
        best = np.partition(reduced[unsure], -top_k, axis=1)[:, -top_k:]
        return value, dual + _sum(np.maximum(best, 0) if drop else best)

    sums = by_blocks(of_block, *scores.shape)
    return None if None in sums else (sum(pair[0] for pair in sums if pair), sum(pair[1] for pair in sums if pair))


def _too_large(numbers: Integers) -> bool:
    return numbers.size > 0 and (int(numbers.min()) < -_LARGEST or int(numbers.max()) > _LARGEST)


def _sum(numbers: Integers) -> int:  # exact for up to 2**31 numbers: high and low halves apart
    return (int((numbers >> 32).sum()) << 32) + int((numbers & 0xFFFFFFFF).sum())
