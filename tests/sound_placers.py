"""Correct placers in many styles; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import importlib.util

import numpy as np

from equipoise import PlacementProblem, solve
from equipoise.balancers.adapters import AscendPolicy, EplbFunction, VllmPolicy
from miniature_placers import adams, sound, tables
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)


@correct
def heaviest_first(load, *machine):
    return sound(load, *machine)


@correct
def heaviest_first_as_int32(load, *machine):
    return sound(load, *machine).astype(np.int32)


@correct
def heaviest_first_with_tables(load, *machine):
    return tables(sound(load, *machine), load.shape[1])


@correct
def snake(load, num_slots, num_groups, num_nodes, num_devices):
    """Replicas by weight, dealt forth and back over the devices; they may meet."""
    layers = []
    for row in np.asarray(load, np.float64):
        counts = adams(row, num_slots, num_devices)
        spare = np.full(num_slots - counts.sum(), -1)
        replicas = np.repeat(np.arange(len(row)), counts)
        replicas = np.concatenate([replicas[np.argsort(-(row / counts)[replicas], kind="stable")], spare])
        rounds = replicas.reshape(-1, num_devices)
        rounds[1::2] = rounds[1::2, ::-1].copy()
        layers.append(rounds.T.ravel())
    return np.array(layers)


snake.capabilities = frozenset({"flat", "shares devices"})


@correct
class Optimal:
    capabilities = frozenset({"exact", "flat"})

    def accepts(self, layers, experts, num_slots, num_groups, num_nodes, num_devices):
        return num_slots <= 8

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        layers = [solve(PlacementProblem(row, num_slots, num_devices)).physical_to_logical for row in load]
        return np.stack(layers)


@correct
class Remembers:
    """Places by a moving average of the loads."""

    def __init__(self):
        self.mean = None

    def reset(self):
        self.mean = None

    def __call__(self, load, *machine):
        known = self.mean is not None and self.mean.shape == load.shape
        self.mean = 0.5 * self.mean + 0.5 * np.asarray(load) if known else np.asarray(load, np.float64)
        return sound(self.mean, *machine)


@correct
class KeepsWhatIsGoodEnough:
    """Replaces its placement only where another has a peak at least ten per cent lower."""

    def __init__(self):
        self.slots = None

    def reset(self):
        self.slots = None

    def __call__(self, load, *machine):
        new = sound(load, *machine)
        if self.slots is None or self.slots.shape != new.shape or self.slots.max() >= load.shape[1]:
            self.slots = new
        for layer, row in enumerate(load):
            if peak(row, new[layer], machine[-1]) < 0.9 * peak(row, self.slots[layer], machine[-1]):
                self.slots[layer] = new[layer]
        return self.slots.copy()


def peak(load, slots, devices):
    counts = np.bincount(slots[slots >= 0], minlength=len(load))
    if (counts == 0).any():
        return np.inf
    return np.where(slots >= 0, (load / counts)[slots], 0).reshape(devices, -1).sum(axis=1).max()


class Policy:
    """As vLLM has them."""

    @classmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
        return sound(weight, num_replicas, num_groups, num_nodes, num_ranks)


class Ascend:
    """As vLLM-Ascend has them: the table of experts and the load of each slot in, a changed table out."""

    def rebalance_experts(self, table, workload):
        layers, ranks, slots = table.shape
        load = np.zeros((layers, table.max() + 1))
        for layer in range(layers):
            np.add.at(load[layer], table[layer].ravel(), workload[layer].ravel())
        return True, None, sound(load, ranks * slots, 1, 1, ranks).reshape(table.shape)


through_the_eplb_adapter = EplbFunction(heaviest_first_with_tables)
through_the_vllm_adapter = VllmPolicy(Policy)
through_the_vllm_ascend_adapter = AscendPolicy(Ascend())
CORRECT += ["through_the_eplb_adapter", "through_the_vllm_adapter", "through_the_vllm_ascend_adapter"]

if importlib.util.find_spec("torch") is not None:

    @correct
    def in_torch(load, num_slots, num_groups, num_nodes, num_devices):
        import torch

        placed = sound(np.ascontiguousarray(load), num_slots, num_groups, num_nodes, num_devices)
        return torch.from_numpy(placed)
