"""Correct placers on machines that change; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import numpy as np

from miniature_placers import adams, packed, sound
from miniature_placers_machines import all_live, on_live
from miniatures import onto
from sound_placers import KeepsWhatIsGoodEnough

CORRECT: list[str] = []
PARTS = ("answers", "quality", "state")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
def on_the_devices_that_live(load, num_slots, num_groups, num_nodes, num_devices, *, live=None):
    if live is None:
        return sound(load, num_slots, num_groups, num_nodes, num_devices)
    return on_live(load, num_slots, all_live(live, num_devices))


@correct
class KeepsWhatIsGoodEnoughOnLiveDevices:
    """Replaces its placement where the devices are others, or where another is much better."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.kept, self.live = KeepsWhatIsGoodEnough(), None

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices, live=None):
        now = all_live(live, num_devices)
        if self.live is None or not np.array_equal(now, self.live):
            self.kept, self.live = KeepsWhatIsGoodEnough(), now
        if live is None:
            return self.kept(load, num_slots, num_groups, num_nodes, num_devices)
        width, alive = num_slots // num_devices, int(now.sum())
        placed = np.full((len(load), num_devices, width), -1)
        placed[:, now] = self.kept(load, alive * width, 1, 1, alive).reshape(len(load), alive, width)
        return placed.reshape(len(load), -1)


@correct
def the_same_on_every_rank(load, *machine, rank=0):
    return sound(load, *machine)


@correct
class DrawsWithASharedSeed:
    """Devices in an order that is drawn anew in every call, with a generator that all ranks have alike."""

    capabilities = frozenset({"flat", "stateful"})

    def __init__(self):
        self.random = np.random.default_rng(7)

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices, rank=0):
        placed = sound(load, num_slots, 1, 1, num_devices).reshape(len(load), num_devices, -1)
        return placed[:, self.random.permutation(num_devices)].reshape(len(load), -1)


@correct
class AtMostThreeReplicas:
    capabilities = frozenset({"limits replicas", "flat"})

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        most = min(3, num_devices)
        width = num_slots // num_devices
        return np.array([packed(row, adams(row, num_slots, most), num_devices, width) for row in np.asarray(load)])


@correct
class Proportional:
    """Replicas in proportion to the load, by Webster's rule, at least one and at most one on each device."""

    capabilities = frozenset({"flat"})

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        width = num_slots // num_devices
        rows = np.asarray(load, np.float64)
        return np.array([packed(r, _in_proportion(r, num_slots, num_devices), num_devices, width) for r in rows])


def _in_proportion(load, slots, most):
    counts = np.ones(len(load), int)
    for _ in range(slots - len(load)):
        counts[np.argmax(np.where(counts < most, (load + 1e-9) / (counts + 0.5), -1))] += 1
    return np.minimum(counts, most)
