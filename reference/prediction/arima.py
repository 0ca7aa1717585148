"""ARIMA(5,1,5) for every expert on its own, arXiv 2404.16914; fitted by statsmodels (extra ``study``)."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import TargetUnable
from equipoise.reference.prediction.shares import loads_of
from equipoise.series import shares

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arima:
    r"""Fit ARIMA(p, d, q) to the share of each expert and forecast it.

    .. math:: \Bigl(1 - \sum_{i=1}^p \varphi_i B^i\Bigr) (1 - B)^d x_t
              = \Bigl(1 + \sum_{j=1}^q \theta_j B^j\Bigr) \varepsilon_t

    The order (5, 1, 5) is the paper's. Open, and chosen here: maximum likelihood over the state space (statsmodels'
    default) on the last ``window`` steps; an expert whose share never changes is forecast to keep it; one whose
    likelihood has no usable maximum keeps its last share; clipping and scaling as in
    :func:`~equipoise.reference.prediction.shares.loads_of`.
    """

    order: tuple[int, int, int] = (5, 1, 5)
    window: int = 200

    def __post_init__(self) -> None:
        with contextlib.suppress(ImportError):  # said when it is called
            import statsmodels.tsa.arima.model  # noqa: F401 - takes seconds, which no call should pay

    @property
    def least(self) -> int:
        """Fewest steps that say anything about the parameters; our choice."""
        return 2 * sum(self.order) + 2

    def accepts(self, steps: int, experts: int, horizon: int) -> bool:
        """Say whether there are steps enough."""
        return steps >= self.least

    def __call__(self, history: npt.NDArray[Any], horizon: int) -> Reals:
        """Return ``[horizon, E]`` for ``history[S, E]``.

        Raises
        ------
        TargetUnable
            If statsmodels is not installed, or there are fewer than ``2 (p + d + q) + 2`` steps.
        """
        try:
            from statsmodels.tsa.arima.model import ARIMA
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise TargetUnable("ARIMA needs statsmodels: pip install 'equipoise[study]'") from error
        if not self.accepts(len(history), history.shape[1], horizon):
            order = ",".join(map(str, self.order))
            raise TargetUnable(f"ARIMA({order}) needs at least {self.least} steps of history, not {len(history)}")
        recent = shares(history[-self.window :])
        with threadpool_limits(1):  # its matrices are tiny: more threads only wait for each other
            forecast = np.stack([self._expert(ARIMA, series, horizon) for series in recent.T], axis=1)
        return loads_of(forecast, history)

    def _expert(self, model: Any, series: Reals, horizon: int) -> Reals:
        keep = np.full(horizon, series[-1])
        if np.ptp(series) <= 1e-12 * series.mean():
            return keep
        scale = series.mean()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # starting values and convergence: the forecast is judged, not the fit
            try:
                forecast = model(series / scale, order=self.order).fit().forecast(horizon) * scale
            except (np.linalg.LinAlgError, ValueError):
                return keep
        return np.asarray(forecast, np.float64) if np.isfinite(forecast).all() else keep
