"""Faulty placers on machines that change, with devices that die, with spare slots, on every rank; see ``FAULTY``."""

from __future__ import annotations

import random

import numpy as np

from miniature_placers import greedy, packed, round_robin, sound
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


# --- a machine that changes


@faulty("placer_follows_the_machine")
class KeepsTheOldTable:
    """Places anew only where the hottest expert has changed (sglang PR 33111)."""

    hottest = placed = None

    def reset(self):
        self.hottest = None

    def __call__(self, load, *machine):
        hottest = np.asarray(load).argmax(axis=1).tolist()
        if hottest != self.hottest:
            self.hottest, self.placed = hottest, sound(load, *machine)
        return self.placed


@faulty("placer_follows_the_machine")
class CutsAndPadsTheOldTable:
    """What was in slots beyond the new size is gone; new slots are dealt in order."""

    placed = None

    def reset(self):
        self.placed = None

    def __call__(self, load, num_slots, *machine):
        fresh = round_robin(np.asarray(load), num_slots)
        if self.placed is None:
            self.placed = sound(load, num_slots, *machine)
        kept = self.placed[:, :num_slots]
        self.placed = np.hstack([kept, fresh[:, kept.shape[1] :]])
        return self.placed


@faulty("placer_follows_the_machine")
class KeepsTheFirstNumberOfDevices:
    """Packs for as many devices as there were first, where they divide the slots."""

    devices = None

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        self.devices = self.devices or num_devices
        divides = num_slots % self.devices == 0
        return sound(load, num_slots, 1, 1, self.devices if divides else num_devices)


@faulty("placer_follows_the_machine")
class RemembersTheTableOfEveryMachine:
    """A cache that forgets that the load is part of the question."""

    def __init__(self):
        self.tables = {}

    def __call__(self, load, *machine):
        key = np.shape(load), machine
        if key not in self.tables:
            self.tables[key] = sound(load, *machine)
        return self.tables[key]


@faulty("placer_follows_the_machine")
class AddsUpDeviceLoadsOfTheOldMachine:
    """What the devices carried goes on counting when there are others."""

    def __init__(self):
        self.held = np.zeros(0)

    def reset(self):
        self.held = np.zeros(0)

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        held = np.zeros(num_devices)
        held[: len(self.held)] = self.held[:num_devices]
        self.held = held + np.arange(num_devices) * np.asarray(load).sum()
        order, width = np.argsort(held, kind="stable"), num_slots // num_devices
        return np.array([_from_the_first(row, order, width) for row in np.asarray(load)])


def _from_the_first(load, order, width):
    """Fill device after device in this order, the heaviest experts first."""
    slots = np.full((len(order), width), -1)
    experts = np.argsort(-load, kind="stable")
    for place, expert in enumerate(experts):
        slots[order[place // width], place % width] = expert
    return slots.ravel()


# --- devices that die


def on_live(load, num_slots, live):
    """The greedy placement on the devices that live, the others empty."""
    width = num_slots // len(live)
    placed = np.full((len(load), len(live), width), -1)
    alive = int(live.sum())
    placed[:, live] = sound(load, alive * width, 1, 1, alive).reshape(len(load), alive, width)
    return placed.reshape(len(load), -1)


def all_live(live, num_devices):
    return np.ones(num_devices, bool) if live is None else np.asarray(live)


@faulty("placer_leaves_dead_devices_empty")
def takes_no_notice(load, *machine, live=None):
    return sound(load, *machine)


@faulty("placer_leaves_dead_devices_empty")
def fills_dead_devices_with_expert_zero(load, num_slots, num_groups, num_nodes, num_devices, live=None):
    return np.maximum(on_live(load, num_slots, all_live(live, num_devices)), 0)


@faulty("placer_leaves_dead_devices_empty")
def places_first_and_masks_then(load, num_slots, num_groups, num_nodes, num_devices, live=None):
    placed = sound(load, num_slots, num_groups, num_nodes, num_devices).reshape(len(load), num_devices, -1)
    return np.where(all_live(live, num_devices)[:, None], placed, -1).reshape(len(load), -1)


@faulty("placer_leaves_dead_devices_empty")
def takes_the_first_devices_for_the_live_ones(load, num_slots, num_groups, num_nodes, num_devices, live=None):
    return on_live(load, num_slots, np.sort(all_live(live, num_devices))[::-1])


@faulty("placer_leaves_dead_devices_empty")
class NeverUsesADeviceAgain:
    live = None

    def reset(self):
        self.live = None

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices, live=None):
        now = all_live(live, num_devices)
        left = now if self.live is None or len(self.live) != num_devices else now & self.live
        room = left.sum() * (num_slots // num_devices) >= np.shape(load)[1]
        self.live = left if room else now
        return on_live(load, num_slots, self.live)


@faulty("placer_leaves_dead_devices_empty")
class KeepsTheFirstMask:
    live = None

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices, live=None):
        if self.live is None or len(self.live) != num_devices:
            self.live = all_live(live, num_devices)
        return on_live(load, num_slots, self.live)


# --- spare slots


@faulty("placer_wastes_no_slot")
def deals_spare_slots_in_turn(load, num_slots, num_groups, num_nodes, num_devices):
    """Every expert gets as many replicas; only the packing looks at the load."""
    counts = np.bincount(np.arange(num_slots) % load.shape[1], minlength=load.shape[1])
    width = num_slots // num_devices
    return np.array([packed(row, np.minimum(counts, num_devices), num_devices, width) for row in np.asarray(load)])


@faulty("placer_wastes_no_slot")
def leaves_spare_slots_empty(load, num_slots, num_groups, num_nodes, num_devices):
    ones = np.ones(load.shape[1], int)
    return np.array([packed(row, ones, num_devices, num_slots // num_devices) for row in np.asarray(load)])


@faulty("placer_wastes_no_slot")
def replicates_the_coldest(load, num_slots, num_groups, num_nodes, num_devices):
    layers = []
    for row in np.asarray(load):
        counts = np.ones(len(row), int)
        for _ in range(num_slots - len(row)):
            counts[np.argmin(np.where(counts < num_devices, row * counts, np.inf))] += 1
        layers.append(packed(row, np.minimum(counts, num_devices), num_devices, num_slots // num_devices))
    return np.array(layers)


@faulty("placer_wastes_no_slot")
def replicates_the_hottest_once_and_then_whoever_is_next(load, num_slots, num_groups, num_nodes, num_devices):
    layers = []
    for row in np.asarray(load):
        order = np.argsort(-row, kind="stable")
        counts = np.bincount(order[np.arange(num_slots) % len(row)], minlength=len(row))
        layers.append(packed(row, np.minimum(counts, num_devices), num_devices, num_slots // num_devices))
    return np.array(layers)


@faulty("placer_is_no_worse_with_more_slots")
def packs_in_order_where_there_are_spare_slots(load, num_slots, num_groups, num_nodes, num_devices):
    if num_slots == load.shape[1]:
        return sound(load, num_slots, num_groups, num_nodes, num_devices)
    return np.sort(sound(load, num_slots, num_groups, num_nodes, num_devices), axis=1)


@faulty("placer_is_no_worse_with_more_slots")
def gives_up_on_wide_devices(load, num_slots, num_groups, num_nodes, num_devices):
    width = num_slots // num_devices
    if width > 3:
        return np.array([_from_the_first(row, np.arange(num_devices), width) for row in np.asarray(load)])
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


@faulty("placer_is_no_worse_with_more_slots")
class SaysExactAndIsGreedy:
    capabilities = frozenset({"exact"})

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        return np.array([greedy(row, num_slots, num_devices) for row in np.asarray(load)])


# --- on every rank


@faulty("placer_decides_alike_on_every_rank")
def starts_with_its_own_device(load, num_slots, num_groups, num_nodes, num_devices, rank=0):
    placed = sound(load, num_slots, num_groups, num_nodes, num_devices)
    return np.roll(placed, rank * (num_slots // num_devices), axis=1)


@faulty("placer_decides_alike_on_every_rank")
def breaks_ties_by_rank(load, *machine, rank=0):
    return sound(np.asarray(load) * 64 + (np.arange(load.shape[1]) + rank) % load.shape[1], *machine)


@faulty("placer_decides_alike_on_every_rank")
class DrawsWithoutASharedSeed:
    capabilities = frozenset({"random"})

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices, rank=0):
        placed = sound(load, num_slots, num_groups, num_nodes, num_devices).reshape(len(load), num_devices, -1)
        return placed[:, random.sample(range(num_devices), num_devices)].reshape(len(load), -1)


@faulty("placer_decides_alike_on_every_rank")
class SeesItsOwnLoadsOnly:
    """Counts what went to experts of its own rank, and everything on rank 0 (sglang PR 32962)."""

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices, rank=0):
        seen = np.arange(load.shape[1]) % num_devices >= rank
        return sound(np.asarray(load) * seen, num_slots, num_groups, num_nodes, num_devices)
