"""Even split: every replica serves the same number of tokens; what frameworks do that schedule nothing.

Tokens choose among the replicas of an expert, whatever device these are on (SGLang's and vLLM's maps list replicas): a
device with two replicas of an expert serves twice as much of it as a device with one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def even_split(load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return ``[E, G]`` tokens, ``floor(load / r)`` on each of r replicas and one more on the first of them.

    Parameters
    ----------
    load
        ``[E]`` tokens per expert, or ``[G, E]`` by source device (summed).
    hosts
        ``[E, G]`` numbers of replicas, in the order of the devices; booleans are one each.
    """
    load, replicas = np.asarray(load, np.int64), hosts.astype(np.int64)
    load = load if load.ndim == 1 else load.sum(axis=0)
    each, odd = np.divmod(load, np.maximum(1, replicas.sum(axis=1)))
    before = np.cumsum(replicas, axis=1) - replicas
    split: npt.NDArray[np.int64] = each[:, None] * replicas + np.clip(odd[:, None] - before, 0, replicas)
    return split


even_split.capabilities = frozenset({"counts replicas"})  # type: ignore[attr-defined]
