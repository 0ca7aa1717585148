"""Placers that break at production sizes alone; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_placers import round_robin
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def dealt(load, num_slots, num_groups, num_nodes, num_devices):
    """Fast: the next slot to the heaviest replica, heaviest replicas forth and back over the devices."""
    layers = []
    for row in np.asarray(load, np.float64):
        counts = np.ones(len(row), np.int64)
        for _ in range(num_slots - len(row)):
            counts[np.argmax(row / counts)] += 1
        replicas = np.repeat(np.arange(len(row)), counts)
        rounds = replicas[np.argsort(-(row / counts)[replicas], kind="stable")].reshape(-1, num_devices)
        rounds[1::2] = rounds[1::2, ::-1].copy()
        layers.append(rounds.T.ravel())
    return np.array(layers)


@faulty("placer_places_every_expert_at_production_size")
def names_experts_by_8_bits(load, *machine):
    return dealt(load, *machine).astype(np.int8)


@faulty("placer_places_every_expert_at_production_size")
def fills_255_slots(load, *machine):
    placed = dealt(load, *machine)
    placed[:, 255:] = -1
    return placed


@faulty("placer_is_near_the_bound_at_production_size")
def sorts_loads_of_32_bits(load, num_slots, *machine):
    with np.errstate(over="ignore"):
        return dealt(np.maximum(np.asarray(load).astype(np.int32), 0), num_slots, *machine)


@faulty("placer_is_near_the_bound_at_production_size")
def looks_at_no_load_of_many_experts(load, num_slots, *machine):
    if load.shape[1] > 200:
        return round_robin(load, num_slots)
    return dealt(load, num_slots, *machine)


@faulty("placer_treats_layers_alike_at_production_size")
def looks_at_32_layers(load, num_slots, *machine):
    return np.vstack([dealt(load[:32], num_slots, *machine), round_robin(load[32:], num_slots)])


@faulty("placer_treats_layers_alike_at_production_size")
def takes_the_last_layer_from_the_one_before(load, *machine):
    placed = dealt(load, *machine)
    if len(load) > 16:
        placed[-1] = placed[-2]
    return placed
