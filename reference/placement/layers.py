"""The placers that see one layer, or no load at all, called as every placer is; they know no groups and no nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.placement import floors, micromoe

Integers = npt.NDArray[np.int64]


def round_robin_layers(
    load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
) -> Integers:
    """Return ``physical_to_logical[L, P]``: :func:`floors.round_robin` in every layer."""
    return np.stack([floors.round_robin(len(layer), num_slots) for layer in load])


def random_layers(
    load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
) -> Integers:
    """Return ``physical_to_logical[L, P]``: :func:`floors.random_placement`, layer l with seed l."""
    return np.stack([floors.random_placement(len(row), num_slots, num_devices, seed) for seed, row in enumerate(load)])


def asymmetric_layers(
    load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
) -> Integers:
    """Return ``physical_to_logical[L, P]``: :func:`micromoe.asymmetric` in every layer."""
    return np.stack([micromoe.asymmetric(layer, num_slots, num_devices) for layer in load])


def symmetric_layers(
    load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
) -> Integers:
    """Return ``physical_to_logical[L, P]``: :func:`micromoe.symmetric` in every layer; P must be ``2 E``."""
    if num_slots != 2 * load.shape[1]:
        raise ValueError(f"{num_slots} slots for {load.shape[1]} experts; allowed: two for each")
    return np.stack([micromoe.symmetric(num_devices, load.shape[1]) for _ in load])


def _has_graph(layers: int, experts: int, slots: int, groups: int, nodes: int, devices: int) -> bool:
    return (devices, experts) in micromoe.COLOURINGS and slots == 2 * experts


_FLOOR = frozenset({"ignores the load", "flat", "depends on expert order"})
round_robin_layers.capabilities = random_layers.capabilities = _FLOOR  # type: ignore[attr-defined]
symmetric_layers.capabilities = _FLOOR | {"free split"}  # type: ignore[attr-defined]
symmetric_layers.accepts = _has_graph  # type: ignore[attr-defined]
asymmetric_layers.capabilities = frozenset(  # type: ignore[attr-defined]
    {"free split", "flat", "depends on expert order", "uneven at zero load"}
)
