"""Deliberately faulty schedulers, each a few lines with one defect; ``FAULTY`` names the check that must catch it."""

from __future__ import annotations

import numpy as np

from equipoise.reference.scheduling.lplb import shares
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


def even(load, hosts):
    """Every replica the same, the odd tokens one each from the first host on."""
    load = np.asarray(load, np.int64)
    count = hosts.sum(axis=1)
    odd = (np.cumsum(hosts, axis=1) <= (load % count)[:, None]) & hosts
    return hosts * (load // count)[:, None] + odd


def filled(load, hosts, rounds):
    """Start on the first host of every expert; then move single tokens to emptier hosts, ``rounds`` times."""
    split = np.zeros(hosts.shape, np.int64)
    split[np.arange(len(load)), hosts.argmax(axis=1)] = load
    for _ in range(rounds):
        held = split.sum(axis=0)
        moves = np.where((split > 0)[:, :, None] & hosts[:, None, :], held[:, None] - held[None, :], 0)
        expert, source, goal = np.unravel_index(moves.argmax(), moves.shape)
        if moves[expert, source, goal] < 2:
            break
        split[expert, source] -= 1
        split[expert, goal] += 1
    return split


ANSWERS = even, lambda load, hosts: filled(np.asarray(load), hosts, 0)
"""What a scheduler may answer, and what it may answer as well."""


# --- faulty: what is returned


@faulty("scheduler_answers")
def returns_devices_first(load, hosts):
    return even(load, hosts).T


@faulty("scheduler_answers")
def returns_a_mask(load, hosts):
    return even(load, hosts) > 0


@faulty("scheduler_gives_whole_tokens")
def leaves_the_linear_program_unrounded(load, hosts):  # LPLB, SGLang: shares of a replica
    return hosts * (load / hosts.sum(axis=1))[:, None]


@faulty("scheduler_gives_whole_tokens")
def divides_by_the_largest_load(load, hosts):
    with np.errstate(all="ignore"):
        return np.rint(even(load, hosts) / load.max() * load.max())


@faulty("scheduler_serves_no_negative_tokens")
def takes_the_remainder_off_the_last_host(load, hosts):
    split = hosts * -(-load // hosts.sum(axis=1))[:, None]
    last = hosts.shape[1] - 1 - hosts[:, ::-1].argmax(axis=1)
    split[np.arange(len(load)), last] -= split.sum(axis=1) - load
    return split


@faulty("scheduler_serves_only_on_hosts")
def sends_the_odd_tokens_to_the_first_device(load, hosts):
    split = hosts * (load // hosts.sum(axis=1))[:, None]
    split[:, 0] += load - split.sum(axis=1)
    return split


@faulty("scheduler_serves_only_on_hosts")
def counts_devices_from_one(load, hosts):  # vllm-ascend PR 4793
    return np.roll(even(load, hosts), 1, axis=1)


@faulty("scheduler_serves_every_token_once")
def counts_every_replica(load, hosts):  # SGLang's recorder: loads multiplied by the ranks
    return hosts * load[:, None]


@faulty("scheduler_serves_every_token_once")
def serves_no_more_than_the_mean(load, hosts):  # capacity without a way out: tokens are dropped
    split, room = even(load, hosts), -(-int(load.sum()) // hosts.shape[1])
    return np.minimum(split, np.maximum(0, room - np.cumsum(split, axis=0) + split))


@faulty("scheduler_keeps_the_remainder")
def drops_what_does_not_divide(load, hosts):  # TensorRT-LLM PR 13888
    return hosts * (load // hosts.sum(axis=1))[:, None]


@faulty("scheduler_keeps_the_remainder")
def rounds_every_share_alone(load, hosts):
    return np.rint(hosts * (load / hosts.sum(axis=1))[:, None]).astype(int)


@faulty("scheduler_works_without_load")
def divides_by_the_total(load, hosts):
    return even(load * 1000 // (1000 * int(load.sum()) // int(load.sum())), hosts)


@faulty("scheduler_works_with_single_hosts")
def knows_replicated_experts_only(load, hosts):  # LPLB's program has those alone
    return even(load, hosts) * (hosts.sum(axis=1, keepdims=True) > 1)


@faulty("scheduler_works_with_replicas_everywhere")
def knows_two_hosts_only(load, hosts):  # LPLB: two hosts per replicated expert
    return even(load, hosts & (hosts.cumsum(axis=1) <= 2)) * (hosts.sum(axis=1, keepdims=True) <= 3)


@faulty("scheduler_takes_numbers_of_replicas")
class TakesCountsForAMask:  # right wherever a device holds one
    capabilities = frozenset({"counts replicas"})

    def __call__(self, load, hosts):
        return even(load, hosts > 0) * hosts


@faulty("scheduler_works_with_one_device")
def compares_with_the_second_fullest(load, hosts):
    split = even(load, hosts)
    second = np.sort(split.sum(axis=0))[-2]
    return split + 0 * second


@faulty("scheduler_survives_huge_loads")
def solves_in_float32(load, hosts):  # LPLB
    load = np.asarray(load, np.float32)
    share = np.floor(hosts * (load / hosts.sum(axis=1, dtype=np.float32))[:, None])
    first = hosts.argmax(axis=1)
    share[np.arange(len(load)), first] += load - share.sum(axis=1, dtype=np.float32)
    return share.astype(np.int64)


@faulty("scheduler_survives_huge_loads")
def gives_32_bits(load, hosts):
    split = even(load, hosts)
    return (2 * split).astype(np.int32) // 2


# --- faulty: side effects and what must not matter


@faulty("scheduler_ignores_the_integer_type")
def casts_to_half(load, hosts):
    weight = np.cumsum(hosts, axis=1) * hosts if load.dtype == np.int32 else hosts
    return shares(load, weight.astype(np.float64))


# --- faulty: quality


@faulty("scheduler_is_near_the_optimum")
def packs_the_fullest_host(load, hosts):
    split = np.zeros(hosts.shape, np.int64)
    for expert, devices in enumerate(hosts):
        held = np.where(devices, split.sum(axis=0), -1)
        split[expert, held.argmax()] = load[expert]
    return split


@faulty("scheduler_is_near_the_optimum")
class SaysItIsExact:  # LPLB, SGLang: accepted though far above the optimum
    capabilities = frozenset({"exact"})

    def __call__(self, load, hosts):
        return even(load, hosts)


@faulty("scheduler_relieves_a_device_through_a_chain")
class MovesOneStep:
    """Takes tokens from a fuller host to an emptier one, never through a third."""

    capabilities = frozenset({"exact"})

    def __call__(self, load, hosts):
        return filled(np.asarray(load, np.int64), hosts, 3)


@faulty("scheduler_is_no_worse_than_an_even_split")
def serves_on_the_first_host(load, hosts):
    return filled(load, hosts, 0)


@faulty("scheduler_is_no_worse_than_an_even_split")
def weighs_the_wrong_way(load, hosts):
    """More of an expert to the hosts that have more to do anyway."""
    return shares(load, hosts * (1.0 + hosts.T @ load))


@faulty("scheduler_uses_idle_replicas")
def uses_two_replicas_at_most(load, hosts):  # sglang PR 13423
    return even(load, hosts & (np.cumsum(hosts, axis=1) <= 2))


# --- faulty: sources and plans


@faulty("scheduler_serves_what_every_device_sends")
class CountsOneRank:  # vllm PR 22167
    capabilities = frozenset({"by source"})

    def __call__(self, load, hosts):
        return even(load if load.ndim == 1 else load[0], hosts)


@faulty("scheduler_serves_what_every_device_sends")
class SwapsSourceAndGoal:
    capabilities = frozenset({"by source"})

    def __call__(self, load, hosts):
        if load.ndim == 1:
            return even(load, hosts)
        return np.array([even(tokens, hosts) for tokens in load]).swapaxes(0, 2)


@faulty("scheduler_serves_what_it_plans")
class SpreadsByHash:  # LPLB: where 499 divides the stride, every token goes the same way
    shares = None
    modulus = 5

    def __call__(self, load, hosts):
        self.shares = hosts / hosts.sum(axis=1, keepdims=True)
        split = np.zeros(hosts.shape, np.int64)
        for expert, devices in enumerate(hosts):
            bounds = np.cumsum(self.shares[expert]) * self.modulus
            place = np.arange(int(load[expert])) * int(devices.sum()) * 5 % self.modulus
            np.add.at(split[expert], np.searchsorted(bounds, place, side="right"), 1)
        return split
