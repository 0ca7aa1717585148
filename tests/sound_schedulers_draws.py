"""Correct schedulers that hash, draw, or are told of dead devices and ranks; ``CORRECT`` names them."""

from __future__ import annotations

import numpy as np

from equipoise import SchedulingProblem, solve
from equipoise.balancers.adapters import TokenDispatch
from miniature_schedulers import even
from miniature_schedulers_machines import by_place, mixed
from miniatures import onto

CORRECT: list[str] = []
PARTS = ("answers", "invariance", "quality", "state")
"""Of the checks: those that they are here for; nightly runs try all."""
correct = onto(CORRECT)


@correct
class HashesTokens:
    capabilities = frozenset({"hashes"})

    def __call__(self, load, hosts):
        return by_place(load, hosts, lambda n, r: (mixed(n) % np.uint64(r)).astype(int))


@correct
class MultipliesHigh:
    """Fibonacci hashing: the high bits of a product, scaled to the number of replicas."""

    capabilities = frozenset({"hashes"})

    def __call__(self, load, hosts):
        return by_place(load, hosts, lambda n, r: (n * 2654435761 % 2**32 * r) >> 32)


@correct
class DrawsTokens:
    capabilities = frozenset({"random"})

    def __call__(self, load, hosts):
        rows = zip(np.asarray(load).tolist(), hosts / hosts.sum(axis=1, keepdims=True), strict=True)
        return np.stack([np.random.default_rng().multinomial(tokens, row) for tokens, row in rows])


@correct
class DrawsAndIgnoresLoads(DrawsTokens):
    capabilities = frozenset({"random", "ignores loads"})


@correct
class TakesTurnsWithinAnExpert:
    """Replica by the row among its expert's own."""

    capabilities = frozenset({"hashes"})

    def __call__(self, load, hosts):
        return by_place(load, hosts, lambda n, r: n % r)


@correct
class ExactWithTiesByLot:
    """The optimum, with the names of the devices drawn."""

    capabilities = frozenset({"exact", "random"})

    def __call__(self, load, hosts):
        order = np.random.default_rng().permutation(hosts.shape[1])
        return solve(SchedulingProblem(load, hosts[:, order])).split[:, np.argsort(order)]


@correct
class DrawsBySource:
    capabilities = frozenset({"only by source", "random"})

    def __call__(self, load, hosts):
        draw = DrawsTokens()
        return np.stack([draw(tokens, hosts) for tokens in load])


def hashed_rows(topk_ids, log2phy, logcnt):
    rows = mixed(np.arange(len(topk_ids)))[:, None].astype(np.int64) & (2**62 - 1)
    return log2phy[topk_ids, rows % logcnt[topk_ids]]


def drawn_rows(topk_ids, log2phy):
    generator = np.random.default_rng(5)
    replicas = (log2phy >= 0).sum(axis=1)[topk_ids]
    return log2phy[topk_ids, (generator.random(topk_ids.shape) * replicas).astype(int)]


dispatch_by_hashed_rows = TokenDispatch(hashed_rows)
dispatch_by_draws = TokenDispatch(drawn_rows)
CORRECT += ["dispatch_by_hashed_rows", "dispatch_by_draws"]


@correct
def even_on_live_devices(load, hosts, *, live=None):
    return even(load, hosts if live is None else hosts & live)


@correct
def even_on_every_rank(load, hosts, rank=0):
    return even(load, hosts)


@correct
class OwnTokensOfARank:
    """Each rank starts with its own device."""

    capabilities = frozenset({"decides by rank"})

    def __call__(self, load, hosts, rank=0):
        return np.roll(even(load, np.roll(hosts, -rank, axis=1)), rank, axis=1)
