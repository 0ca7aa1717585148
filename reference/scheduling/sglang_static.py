"""SGLang's static dispatch (`--ep-dispatch-algorithm static`, SGLang 0.5): one replica for each rank and expert.

All tokens of a (source device, expert) go to ONE replica: one on the source's own device, else one on its node, else a
fair draw, made once, in which the devices that are left take every replica equally often before any again (seed 42).
A node counts only where some replica is on another. It knows no loads. SGLang draws for one layer after the other from
one generator and takes replicas in the order of its table; here every call is a first layer, replicas by device.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt

SEED = 42


def sglang_static(
    source_load: npt.NDArray[np.int64], hosts: npt.NDArray[Any], num_nodes: int = 1
) -> npt.NDArray[np.int64]:
    """Return ``flows[G, E, G]`` for ``source_load[G, E]`` and replicas ``hosts[E, G]``; nodes are contiguous."""
    devices, experts = source_load.shape
    chosen = static_map(np.asarray(hosts).astype(np.int64), num_nodes)
    flows = np.zeros((devices, experts, devices), np.int64)
    for source, expert in np.argwhere(source_load):
        flows[source, expert, chosen[source, expert]] = source_load[source, expert]
    return flows


sglang_static.capabilities = frozenset({"only by source", "ignores loads", "counts replicas"})  # type: ignore[attr-defined]


def static_map(hosts: npt.NDArray[np.int64], num_nodes: int = 1) -> npt.NDArray[np.int64]:
    """Return ``[G, E]``: the device that serves the tokens of each source and expert."""
    devices = hosts.shape[1]
    node, rng = np.arange(devices) // (devices // num_nodes), random.Random(SEED)
    chosen = np.full((devices, len(hosts)), -1, np.int64)
    for expert, row in enumerate(hosts):
        replicas = np.repeat(np.arange(devices), row)
        for source in range(devices):
            near = replicas[node[replicas] == node[source]]
            narrows = 0 < len(near) < len(replicas) or len(replicas) == 1
            chosen[source, expert] = source if row[source] else [*near, *replicas][0] if narrows else -1
        left = np.flatnonzero(chosen[:, expert] < 0)
        if len(left) and len(replicas):
            chosen[left, expert] = _fairly(replicas.tolist(), len(left), rng)
    return chosen


def _fairly(replicas: list[int], count: int, rng: random.Random) -> list[int]:
    """Draw ``count`` of the replicas, each as often as any other, or once more."""
    each, odd = divmod(count, len(replicas))
    drawn = replicas * each + rng.sample(replicas, k=odd)
    rng.shuffle(drawn)
    return drawn
