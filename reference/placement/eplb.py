"""EPLB (DeepSeek, 2025): replicas to the heaviest load per replica, packs filled heaviest first; from its description.

Where the nodes divide the groups, three steps: pack groups into nodes; replicate inside each node; pack the replicas
of a node into its devices. Otherwise the same with one group and one node (global). A pack takes as many items as
every other, and the heaviest item left goes to the lightest pack that has room. As published: replicas of one expert
may meet on a device (EPLB issue 22), and with all loads zero every spare replica goes to expert 0. Weights are float32.
Ties go to the lower index; the original leaves them to an unstable sort (EPLB issue 8).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]


def eplb(load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int) -> Integers:
    """Return ``physical_to_logical[L, P]`` for ``load[L, E]`` (or ``[P]`` for ``[E]``).

    Raises
    ------
    ValueError
        Where the original asserts: devices must divide the slots, nodes the devices, groups the experts.
    """
    load = np.asarray(load, np.float32)
    if load.ndim == 1:
        one: Integers = eplb(load[None], num_slots, num_groups, num_nodes, num_devices)[0]
        return one
    groups, nodes = (num_groups, num_nodes) if num_groups % num_nodes == 0 else (1, 1)
    for name, number, unit in (
        ("experts", load.shape[1], groups),
        ("slots", num_slots, num_devices),
        ("devices", num_devices, nodes),
    ):
        if number % unit:
            raise ValueError(f"{number} {name} are not a multiple of {unit}")
    return np.stack([_layer(layer, num_slots, groups, nodes, num_devices) for layer in load])


eplb.capabilities = frozenset({"shares devices", "uneven at zero load", "needs groups"})  # type: ignore[attr-defined]


def replicate(load: Weights, num_slots: int) -> tuple[Integers, Integers]:
    """Return the expert of each replica ``[P]``, originals first, and the counts ``[E]``; Adams' greedy rule."""
    experts = len(load)
    counts = np.ones(experts, np.int64)
    expert_of = np.arange(num_slots)
    for slot in range(experts, num_slots):
        expert_of[slot] = np.argmax(load / counts.astype(np.float32))
        counts[expert_of[slot]] += 1
    return expert_of, counts


def pack(weight: Weights, num_packs: int) -> list[list[int]]:
    """Items of each pack, in the order in which they came; every pack gets equally many."""
    room = len(weight) // num_packs
    packs: list[list[int]] = [[] for _ in range(num_packs)]
    if room == 1:
        return [[item] for item in range(num_packs)]
    held = [np.float32(0)] * num_packs
    for item in np.argsort(-weight, kind="stable").tolist():
        lightest = min((one for one in range(num_packs) if len(packs[one]) < room), key=held.__getitem__)
        packs[lightest].append(item)
        held[lightest] += weight[item]
    return packs


def _layer(load: Weights, slots: int, groups: int, nodes: int, devices: int) -> Integers:
    size = len(load) // groups
    placed: list[int] = []
    for members in pack(load.reshape(groups, size).sum(axis=1), nodes):
        experts = np.concatenate([np.arange(group * size, (group + 1) * size) for group in members])
        expert_of, counts = replicate(load[experts], slots // nodes)
        share = (load[experts] / counts.astype(np.float32))[expert_of]
        for items in pack(share, devices // nodes):
            placed.extend(experts[expert_of[items]].tolist())
    return np.array(placed, np.int64)
