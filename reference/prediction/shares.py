"""Forecast shares as loads: what models of single experts need to become a forecast of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


def loads_of(shares: Reals, history: npt.NDArray[Any]) -> Reals:
    """Return forecast shares ``[horizon, E]`` as loads with the total of the last step of ``history``.

    Negative shares become 0 and each step is scaled to sum to 1, as models of single experts know of neither limit; a
    step that has nothing left repeats the last of the history. Both are our choice.
    """
    last = np.asarray(history[-1], np.float64)
    kept = np.maximum(shares, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    return np.where(total > 0, kept / np.where(total > 0, total, 1.0) * last.sum(), last)
