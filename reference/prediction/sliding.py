"""Recursive sliding-window average, arXiv 2404.16914 (SW_Avg)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class SlidingWindowAverage:
    r"""Forecast the mean of the last w steps, then let that forecast be one of them.

    .. math:: \hat x_{t+1} = \frac1w \sum_{i=0}^{w-1} x_{t-i}, \quad
              \text{with } \hat x \text{ in place of } x \text{ after the end of the history}

    The forecast settles at a weighted mean of the window in which later steps weigh more, so beyond the window it is
    close to a constant. Open, and chosen here: w = 100, one of the windows of the paper's statistics; with fewer steps
    than w, the mean of those there are.
    """

    window: int = 100

    def __call__(self, history: npt.NDArray[Any], horizon: int) -> npt.NDArray[np.float64]:
        """Return ``[horizon, E]`` for ``history[S, E]``."""
        known = np.asarray(history[-self.window :], np.float64)
        steps = np.concatenate([known, np.zeros((horizon, known.shape[1]))])
        for step in range(len(known), len(steps)):
            steps[step] = steps[max(0, step - self.window) : step].mean(axis=0)
        return steps[len(known) :].copy()
