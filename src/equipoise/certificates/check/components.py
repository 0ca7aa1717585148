r"""The component bound: standard library only, integers and Fractions, no solver.

P slots join E experts and G devices into at least ``E + G - P`` connected components. A component of k devices

* keeps its experts' integer load to itself, so below a bound B that load is at most ``ceil(k B) - 1``;
* has ``k P / G`` slots and needs ``n + k - 1`` of them to connect n experts, so ``n <= k (P / G - 1) + 1``.

If for no device numbers ``k_1 + ... + k_c = G`` with ``c >= E + G - P`` the experts can be dealt out within these
limits, no placement has a peak below B. The dealing is searched exactly: it leaves no more than
``slack = sum of the limits - total load`` unused, which makes most choices fail at once. Our argument.

Where groups of experts stay on a node, so does every component. Then it is enough that, however the groups are dealt
to the nodes, some node has too much load for its devices or no such dealing of its own experts.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from math import comb

STEPS = 200_000
"""Search steps after which the argument is given up (and proves nothing)."""

LARGEST = 100
"""Devices beyond which it is not even tried: the search is as deep as that."""


def no_partition_below(
    loads: list[int], slots: int, devices: int, bound: Fraction, groups: int = 1, nodes: int = 1
) -> bool:
    """Whether the component argument proves that no placement has a peak below ``bound``."""
    if bound <= 0 or devices > LARGEST:
        return False
    try:
        if _refuted(loads, slots, devices, bound, [STEPS]):
            return True
    except _GivenUp:
        pass
    try:
        return nodes > 1 and _no_dealing_below(loads, slots // nodes, devices // nodes, bound, groups, nodes)
    except _GivenUp:
        return False


def _no_dealing_below(loads: list[int], slots: int, devices: int, bound: Fraction, groups: int, nodes: int) -> bool:
    """Whether every way to deal the groups to nodes, of ``slots`` and ``devices`` each, leaves one that is refuted."""
    size, budget = len(loads) // groups, [STEPS]
    known: dict[tuple[int, ...], bool] = {}

    def refuted(members: tuple[int, ...]) -> bool:
        if members not in known:
            held = [load for group in members for load in loads[group * size : (group + 1) * size]]
            known[members] = sum(held) >= bound * devices or _refuted(held, slots, devices, bound, budget)
        return known[members]

    def all_refuted(left: tuple[int, ...]) -> bool:
        for others in combinations(left[1:], groups // nodes - 1):
            _spend(budget)
            rest = tuple(group for group in left[1:] if group not in others)
            if not refuted((left[0], *others)) and not (rest and all_refuted(rest)):
                return False
        return True

    return all_refuted(tuple(range(groups)))


def _refuted(loads: list[int], slots: int, devices: int, bound: Fraction, budget: list[int]) -> bool:
    """Whether no device numbers of enough components let ``loads`` be dealt out below ``bound``."""
    fewest = len(loads) + devices - slots
    if fewest < 2:
        return False
    limit = [-(-k * bound.numerator // bound.denominator) - 1 for k in range(devices + 1)]
    for sizes in _partitions(devices, devices, budget):
        slack = sum(limit[k] for k in sizes) - sum(loads)
        if len(sizes) < fewest or slack < 0:
            continue
        bins = [(limit[k], k * (slots // devices - 1) + 1) for k in reversed(sizes)]
        if _deal(sorted(loads, reverse=True), bins, slack, budget):
            return False
    return True


class _GivenUp(Exception):
    """The search took too many steps."""


def _spend(budget: list[int], steps: int = 1) -> None:
    budget[0] -= steps
    if budget[0] < 0:
        raise _GivenUp


def _partitions(total: int, largest: int, budget: list[int]) -> Iterator[list[int]]:
    """Ways to write ``total`` as a sum of parts of at most ``largest``, in descending order."""
    if total == 0:
        yield []
        return
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part, budget):
            _spend(budget)
            yield [part, *rest]


def _deal(loads: list[int], bins: list[tuple[int, int]], slack: int, budget: list[int]) -> bool:
    """Whether the experts can be dealt into ``bins`` (load limit, most experts), small ones first."""
    limit, most = bins[0]
    if len(bins) == 1:
        return len(loads) <= most and sum(loads) <= limit
    for size in range(min(most, len(loads)) + 1):
        _spend(budget, comb(len(loads), size))
        for chosen in combinations(range(len(loads)), size):
            lacking = limit - sum(loads[e] for e in chosen)
            if 0 <= lacking <= slack:
                rest = [load for e, load in enumerate(loads) if e not in chosen]
                if _deal(rest, bins[1:], slack - lacking, budget):
                    return True
    return False
