"""The lowest quota per device that a greedy can keep, by binary search. Ours, after the abstract of UltraEP.

The least quota per device at which a greedy filling succeeds is found by binary search. The greedy serves experts with
few hosts first (and among those the heaviest), each from the host with the most room left. A quota is of a device,
however many replicas are there. UltraEP (arXiv 2606.04101) as released is another algorithm: it chooses the replicas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def quota_greedy(load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> Integers:
    """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed); O(E G log load)."""
    load = np.asarray(load, np.int64)
    load = load if load.ndim == 1 else load.sum(axis=0)
    low, high = -(-int(load.sum()) // hosts.shape[1]), int(load.sum())
    while low < high:
        quota = (low + high) // 2
        if filled(load, hosts, quota) is None:
            low = quota + 1
        else:
            high = quota
    split = filled(load, hosts, low)
    assert split is not None, "a quota of all tokens always suffices"
    return split


quota_greedy.capabilities = frozenset({"approximate"})  # type: ignore[attr-defined]


def filled(load: Integers, hosts: npt.NDArray[np.bool_], quota: int) -> Integers | None:
    """Fill devices up to ``quota`` greedily; None if an expert finds no room."""
    room = np.full(hosts.shape[1], quota, np.int64)
    split = np.zeros(hosts.shape, np.int64)
    for expert in np.lexsort((-load, hosts.sum(axis=1))):
        left = int(load[expert])
        replicas = np.flatnonzero(hosts[expert])
        for device in replicas[np.argsort(-room[replicas], kind="stable")]:
            split[expert, device] = min(left, int(room[device]))
            room[device] -= split[expert, device]
            left -= int(split[expert, device])
        if left:
            return None
    return split
