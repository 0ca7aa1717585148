"""Faulty schedulers: devices that come and go, replicas by hash, uneven starts, ranks that disagree; see ``FAULTY``."""

from __future__ import annotations

import random

import numpy as np

from equipoise.balancers.adapters import TokenDispatch
from equipoise.reference.scheduling.ranges import route_by_ranges
from miniature_schedulers import even
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


# --- a machine that changes


@faulty("scheduler_follows_the_machine")
class KeepsTheHostsOfTheFirstCall:  # sglang PR 33111
    hosts = None

    def __call__(self, load, hosts):
        self.hosts = hosts if self.hosts is None or len(self.hosts) != len(hosts) else self.hosts
        return even(load, self.hosts)


@faulty("scheduler_follows_the_machine")
class KeepsTheSharesWhereTheyFit:
    """As many devices, other ones."""

    kept = None

    def reset(self):
        self.kept = None

    def __call__(self, load, hosts):
        if self.kept is None or self.kept.shape != hosts.shape:
            self.kept = hosts.copy()
        return even(load, self.kept)


@faulty("scheduler_follows_the_machine")
class SpreadsOnAsManyDevicesAsEver:
    """Spreads tokens only on as many devices as there have been."""

    most = 0

    def reset(self):
        self.most = 0

    def __call__(self, load, hosts):
        self.most = max(self.most, hosts.shape[1])
        return even(load, hosts if self.most == hosts.shape[1] else _fullest(hosts))


@faulty("scheduler_follows_the_machine")
class CarriesWhatDevicesOwed:
    """Starts with a device further on after every machine, and says nothing of it."""

    before = None
    turn = 0

    def __call__(self, load, hosts):
        self.turn += self.before not in (None, hosts.shape)
        self.before = hosts.shape
        return even(load, hosts[:, ::-1])[:, ::-1] if self.turn % 2 else even(load, hosts)


@faulty("scheduler_serves_on_live_devices_alone")
def takes_no_notice(load, hosts, live=None):
    return even(load, hosts)


@faulty("scheduler_serves_on_live_devices_alone")
def drops_what_dead_devices_get(load, hosts, live=None):
    return even(load, hosts) * (True if live is None else live)


@faulty("scheduler_serves_on_live_devices_alone")
def sends_it_all_to_the_next_device(load, hosts, live=None):
    live = np.ones(hosts.shape[1], bool) if live is None else live
    split = even(load, hosts)
    for device in np.flatnonzero(~live):
        split[:, (device + 1) % len(live)] += split[:, device]
        split[:, device] = 0
    return split


@faulty("scheduler_serves_on_live_devices_alone")
def sends_it_all_to_the_first_that_lives(load, hosts, live=None):
    """Even where all live; else on one host."""
    if live is None or live.all():
        return even(load, hosts)
    left = hosts & live
    return even(load, left & (np.cumsum(left, axis=1) == 1))


# --- replicas by hash, by row and by draw


def by_place(load, hosts, place_of):
    """Token n of an expert with r hosts goes to host ``place_of(n, r)``; of millions all but some are shared evenly."""
    load = np.asarray(load, np.int64)
    one_by_one = np.where(load < 2**20, load, load % 2**16)
    split = even(load - one_by_one, hosts)
    for expert, tokens in enumerate(one_by_one.tolist()):
        devices = np.flatnonzero(hosts[expert])
        np.add.at(split[expert], devices[place_of(np.arange(tokens), len(devices))], 1)
    return split


def mixed(number):
    """Hash of 64 bits, splitmix64's finaliser."""
    z = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Hashes:
    capabilities = frozenset({"hashes"})

    def __call__(self, load, hosts):
        return by_place(load, hosts, self.place)


@faulty("scheduler_draws_replicas_fairly")
class HashesIntoAFewBuckets(Hashes):
    """Eight buckets on three replicas, or five."""

    def place(self, token, replicas):
        return (mixed(token) % np.uint64(8) % np.uint64(replicas)).astype(int)


@faulty("scheduler_draws_replicas_fairly")
class HashesWithHighBitsAlone(Hashes):
    """The bits that are taken are almost the same for thousands of tokens in a row (vllm PR 40810)."""

    def place(self, token, replicas):
        return (token >> 13) % replicas


@faulty("scheduler_draws_replicas_fairly")
class TakesTheTimeStep(Hashes):
    """A step that shares a factor with the number of replicas leaves some of them out."""

    def place(self, token, replicas):
        return 6 * token % replicas


@faulty("scheduler_draws_replicas_fairly")
class PrefersTheFirst(Hashes):
    def place(self, token, replicas):
        return (mixed(token) % np.uint64(replicas * 10 + 1) // np.uint64(10)).astype(int) % replicas * (token % 16 > 0)


@faulty("scheduler_draws_replicas_fairly")
class DrawsUnevenly:
    capabilities = frozenset({"random", "ignores loads"})

    def __call__(self, load, hosts):
        chance = hosts * (1.0 + 0.2 * (np.cumsum(hosts, axis=1) == 1))
        rows = zip(np.asarray(load).tolist(), chance / chance.sum(axis=1, keepdims=True), strict=True)
        return np.stack([np.random.default_rng().multinomial(tokens, row) for tokens, row in rows])


def rows_in_turn(topk_ids, log2phy, logcnt):
    """Replica by the number of the row: experts that alternate always meet the same one (SGLang)."""
    rows = np.arange(len(topk_ids))[:, None]
    return log2phy[topk_ids, rows % logcnt[topk_ids]]


def multiplied_rows(topk_ids, log2phy, logcnt):
    """A multiplicative hash whose low bits are those of the row (vllm PR 40810)."""
    rows = np.arange(len(topk_ids), dtype=np.uint64)[:, None] * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)
    return log2phy[topk_ids, rows.astype(np.int64) % logcnt[topk_ids]]


dispatch_by_rows = TokenDispatch(rows_in_turn)
dispatch_by_multiplied_rows = TokenDispatch(multiplied_rows)
FAULTY["dispatch_by_rows"] = FAULTY["dispatch_by_multiplied_rows"] = "scheduler_draws_replicas_fairly"


# --- sources


class BySource:
    capabilities = frozenset({"by source"})

    def __call__(self, load, hosts):
        if load.ndim == 1:
            return even(load, hosts)
        flows = np.zeros((len(load), *hosts.shape), np.int64)
        for source, tokens in enumerate(load):
            for expert, devices in enumerate(map(np.flatnonzero, hosts)):
                np.add.at(flows[source, expert], devices[self.places(source, devices)], 1)
                flows[source, expert] = self.spread(tokens[expert], flows[source, expert])
        return flows

    def spread(self, tokens, chosen):
        return even(np.array([tokens]), chosen[None] > 0)[0]


@faulty("scheduler_balances_uneven_starts")
class ReplicaByRankOfTheSource(BySource):  # vllm-ascend issue 9244
    def places(self, source, devices):
        return [source % len(devices)]


@faulty("scheduler_balances_uneven_starts")
class TwoReplicasOfEverySource(BySource):
    def places(self, source, devices):
        return [source % len(devices), (source + 1) % len(devices)]


@faulty("scheduler_balances_uneven_starts")
class EverySourceToTheFirst:
    capabilities = frozenset({"only by source", "approximate"})

    def __call__(self, load, hosts):
        flows = np.array([even(tokens, hosts) for tokens in load])
        alone = (load > 0).any(axis=1).sum() == 1
        return np.array([even(tokens, _fullest(hosts)) for tokens in load]) if alone else flows


def _fullest(hosts):
    """Of every expert the host that has most experts."""
    chosen = np.zeros(hosts.shape, bool)
    chosen[np.arange(len(hosts)), np.where(hosts, hosts.sum(axis=0), -1).argmax(axis=1)] = True
    return chosen


@faulty("scheduler_balances_uneven_starts")
class PlansForEvenStarts:
    """Every device serves its own tokens first, as if all had as many."""

    capabilities = frozenset({"by source"})

    def __call__(self, load, hosts):
        if load.ndim == 1:
            return even(load, hosts)
        split = even(load.sum(axis=0), hosts)
        own = np.where(hosts.T, load, 0)
        for device, kept in enumerate(own):
            split[kept > 0] = 0
            split[kept > 0, device] = load.sum(axis=0)[kept > 0]
        return route_by_ranges(load, split)


# --- ranks


@faulty("scheduler_decides_alike_on_every_rank")
def starts_at_its_own_rank(load, hosts, rank=0):  # sglang PR 32962
    return np.roll(even(load, np.roll(hosts, -rank, axis=1)), rank, axis=1)


@faulty("scheduler_decides_alike_on_every_rank")
def keeps_its_own(load, hosts, rank=0):
    own = hosts & (np.arange(hosts.shape[1]) == rank)
    return even(load, np.where(own.any(axis=1, keepdims=True), own, hosts))


@faulty("scheduler_decides_alike_on_every_rank")
class DrawsWithoutASharedSeed:
    capabilities = frozenset({"hashes", "random"})

    def __call__(self, load, hosts, rank=0):
        return by_place(load, hosts, lambda token, replicas: np.array([random.randrange(replicas) for _ in token], int))


@faulty("scheduler_decides_alike_on_every_rank")
class SeedsByRank(Hashes):
    def __call__(self, load, hosts, rank=0):
        return by_place(load, hosts, lambda n, r: (mixed(n + 1000 * rank) % np.uint64(r)).astype(int))
