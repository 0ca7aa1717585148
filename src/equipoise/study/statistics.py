"""Statistics of a study: shifted geometric means, and paired differences with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""Of the confidence intervals."""

RESAMPLES = 4000
BOOTSTRAP_SEED = 20250815


def shifted_geometric_mean(values: Sequence[float], shift: float) -> float:
    """``exp(mean(log(v + shift))) - shift`` of values ``v >= 0``; NaN for none, and exactly 0 for zeros.

    The shift keeps values near zero from deciding everything: changes far below it hardly count. As in solver
    benchmarks (Achterberg, Constraint Integer Programming, 2007, appendix A.3).
    """
    if not len(values):
        return float("nan")
    return shift * float(np.expm1(np.mean(np.log1p(np.asarray(values, np.float64) / shift))))


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(differences: Mapping[str, Sequence[float]], resamples: int = RESAMPLES) -> Interval:
    """Return the mean of paired differences with its percentile interval at ``LEVEL``; one pair has none.

    Parameters
    ----------
    differences
        By instance, one difference per seed. The mean is that over instances of the means over their seeds.
    resamples
        Each draws instances with replacement and, within every one drawn, seeds with replacement: seeds of one
        instance are alike, and do not count as so many instances. The generator's seed is fixed.
    """
    series = [np.asarray(values, np.float64) for values in differences.values() if len(values)]
    if not series:
        return Interval(float("nan"), float("nan"), float("nan"))
    if sum(map(len, series)) == 1:
        return Interval(float(series[0][0]), float("nan"), float("nan"))
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = rng.integers(len(series), size=(resamples, len(series)))
    means = np.empty((resamples, len(series)))
    for index, values in enumerate(series):
        where = drawn == index
        seeds = rng.integers(len(values), size=(int(where.sum()), len(values)))
        means[where] = values[seeds].mean(axis=1)
    low, high = np.quantile(means.mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean([values.mean() for values in series])), float(low), float(high))
