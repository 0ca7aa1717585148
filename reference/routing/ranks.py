"""Order statistics along one axis: the block minimisers of every dual sweep are made of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def ranked(values: npt.NDArray[np.float64], rank: int, axis: int) -> npt.NDArray[np.float64]:
    """Return the ``rank``-th largest along ``axis``; ``-inf`` where there are fewer values than that. Linear time."""
    size = values.shape[axis]
    if rank > size:
        return np.full(values.shape[1 - axis], -np.inf)
    ordered: npt.NDArray[np.float64] = np.partition(values, size - rank, axis=axis)
    return ordered[:, size - rank] if axis else ordered[size - rank]


def halfway(values: npt.NDArray[np.float64], rank: int, axis: int) -> npt.NDArray[np.float64]:
    """Return the mean of the ``rank``-th and the next largest along ``axis``; the caller knows that both exist."""
    size = values.shape[axis]
    ordered = np.partition(values, (size - rank - 1, size - rank), axis=axis)
    lower, upper = ordered.take(size - rank - 1, axis), ordered.take(size - rank, axis)
    middle: npt.NDArray[np.float64] = lower + (upper - lower) / 2
    return middle
