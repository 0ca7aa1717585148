r"""Loads over time: how much they move, whether they have settled, and how wrong a forecast of them is.

Statistics of shares ``p[s, e] = load[s, e] / sum_e load[s, e]`` over sliding windows are those of arXiv 2404.16914.
The paper names a transient and a stable state and draws no line between them, and states its error in words only: the
detector, the two errors and their noise floor are our definitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem

Reals = npt.NDArray[np.float64]

WINDOW, TOLERANCE, MARGIN = 100, 0.05, 3.0


def shares(loads: npt.NDArray[Any]) -> Reals:
    """Return ``[..., E]`` loads as shares of their step's total; zeros for a step without tokens."""
    loads = np.asarray(loads, np.float64)
    total = loads.sum(axis=-1, keepdims=True)
    parts: Reals = np.divide(loads, total, out=np.zeros_like(loads), where=total > 0)
    return parts


def sliding_variance(loads: npt.NDArray[Any], window: int) -> Reals:
    """Return ``[S - window + 1, E]``: variance of each expert's share over every ``window`` steps in a row.

    The paper's windows are 10 and 100; the divisor is the window.
    """
    return np.asarray(_windows(loads, window).var(axis=-1))


def sliding_range(loads: npt.NDArray[Any], window: int) -> Reals:
    """Return ``[S - window + 1, E]``: largest less smallest share over every ``window`` steps (the paper's: 100)."""
    return np.asarray(np.ptp(_windows(loads, window), axis=-1))


def transient(
    loads: npt.NDArray[Any], window: int = WINDOW, tolerance: float = TOLERANCE, margin: float = MARGIN
) -> npt.NDArray[np.bool_]:
    r"""Say for every step whether the loads are still moving; our definition.

    With A and B the mean shares of the last ``h = window // 2`` steps and of the h steps before them, and

    .. math:: v_e = \frac2h \cdot \frac{1}{2 (2h - 1)} \sum_{s} (p_{s+1,e} - p_{s,e})^2

    the variance of ``A_e - B_e`` if the steps of the window are draws around the same shares (from differences of
    neighbours, which do not see slow movement: von Neumann's estimate), a step is transient if

    .. math:: \sum_e |A_e - B_e| > \text{tolerance} + \sqrt{\tfrac{2}{\pi}} \sum_e \sqrt{v_e}
              + \text{margin} \sqrt{\bigl(1 - \tfrac{2}{\pi}\bigr) \sum_e v_e}

    The last two terms are what such draws show in expectation, and standard deviations of it (as if experts were
    independent); the tolerance is the load that may move besides, since no run stands still.
    ``benchmarks/prediction.py alarms`` measures how often a stationary series is called transient.

    Parameters
    ----------
    loads
        ``[S, E]``; a step's state depends on no later one.

    Returns
    -------
    numpy.ndarray
        ``[S]``; true for the first ``2h - 1`` steps, of which too little is known.
    """
    x, half = shares(loads), window // 2
    moving = np.ones(len(x), np.bool_)
    if half < 1 or len(x) < 2 * half:
        return moving
    mean = _sums(x, half) / half
    shift = np.abs(mean[half:] - mean[:-half]).sum(axis=1)
    squares = np.maximum(_sums(np.diff(x, axis=0) ** 2, 2 * half - 1), 0.0)  # differences of sums round below 0
    v = squares / (2 * half - 1) / half
    drawn = math.sqrt(2 / math.pi) * np.sqrt(v).sum(axis=1) + margin * np.sqrt((1 - 2 / math.pi) * v.sum(axis=1))
    moving[2 * half - 1 :] = shift > tolerance + drawn
    return moving


@dataclass(frozen=True)
class Errors:
    """Relative L1 errors of a forecast f of the loads x over H steps.

    Attributes
    ----------
    step
        ``sum_{s,e} |f - x| / sum_{s,e} x``: per step, every expert weighted with its load.
    step_unweighted
        Mean over experts of ``sum_s |f - x| / sum_s x``; experts without load in these steps are left out.
    mean, mean_unweighted
        The same with f and x replaced by their means over the H steps.
    """

    step: float
    step_unweighted: float
    mean: float
    mean_unweighted: float


def forecast_errors(forecast: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Errors:
    """Return the errors of ``forecast[H, E]`` against ``truth[H, E]``."""
    forecast, truth = np.asarray(forecast, np.float64), np.asarray(truth, np.float64)
    return _errors(np.abs(forecast - truth), np.abs(forecast.sum(axis=0) - truth.sum(axis=0)), truth)


def noise_floor(truth: npt.NDArray[np.integer[Any]], top_k: int = 1) -> Errors:
    """Return the errors that are expected of one who knows the true shares, which sampling alone causes.

    The shares are taken to be those of ``truth[H, E]`` itself, step by step (over all steps for the mean), and the
    deviations are exact expectations, see :func:`expected_deviation`. For an expert with very few tokens a step that is
    too low, since one without any seems to have no share at all; the unweighted errors feel it.
    """
    truth = np.asarray(truth)
    pooled = truth.sum(axis=0)
    return _errors(expected_deviation(truth, top_k), expected_deviation(pooled, top_k), truth.astype(np.float64))


def expected_deviation(counts: npt.NDArray[np.integer[Any]], top_k: int = 1) -> Reals:
    r"""Return ``E |X_e - c_e|`` for counts ``c[..., E]``, where X_e is binomial with mean c_e.

    With ``n = sum_e c_e / K`` tokens, each of which chooses expert e with probability ``p = c_e / n``, independently of
    other tokens and never twice: K = 1 is the multinomial. For a whole number c = n p,

    .. math:: E|X - c| = 2 c (1 - p) \binom{n}{c} p^c (1 - p)^{n - c}

    (de Moivre). Experts of one step depend on each other; expectations of sums do not mind.

    Raises
    ------
    InvalidProblem
        If counts are negative, or an expert has more than one assignment of every token, so that K is not top_k.
    """
    counts = np.asarray(counts, np.int64)
    n = np.broadcast_to(-(-counts.sum(axis=-1, keepdims=True) // top_k), counts.shape)
    if counts.size and (counts.min() < 0 or (counts > n).any()):
        raise InvalidProblem(
            "counts", f"of {counts.max()} tokens of {n.max()}", f"0 to the number of tokens, K={top_k}"
        )
    values, index = np.unique(np.stack([counts.ravel(), n.ravel()]), axis=1, return_inverse=True)
    return np.array([_deviation(int(c), int(t)) for c, t in values.T])[index].reshape(counts.shape)


def _deviation(c: int, n: int) -> float:
    if c == 0 or c == n:
        return 0.0
    p = c / n
    ways = math.lgamma(n + 1) - math.lgamma(c + 1) - math.lgamma(n - c + 1)
    return 2.0 * c * (1.0 - p) * math.exp(ways + c * math.log(p) + (n - c) * math.log1p(-p))


def _errors(step: Reals, pooled: Reals, truth: Reals) -> Errors:
    load = truth.sum(axis=0)
    used = load > 0

    def weighted(deviation: Reals) -> float:
        return float(deviation.sum() / load.sum()) if load.any() else math.inf if deviation.any() else 0.0

    def unweighted(deviation: Reals) -> float:
        return float((deviation[used] / load[used]).mean()) if load.any() else math.inf if deviation.any() else 0.0

    by_expert = step.sum(axis=0)
    return Errors(weighted(by_expert), unweighted(by_expert), weighted(pooled), unweighted(pooled))


def _sums(values: Reals, window: int) -> Reals:
    """Return sums over every ``window`` rows in a row."""
    before = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    sums: Reals = before[window:] - before[:-window]
    return sums


def _windows(loads: npt.NDArray[Any], window: int) -> Reals:
    values = shares(loads)
    if not 1 <= window <= len(values):
        raise InvalidProblem("window", str(window), f"1 to {len(values)} steps")
    views: Reals = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    return views
