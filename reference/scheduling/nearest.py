"""Nearest replica: tokens go to a replica on their own device, else on their node, else anywhere.

It knows no loads. Equally near replicas share evenly, two on one device like two on two, and the odd tokens start at
the replica whose rank is the source device's number modulo their count. Ours, after static dispatch in serving
frameworks; SGLang's map is :mod:`equipoise.reference.scheduling.sglang_static`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def nearest_replica(
    source_load: npt.NDArray[np.int64], hosts: npt.NDArray[Any], num_nodes: int = 1
) -> npt.NDArray[np.int64]:
    """Return ``flows[G, E, G]`` for ``source_load[G, E]`` and replicas ``hosts[E, G]``; nodes are contiguous."""
    devices, experts = source_load.shape
    node = np.arange(devices) // (devices // num_nodes)
    flows = np.zeros((devices, experts, devices), np.int64)
    for source, expert in np.argwhere(source_load):
        replicas = np.repeat(np.arange(devices), hosts[expert].astype(np.int64))
        near = replicas[node[replicas] == node[source]]
        chosen = np.array([source]) if hosts[expert, source] else near if len(near) else replicas
        each, odd = divmod(int(source_load[source, expert]), len(chosen))
        np.add.at(flows[source, expert], chosen, each)
        np.add.at(flows[source, expert], np.roll(chosen, -(source % len(chosen)))[:odd], 1)
    return flows


nearest_replica.capabilities = frozenset({"only by source", "ignores loads", "counts replicas"})  # type: ignore[attr-defined]
