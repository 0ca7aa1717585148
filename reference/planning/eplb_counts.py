"""EPLB's replica counts for one batch, homes kept (as UltraEP's earlier planner had them; read 2026-11).

    repeat for all slots:  the expert with the largest load / replicas gets one more, at most one a device
    the extra replicas, the heaviest first:  to the device with the least load that has a slot and no replica of it
    replicas share evenly; the odd tokens stay at home

A replica that finds no device is given up after the others were counted with it, as there.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from equipoise.reference.planning.no_copies import at_home

Integers = npt.NDArray[np.int64]


def eplb_counts(load: Integers, home: Integers, slots: Integers) -> Integers:
    """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed) with at most ``slots[G]`` copies a device."""
    start = at_home(load, home, len(slots))
    tokens, devices = start.sum(axis=1), len(slots)
    counts, free = replica_counts(tokens, int(np.sum(slots)), devices), np.asarray(slots).copy()
    share = tokens / counts
    held = np.zeros(devices)
    np.add.at(held, home, share)
    hosts = start > 0
    hosts[np.arange(len(tokens)), home] = True
    for expert in np.argsort(-share, kind="stable"):
        for _ in range(counts[expert] - 1):
            places = np.flatnonzero((free > 0) & ~hosts[expert])
            if not len(places):
                break
            device = int(places[held[places].argmin()])
            hosts[expert, device] = True
            free[device] -= 1
            held[device] += share[expert]
    split = np.where(hosts, (tokens // hosts.sum(axis=1))[:, None], 0)
    split[np.arange(len(tokens)), home] += tokens - split.sum(axis=1)
    return split


eplb_counts.capabilities = frozenset({"approximate"})  # type: ignore[attr-defined]


def replica_counts(load: Integers, spare: int, devices: int) -> Integers:
    """Return ``[E]``: how many replicas each expert gets, by the largest load per replica (Adams' apportionment)."""
    counts = np.ones(len(load), np.int64)
    heap = [(-float(tokens), expert) for expert, tokens in enumerate(load)] if devices > 1 else []
    heapq.heapify(heap)
    for _ in range(spare):
        if not heap:
            break
        _, expert = heapq.heappop(heap)
        counts[expert] += 1
        if counts[expert] < devices:
            heapq.heappush(heap, (-float(load[expert] / counts[expert]), expert))
    return counts
