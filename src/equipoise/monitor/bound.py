"""A bound on regret that costs one top-K: the bias as prices, in floating point, with rounding allowed for.

Let ``m`` be the routing's largest load and ``q = max(b) - b >= 0`` the prices that its bias stands for. The most score
at that peak is at most ``sum_t (K largest of s[t] - q) + m * sum q`` (weak duality), so that

    regret <= sum_t [K largest of s[t] - q, minus the chosen ones of s[t] - q] + sum_e q[e] * (m - load[e]).

Every term is non-negative. Where tokens are dropped, the K largest count with their positive parts, and the bound is
that of the form that may drop.

Rounding, with ``u = 2**-53`` and ``r[t] = max_e abs(s[t, e] - q[e])``: any rounded non-negative prices will do, so none
is allowed for there. A difference ``s - q`` is off by at most ``u * r[t]``, a sum of K of them passes K - 1 additions,
and there are two, so a token's term is off by at most ``(K + 2) * u * 2 * K * r[t]``; the sum of T + E non-negative
terms is off by at most ``(T + E + 3) * u`` of itself (to first order; Higham, Accuracy and Stability, section 4.2).
Twice these is added, which covers the higher orders and the rounding of the allowance while ``T * E * u`` is below 0.1.
Integers up to ``2**53`` and every float become float64 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem

UNIT = 2.0**-53


@dataclass(frozen=True)
class Bound:
    """A proved bound on regret at equal peak.

    Attributes
    ----------
    regret
        At least the exact regret, in units of the scores.
    rounding
        How much of it allows for rounding.
    relative
        At least the relative regret, that is regret over the optimum's gain on a random balanced routing; None where
        the routing itself does not beat a random one.
    """

    regret: float
    rounding: float
    relative: float | None


def regret_bound(
    scores: npt.ArrayLike, mask: npt.NDArray[np.bool_], top_k: int, bias: npt.ArrayLike | None = None
) -> Bound:
    """Bound the regret of a routing at its own peak load.

    Parameters
    ----------
    scores
        Array-like, shape (T, E), finite, after the gate and before any bias.
    mask
        Shape (T, E): who goes where, at most K experts a token.
    top_k
        K.
    bias
        Array-like, shape (E,): what the router adds to the scores before it chooses. None: nothing.

    Raises
    ------
    InvalidProblem
        If numbers are not finite, too large, or of another shape, or a token has more than K experts.
    """
    values, prices = _values(scores, mask), _prices(bias, mask.shape[1])
    taken, load = mask.sum(axis=1), mask.sum(axis=0)
    if (taken > top_k).any():
        raise InvalidProblem("the routing", f"of {taken.max()} experts for a token", f"at most K={top_k}")
    with np.errstate(over="ignore", invalid="ignore"):
        reduced = values - prices
        best = np.partition(reduced, -top_k, axis=1)[:, -top_k:]
        if (taken < top_k).any():
            best = np.maximum(best, 0)
        lost = np.maximum(best.sum(axis=1) - np.where(mask, reduced, 0).sum(axis=1), 0)
        gap = float(lost.sum() + (prices * (load.max() - load)).sum())
        size = 2 * top_k * float(np.abs(reduced).max(axis=1).sum())
        rounding = 2 * UNIT * ((top_k + 3) * size + (sum(mask.shape) + 5) * gap)
        regret = gap + rounding
        relative = _relative(values, mask, top_k, regret)
    if not np.isfinite(regret):
        raise InvalidProblem("scores", "too large for a bound in floating point", "numbers whose sums are finite")
    return Bound(regret, rounding, relative)


def _values(given: Any, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    array = as_numpy(given, "scores")
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8 or array.shape != mask.shape or not array.size:
        raise InvalidProblem("scores", f"{array.dtype} of shape {array.shape}", f"numbers of shape {mask.shape}")
    if array.dtype.kind != "f" and max(-int(array.min()), int(array.max())) > 2**53:
        raise InvalidProblem("scores", "beyond 2^53 as integers", "integers that float64 holds exactly")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise InvalidProblem("scores", "not finite everywhere", "finite numbers")
    return values


def _prices(given: Any, experts: int) -> npt.NDArray[np.float64]:
    bias = np.zeros(experts) if given is None else as_numpy(given, "bias")
    if bias.dtype.kind not in "fiu" or bias.shape != (experts,) or not np.isfinite(bias).all():
        allowed = f"finite numbers of shape ({experts},)"
        raise InvalidProblem("bias", f"{bias.dtype} of shape {bias.shape}, or not finite", allowed)
    values = bias.astype(np.float64)
    with np.errstate(over="ignore"):
        prices: npt.NDArray[np.float64] = values.max() - values
    return prices


def _relative(values: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_], top_k: int, regret: float) -> float | None:
    """Return ``regret / (regret + gain)`` from below on the gain: it grows with regret, so a bound stays one."""
    share = top_k / mask.shape[1]
    gain = float(np.where(mask, values, 0).sum() - share * values.sum())
    size = float(np.abs(np.where(mask, values, 0)).sum() + share * np.abs(values).sum())
    least = gain - 2 * UNIT * (mask.size + 8) * size
    return regret / (regret + least) * (1 + 8 * UNIT) if least > 0 and np.isfinite(least) else None
