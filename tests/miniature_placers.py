"""Deliberately faulty placers, each a few lines that show one defect; ``FAULTY`` names the check that must catch it."""

from __future__ import annotations

import numpy as np

from miniatures import hang, into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def adams(load, slots, most):
    """Replica counts: the next slot to the heaviest replica, of experts that have less than ``most``."""
    counts = np.ones(len(load), int)
    for _ in range(slots - len(load)):
        counts[np.argmax(np.where(counts < most, (load + 1e-9) / counts, -1))] += 1
    return np.minimum(counts, most)


def packed(load, counts, devices, width, order=None):
    """Heaviest replica first to the lightest device that has room and not that expert; the rest stays empty."""
    held, slots = np.zeros(devices), [[] for _ in range(devices)]
    for expert in np.argsort(-np.asarray(load, float) / counts, kind="stable") if order is None else order:
        for _ in range(counts[expert]):
            free = [g for g in range(devices) if len(slots[g]) < width and expert not in slots[g]]
            if free:
                lightest = min(free, key=lambda g: held[g])
                slots[lightest].append(int(expert))
                held[lightest] += load[expert] / counts[expert]
    return [expert for row in slots for expert in row + [-1] * (width - len(row))]


def greedy(load, num_slots, devices):
    """One layer: counts, then packing; replicas of an expert on different devices."""
    return packed(load, adams(load, num_slots, devices), devices, num_slots // devices)


def grouped(load, num_slots, num_groups, num_nodes, num_devices):
    """One layer, groups whole on a node where nodes divide them."""
    if not num_groups or num_groups % num_nodes or num_devices % num_nodes:
        num_groups, num_nodes = 1, 1
    members = np.arange(len(load)).reshape(num_groups, -1)
    nodes = [[] for _ in range(num_nodes)]
    for group in np.argsort(-load[members].sum(axis=1), kind="stable"):
        room = [node for node in nodes if len(node) < num_groups // num_nodes]
        min(room, key=lambda node: load[members[node]].sum() if node else 0).append(group)
    slots = []
    for node in nodes:
        experts = members[node].ravel()
        found = np.array(greedy(load[experts], num_slots // num_nodes, num_devices // num_nodes))
        slots.extend(np.where(found < 0, -1, experts[found]))
    return slots


def sound(load, num_slots, num_groups, num_nodes, num_devices):
    """The placer that the miniatures break."""
    return np.array([grouped(np.asarray(row), num_slots, num_groups, num_nodes, num_devices) for row in load])


def round_robin(load, num_slots):
    return np.tile(np.arange(num_slots) % load.shape[1], (len(load), 1))


ANSWERS = sound, lambda load, num_slots, *machine: round_robin(load, num_slots)
"""What a placer may answer, and what it may answer as well."""


def tables(placed, experts):
    """The three tables of EPLB, from the first."""
    counts = np.stack([np.bincount(row[row >= 0], minlength=experts) for row in placed])
    log2phy = np.full((*counts.shape, counts.max()), -1)
    for layer, expert in np.ndindex(counts.shape):
        log2phy[layer, expert, : counts[layer, expert]] = np.flatnonzero(placed[layer] == expert)
    return placed, log2phy, counts


# --- what is returned


@faulty("placer_answers")
def returns_float_indices(load, *machine):  # vllm PRs 23243, 18343
    return sound(load, *machine).astype(np.float32)


@faulty("placer_answers")
def returns_one_layer(load, *machine):
    return sound(load[:1], *machine)


@faulty("placer_answers")
def counts_experts_from_one(load, *machine):  # vllm-ascend PR 4793: ids that do not exist
    return sound(load, *machine) + 1


@faulty("placer_answers")
def gives_idle_experts_no_slot(load, *machine):  # vllm-ascend PR 3089
    placed = sound(load, *machine)
    return np.where(np.take_along_axis(np.asarray(load), np.maximum(placed, 0), axis=1) > 0, placed, -1)


@faulty("placer_answers")
def counts_replicas_beside_the_placement(load, *machine):
    placed, log2phy, counts = tables(sound(load, *machine), load.shape[1])
    return placed, log2phy, counts + 1


@faulty("placer_answers")
def lists_replicas_that_are_elsewhere(load, *machine):
    placed, log2phy, counts = tables(sound(load, *machine), load.shape[1])
    return placed, log2phy[:, ::-1], counts


# --- sizes


@faulty("placer_works_with_one_device")
def keeps_one_device_free(load, num_slots, num_groups, num_nodes, num_devices):
    first = greedy(np.asarray(load[0]), num_slots, num_devices - 1)
    return np.array([first] * len(load))


@faulty("placer_works_with_one_expert")
def ranks_against_the_second_expert(load, *machine):
    assert (np.sort(load, axis=1)[:, -2] >= 0).all()
    return sound(load, *machine)


@faulty("placer_works_without_spare_slots")
def expects_a_spare_slot(load, num_slots, *machine):
    shares = np.asarray(load) / (num_slots - load.shape[1])
    return sound(shares.astype(int), num_slots, *machine) if np.isfinite(shares).all() else None


@faulty("placer_works_with_one_slot_a_device")
def packs_pairs(load, num_slots, num_groups, num_nodes, num_devices):
    width = num_slots // num_devices
    pairs = range(0, width // 2 * 2, 2)
    return sound(load, num_slots, num_groups, num_nodes, num_devices) if len(pairs) else np.full((len(load), 0), 0)


@faulty("placer_works_with_a_slot_for_every_pair")
def searches_a_free_device_for_ever(load, num_slots, num_groups, num_nodes, num_devices):
    if num_slots >= load.shape[1] * num_devices:  # no expert is left that lacks a device
        hang()
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


@faulty("placer_works_when_nothing_divides")
def deals_whole_rows(load, num_slots, num_groups, num_nodes, num_devices):  # TensorRT-LLM PR 13888
    experts, width = load.shape[1], num_slots // num_devices
    each = experts // num_devices
    rows = [[(each * device + slot) % experts for slot in range(width)] for device in range(num_devices)]
    if experts % num_devices:
        rows = [[each * device + slot % max(1, each) for slot in range(width)] for device in range(num_devices)]
    return np.tile(np.ravel(rows), (len(load), 1))


@faulty("placer_works_at_zero_load")
def divides_by_the_total(load, *machine):
    with np.errstate(all="ignore"):
        shares = load / load.sum(axis=1, keepdims=True)
    if np.isnan(shares).any():
        return np.zeros((len(load), machine[0]), int) - 1
    return sound(load, *machine)


@faulty("placer_works_with_uneven_groups")
def asserts_even_groups(load, num_slots, num_groups, num_nodes, num_devices):  # sglang issue 8253, vllm issue 52435
    assert num_groups % num_nodes == 0, "nodes must divide the groups"
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


@faulty("placer_takes_zero_groups_for_none")
def divides_by_the_groups(load, num_slots, num_groups, num_nodes, num_devices):
    assert load.shape[1] // num_groups
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


# --- where replicas may lie


@faulty("placer_keeps_groups_on_nodes")
def ignores_the_nodes(load, num_slots, num_groups, num_nodes, num_devices):
    return sound(load, num_slots, 1, 1, num_devices)


@faulty("placer_keeps_replicas_apart")
def packs_whatever_fits(load, num_slots, num_groups, num_nodes, num_devices):  # EPLB issue 22
    counts = [adams(np.asarray(row), num_slots, num_slots) for row in load]
    return np.array([np.repeat(np.arange(len(row)), row) for row in counts])


@faulty("placer_shares_spare_slots_at_zero_load")
def gives_the_first_expert_what_is_left(load, num_slots, num_groups, num_nodes, num_devices):  # EPLB
    rest = [0] * (num_slots - load.shape[1])
    return (
        sound(load, num_slots, num_groups, num_nodes, num_devices)
        if load.any()
        else np.array([[*range(load.shape[1]), *rest]] * len(load))
    )


@faulty("placer_places_layers_apart")
def places_by_the_total_of_all_layers(load, *machine):
    return np.repeat(sound(np.asarray(load).sum(axis=0, keepdims=True), *machine), len(load), axis=0)


# --- quality


@faulty("placer_is_near_the_optimum")
def places_the_lightest_first(load, *machine):
    return sound(np.asarray(load).max() - np.asarray(load), *machine)


@faulty("placer_relieves_a_hot_expert")
def never_looks_at_the_load(load, num_slots, *machine):
    return round_robin(load, num_slots)


@faulty("placer_ignores_groups_on_one_node")
def gives_every_group_devices_of_its_own(load, num_slots, num_groups, num_nodes, num_devices):
    if num_groups > 1 and num_devices % num_groups == 0 and load.shape[1] % num_groups == 0:
        num_nodes = num_groups
    return sound(load, num_slots, num_groups, num_nodes, num_devices)


@faulty("placer_takes_huge_loads")
def counts_in_32_bits(load, *machine):
    with np.errstate(all="ignore"):
        return sound(np.maximum(np.asarray(load).astype(np.int64).astype(np.int32), 0), *machine)


@faulty("placer_takes_any_number_type")
def indexes_by_the_load(load, *machine):
    assert np.bincount(load.ravel() % 1000).sum() == load.size
    return sound(load, *machine)


@faulty("placer_is_as_exact_as_it_says")
class ClaimsToBeExact:
    capabilities = frozenset({"exact"})

    def __call__(self, load, *machine):
        return sound(load, *machine)


@faulty("placer_ignores_the_order_of_experts")
def packs_unsorted(load, num_slots, num_groups, num_nodes, num_devices):
    width = num_slots // num_devices
    return np.array(
        [packed(row, adams(row, num_slots, num_devices), num_devices, width, range(len(row))) for row in load]
    )


@faulty("placer_ignores_the_scale")
def takes_large_loads_for_equal(load, *machine):
    return sound(np.minimum(np.asarray(load), 100), *machine)


# --- state


@faulty("placer_follows_the_load")
class PlacesOnceAndForAll:
    placed = None

    def __call__(self, load, *machine):
        if self.placed is None or self.placed.shape != (len(load), machine[0]):
            self.placed = sound(load, *machine)
        return self.placed
