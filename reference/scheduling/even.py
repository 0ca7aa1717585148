"""Even split: every replica serves the same number of tokens; what frameworks do that schedule nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def even_split(load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return ``[E, G]`` tokens, ``floor(load / r)`` on each of r hosts and one more on the first of them.

    Parameters
    ----------
    load
        ``[E]`` tokens per expert, or ``[G, E]`` by source device (summed).
    hosts
        ``[E, G]`` booleans.
    """
    load = np.asarray(load, np.int64)
    return shares(load if load.ndim == 1 else load.sum(axis=0), hosts.astype(np.float64))


def shares(load: npt.NDArray[np.int64], weight: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Split ``load[E]`` in proportion to ``weight[E, G] >= 0`` into whole tokens, by largest remainder."""
    total = weight.sum(axis=1, keepdims=True, dtype=np.float64)
    exact = np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0) * load[:, None]
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = np.where(total[:, 0] > 0, load - whole.sum(axis=1), 0)
    rank = np.argsort(np.argsort(np.where(weight > 0, whole - exact, np.inf), axis=1, kind="stable"), axis=1)
    rounded_up: npt.NDArray[np.int64] = whole + (rank < left[:, None])
    return rounded_up
