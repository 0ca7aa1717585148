"""How good a routing is: loads, violations, scores, and distances to an optimum that the caller supplies.

Scores, regrets and gaps are exact fractions in units of the scores, taken on the problem's grid; loads are integers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.grid import PRICE_BITS, total
from equipoise.problems import AssignmentProblem

Loads = npt.NDArray[Any]


def loads(experts: npt.NDArray[Any], num_experts: int) -> npt.NDArray[np.int64]:
    """Return ``load[E]``, tokens per expert, from ``experts[T, K]`` (-1 = none) or a mask ``[T, E]``."""
    if experts.dtype == np.bool_:
        return experts.sum(axis=0, dtype=np.int64)  # type: ignore[no-any-return]
    return np.bincount(experts[experts >= 0], minlength=num_experts)


def max_vio(load: Loads, asked: int | None = None) -> float:
    """``(max load - mean) / mean`` over the last axis (Loss-Free, arXiv 2408.15664, eq. 4); 0 for no load at all.

    The mean is that of ``load``, or ``asked / E`` where it is said how many assignments were asked for (T K): whoever
    drops tokens is then measured by what should have been served, and may be below 0.
    """
    return _violation(load, np.max, asked)


def min_vio(load: Loads, asked: int | None = None) -> float:
    """``(min load - mean) / mean``, how starved the least used expert is; 0 for no load at all (our definition).

    The mean is that of :func:`max_vio`.
    """
    return _violation(load, np.min, asked)


def dropped(mask: npt.NDArray[np.bool_], top_k: int) -> int:
    """``sum over t of max(0, K - experts of t)``: assignments asked for and not given by ``mask[T, E]``."""
    return int(np.maximum(0, top_k - mask.sum(axis=1)).sum())


def starved(load: Loads) -> int:
    """Experts without a token."""
    return int((load == 0).sum())


def avg_max_vio(series: Loads) -> float:
    """Mean of MaxVio over the steps of ``series[S, E]`` (BIP, arXiv 2502.15451)."""
    return float(np.mean([max_vio(load) for load in series]))


def sup_max_vio(series: Loads) -> float:
    """Maximum of MaxVio over the steps of ``series[S, E]`` (BIP, arXiv 2502.15451)."""
    return float(np.max([max_vio(load) for load in series]))


def peak(load: Loads) -> int:
    """Largest load of any expert, in tokens."""
    return int(load.max())


def score(problem: AssignmentProblem, mask: npt.NDArray[np.bool_]) -> Fraction:
    """``sum of s[t, e]`` over ``mask[T, E]``, exact on the grid."""
    return total(problem.grid.values[mask]) * problem.grid.unit


def random_score(problem: AssignmentProblem, assigned: int | None = None) -> Fraction:
    """``A / (T E) * sum of s`` over real tokens: what a random balanced routing scores in expectation.

    A is ``assigned``, the places that it gives; by default it drops nothing and gives T K.
    """
    places = problem.demand if assigned is None else assigned
    return total(problem.real_values) * problem.grid.unit * places / problem.size


def regret(optimum: Fraction, reached: Fraction) -> Fraction:
    """``optimum - reached``; never negative if the optimum is taken at the routing's own peak load."""
    return optimum - reached


def relative_regret(
    problem: AssignmentProblem, optimum: Fraction, reached: Fraction, assigned: int | None = None
) -> float:
    """Regret over ``optimum - random_score``, the gain over a random balanced routing (our definition); 0/0 = 0.

    Dividing by the optimum itself would depend on a common shift of the scores. ``assigned`` is what
    :func:`random_score` takes.
    """
    lost, gain = optimum - reached, optimum - random_score(problem, assigned)
    if not lost:
        return 0.0
    return float(lost / gain) if gain else float("inf")


def excess_peak(reached: int, least: int) -> int:
    """Peak load beyond the least with which the same score is possible (our definition)."""
    return reached - least


def at_peak_of(problem: AssignmentProblem, load: Loads) -> AssignmentProblem:
    """Return the problem at the routing's own peak: what its score may fairly be compared with.

    Even capacities become the largest load; uneven ones are scaled by the largest ``load / capacity``, rounded down.
    """
    capacity = problem.capacity
    if (capacity == capacity[0]).all():
        return problem.with_capacity(peak(load))
    if (load[capacity == 0] > 0).any():
        return problem.with_capacity(problem.num_tokens)
    ratio = max((Fraction(int(n), int(c)) for n, c in zip(load, capacity, strict=True) if c), default=Fraction(0))
    return problem.with_capacity(np.array([int(c) * ratio.numerator // ratio.denominator for c in capacity]))


def dual_value(problem: AssignmentProblem, bias: npt.ArrayLike) -> Fraction:
    """Upper bound ``D(q - min q)`` on the optimum with ``q = -bias``, exact but for rounding the bias to a fine grid.

    The shift makes prices non-negative, as weak duality against integer capacities needs. The grid is the finest on
    which scores and prices fit 61 bits; prices beyond that are cut there, which leaves a bound, if a weaker one.
    """
    values = np.asarray(bias, np.float64)
    if values.shape != (problem.num_experts,) or not np.isfinite(values).all():
        allowed = f"finite numbers of shape ({problem.num_experts},)"
        raise InvalidProblem("bias", f"{values.shape} or not finite", allowed)
    exact = [-Fraction(float(value)) / problem.grid.unit for value in values]
    prices = [price - min(exact) for price in exact]
    scores = problem.real_values
    largest = max(int(max(prices)) + 1, -int(scores.min()), int(scores.max()), 1)
    finer = max(0, PRICE_BITS - largest.bit_length())
    rounded = np.array([min(round(price * 2**finer), 2**PRICE_BITS) for price in prices], np.int64)
    reduced = (scores << finer) - rounded
    best = np.partition(reduced, -problem.top_k, axis=1)[:, -problem.top_k :]
    if problem.drop:
        best = np.maximum(best, 0)
    rent = sum(int(c) * int(q) for c, q in zip(problem.capacity, rounded, strict=True))
    return (total(best) + rent) * problem.grid.unit / (1 << finer)


def dual_gap(problem: AssignmentProblem, bias: npt.ArrayLike, optimum: Fraction) -> Fraction:
    """``D(q - min q) - optimum >= 0``: how far a bias is from optimal prices."""
    return dual_value(problem, bias) - optimum


def _violation(load: Loads, extreme: Any, asked: int | None) -> float:
    mean = float(np.mean(load)) if asked is None and load.size else (asked or 0) / max(1, load.shape[-1])
    return float(extreme(load) / mean - 1.0) if mean else 0.0
