"""Deliberately faulty planners, each a few lines that show one defect; ``FAULTY`` names the check that catches it."""

from __future__ import annotations

import numpy as np

from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def at_home(load, home, slots):
    total = np.asarray(load, np.int64)
    total = total if total.ndim == 1 else total.sum(axis=0)
    split = np.zeros((len(home), len(slots)), np.int64)
    split[np.arange(len(home)), home] = total
    return split


def levelled(load, home, slots):
    """Move from the fullest device to the emptiest that has a slot, until that no longer helps."""
    split, free = at_home(load, home, slots), np.array(slots)
    while True:
        held = split.sum(axis=0)
        source = int(held.argmax())
        own = np.flatnonzero(home == source)
        expert = own[split[own, source].argmax()] if len(own) else None
        places = np.flatnonzero((free > 0) & (split[expert] == 0)) if expert is not None else []
        if not len(places):
            return split
        device = int(places[held[places].argmin()])
        moved = min(int(split[expert, source]), int(held[source] - held[device]) // 2)
        if moved < 1 or device == source:
            return split
        split[expert, source] -= moved
        split[expert, device] += moved
        free[device] -= 1


def another(load, home, slots):
    """Serve at home what the others level."""
    return at_home(load, home, slots)


ANSWERS = levelled, another
"""What a planner may answer, and what it may answer as well."""


@faulty("planner_serves_no_negative_tokens")
def takes_more_than_is_there(load, home, slots):
    split = levelled(load, home, slots)
    total = split[0].sum()
    split[0] = 0
    split[0, home[0]] = -1
    split[0, (home[0] + 1) % len(slots)] += total + 1
    return split


@faulty("planner_serves_every_token_once")
def counts_one_rank(load, home, slots):  # vLLM PR 22167
    return levelled(load, home, slots) // 2


@faulty("planner_serves_only_at_home_or_where_a_copy_is")
def forgets_to_copy(load, home, slots):
    split = levelled(load, home, slots)
    return np.zeros(split.shape, bool), split


@faulty("planner_keeps_to_the_slots")
def has_always_one_slot_more(load, home, slots):
    return levelled(load, home, np.asarray(slots) + 1)


@faulty("planner_keeps_to_the_slots")
class KeepsEarlierCopies:
    """What was copied for earlier batches stays."""

    def __init__(self):
        self.copies = None

    def reset(self):
        self.copies = None

    def __call__(self, load, home, slots):
        split = levelled(load, home, slots)
        copies = split > 0
        copies[np.arange(len(home)), home] = False
        if self.copies is not None and self.copies.shape == copies.shape:
            copies |= self.copies
        self.copies = copies
        return copies, split


@faulty("planner_works_without_slots")
def needs_a_slot(load, home, slots):
    return levelled(load, home, np.maximum(slots, 1)) if not np.any(slots) else levelled(load, home, slots)


@faulty("planner_works_without_load")
def divides_by_the_mean(load, home, slots):
    share = np.asarray(load) / np.sum(load) if np.sum(load) else np.full(len(home), np.nan)
    return np.where(np.isnan(share[:, None]), -1, levelled(load, home, slots)).astype(np.int64)


@faulty("planner_works_with_one_device")
def hands_on_to_the_next(load, home, slots):
    split = levelled(load, home, slots)
    if len(slots) == 1:
        return split + 1
    return split


@faulty("planner_survives_huge_loads")
def sums_in_32_bits(load, home, slots):
    total = np.asarray(load).sum(dtype=np.int32)
    split = levelled(load, home, slots)
    return split if total >= 0 and np.sum(load) < 2**31 else split.astype(np.int32).astype(np.int64) // 2


@faulty("planner_serves_what_every_device_sends")
def serves_the_first_rank(load, home, slots):
    load = np.asarray(load)
    return levelled(load if load.ndim == 1 else load[0], home, slots)


@faulty("planner_ignores_the_integer_type")
def overflows_in_32_bits(load, home, slots):
    return levelled(load, home, slots) if np.asarray(load).dtype == np.int64 else at_home(load, home, slots)


@faulty("planner_treats_experts_of_a_device_alike")
def moves_the_first_expert_of_a_device(load, home, slots):
    best = levelled(load, home, slots)
    loads = np.asarray(load)
    first = np.unique(home, return_index=True)[1]
    heavy = all(loads[e] >= loads[home == home[e]].max() for e in first)
    return best if heavy else at_home(load, home, slots)


@faulty("planner_is_no_worse_than_no_copies")
def piles_on_the_emptiest(load, home, slots):
    split = at_home(load, home, slots)
    device = int(split.sum(axis=0).argmin())
    heavy = int(split.sum(axis=1).argmax())
    if slots[device] and home[heavy] != device:
        split[heavy] = 0
        split[heavy, device] = np.sum(load, axis=tuple(range(np.ndim(load) - 1)))[heavy]
    return split


@faulty("planner_is_near_the_optimum")
def never_copies_an_expert_below_the_last(load, home, slots):
    split = at_home(load, home, slots)
    return split if split.sum(axis=0).argmax() else levelled(load, home, slots)


@faulty("planner_spreads_a_hot_expert")
def copies_one_token(load, home, slots):
    split = levelled(load, home, slots)
    if np.count_nonzero(load) == 1:
        split = at_home(load, home, slots)
    return split


@faulty("planner_copies_nothing_without_need")
def copies_always(load, home, slots):
    split = levelled(load, home, slots)
    held = split.sum(axis=0)
    if len(slots) > 1 and (held == held[0]).all() and held[0] and slots[(home[0] + 1) % len(slots)]:
        other = np.flatnonzero((home == (home[0] + 1) % len(slots)) & (split.sum(axis=1) > 0))
        mine = np.flatnonzero((home == home[0]) & (split.sum(axis=1) > 0))
        target = (home[0] + 1) % len(slots)
        if len(other) and len(mine) and slots[home[0]] and not split[mine[0], target] and not split[other[0], home[0]]:
            split[mine[0], home[0]] -= 1
            split[mine[0], target] += 1
            split[other[0], target] -= 1
            split[other[0], home[0]] += 1
    return split


@faulty("planner_makes_no_idle_copies")
def fills_all_slots(load, home, slots):
    split = levelled(load, home, slots)
    copies = split > 0
    copies[np.arange(len(home)), home] = False
    if split.any() and copies.any():
        for device in range(len(slots)):
            for expert in np.flatnonzero(home != device):
                copies[expert, device] |= copies[:, device].sum() < slots[device]
    return copies, split


@faulty("planner_reads_where_experts_live")
def takes_homes_for_blocks(load, home, slots):
    experts, devices = len(home), len(slots)
    return levelled(load, np.arange(experts) * devices // experts, slots)


# --- faulty: only at production size


@faulty("planner_serves_every_token_at_production_size")
def counts_in_single_precision(load, home, slots):
    split = levelled(load, home, slots)
    if len(home) <= 24:
        return split
    return split.astype(np.float32).astype(np.int64)


@faulty("planner_serves_every_token_at_production_size")
def devices_of_the_last_tile_are_forgotten(load, home, slots):
    split = levelled(load, home, slots)
    whole = max(8, split.shape[1] // 16 * 16)
    split[:, whole:] = 0
    return split


@faulty("planner_serves_every_token_at_production_size")
def experts_in_a_byte(load, home, slots):
    split = levelled(load, home, slots)
    split[256:] = 0
    return split


@faulty("planner_relieves_the_fullest_at_production_size")
def a_mask_of_32_devices(load, home, slots):
    return levelled(load, home, slots) if len(slots) <= 32 else at_home(load, home, slots)


@faulty("planner_relieves_the_fullest_at_production_size")
def ranks_the_first_128_experts(load, home, slots):
    """The others stay at home."""
    split, first = at_home(load, home, slots), home < len(slots)
    first[128:] = False
    total = split.sum(axis=1)
    split[first] = levelled(np.where(first, total, 0), home, slots)[first]
    return (
        split if split.sum(axis=0).max() <= at_home(load, home, slots).sum(axis=0).max() else at_home(load, home, slots)
    )
