"""Floors: forecasts that say the same for every step to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


def persistence(history: npt.NDArray[Any], horizon: int) -> Reals:
    """Return ``[horizon, E]``: the last of the steps ``history[S, E]``, every time."""
    return _repeated(history[-1], horizon)


@dataclass(frozen=True)
class EMA:
    r"""Exponential moving average, held constant: ``m_1 = x_1``, ``m_t = (1 - rate) m_{t-1} + rate x_t``.

    The rate is our choice.
    """

    rate: float = 0.1

    def __call__(self, history: npt.NDArray[Any], horizon: int) -> Reals:
        """Return ``[horizon, E]`` for ``history[S, E]``."""
        age = np.arange(len(history))[::-1]
        weights = self.rate * (1.0 - self.rate) ** age
        weights[0] = (1.0 - self.rate) ** age[0]  # the first step starts the average
        return _repeated(weights @ np.asarray(history, np.float64), horizon)


@dataclass(frozen=True)
class LastWindow:
    """Mean of the last ``window`` steps (of all, if there are fewer), held constant; the window is our choice."""

    window: int = 100

    def __call__(self, history: npt.NDArray[Any], horizon: int) -> Reals:
        """Return ``[horizon, E]`` for ``history[S, E]``."""
        return _repeated(np.asarray(history[-self.window :], np.float64).mean(axis=0), horizon)


def _repeated(step: npt.NDArray[np.floating[Any]], horizon: int) -> Reals:
    return np.tile(np.asarray(step, np.float64), (horizon, 1))
