r"""The dealing bound for even splits: standard library only, integers and Fractions, no solver.

Below a peak B expert e has ``r_e >= floor(w_e / B) + 1`` replicas, which leaves few choices of the counts. For each of
them the replicas are dealt to the devices exactly: devices are alike, so the next device takes the heaviest replica
left, and then any others that keep it below B; what it leaves must fit below B on the devices that remain. If every
deal fails, no placement has a peak below B; a deal that works is a better placement. Our argument (bin completion,
Martello and Toth 1990). In the hierarchical form nodes are alike as well: the first group left goes to a node together
with every choice of companions, and the node's experts are dealt to its devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from math import lcm

STEPS = 300_000
"""Search steps after which the argument is given up (and proves nothing)."""

LARGEST = 200
"""Experts plus devices beyond which it is not even tried: the search is as deep as that."""

Device = list[int]
Item = tuple[int, int, int]


class GivenUp(Exception):
    """The search took too many steps."""


def deal_below(
    loads: list[int],
    slots: int,
    devices: int,
    distinct: bool,
    bound: Fraction,
    groups: int = 1,
    nodes: int = 1,
    steps: int = STEPS,
) -> list[Device] | None:
    """Return the experts on each device of a placement whose peak is below ``bound``; None if there is none.

    Raises
    ------
    GivenUp
        After ``steps`` steps, or at once beyond ``LARGEST``.
    """
    if bound <= 0:
        return None
    if len(loads) + devices > LARGEST:
        raise GivenUp
    search = _Search(slots // devices, distinct, steps)
    known: dict[tuple[int, ...], list[Device] | None] = {}

    def on_one_node(members: tuple[int, ...]) -> list[Device] | None:
        if members not in known:
            experts = [expert for expert in range(len(loads)) if expert * groups // len(loads) in members]
            node = _deal_on_node([loads[e] for e in experts], devices // nodes, bound, search)
            known[members] = None if node is None else [[experts[e] for e in device] for device in node]
        return known[members]

    def deal(left: tuple[int, ...]) -> list[Device] | None:
        if not left:
            return []
        for others in combinations(left[1:], groups // nodes - 1):
            search.spend()
            first = on_one_node((left[0], *others))
            rest = None if first is None else deal(tuple(group for group in left[1:] if group not in others))
            if first is not None and rest is not None:
                return first + rest
        return None

    return deal(tuple(range(groups)))


def _deal_on_node(loads: list[int], devices: int, bound: Fraction, search: _Search) -> list[Device] | None:
    slots = devices * search.width
    least = [load * bound.denominator // bound.numerator + 1 for load in loads]
    for counts in _counts(least, slots - sum(least), devices if search.distinct else slots):
        search.spend()
        scale = lcm(*counts)
        weight = [load * scale // count for load, count in zip(loads, counts, strict=True)]
        limit = -(-scale * bound.numerator // bound.denominator) - 1
        left = [(weight[e], e, counts[e]) for e in sorted(range(len(loads)), key=lambda e: -weight[e])]
        total = sum(weight * count for weight, _, count in left)
        if (found := search.deal(left, total, sum(counts), devices, limit)) is not None:
            return found
    return None


def _counts(least: list[int], spare: int, most: int) -> Iterator[list[int]]:
    """Every ``r >= least`` with at most ``spare`` more in all, none above ``most``."""
    if spare < 0 or any(count > most for count in least):
        return
    if not least:
        yield []
        return
    for extra in range(min(spare, most - least[0]) + 1):
        for rest in _counts(least[1:], spare - extra, most):
            yield [least[0] + extra, *rest]


class _Search:
    """Depth-first over devices; ``left`` lists (weight, expert, replicas left), heaviest first."""

    def __init__(self, width: int, distinct: bool, steps: int) -> None:
        self.width, self.distinct, self.steps = width, distinct, steps

    def spend(self) -> None:
        """Count a step."""
        self.steps -= 1
        if self.steps < 0:
            raise GivenUp

    def deal(self, left: list[Item], total: int, number: int, devices: int, limit: int) -> list[Device] | None:
        """Deal ``number`` replicas of load ``total`` to ``devices`` alike, none above ``limit``."""
        if not left:
            return [[] for _ in range(devices)]
        if total > devices * limit or number > devices * self.width or left[0][0] > limit:
            return None
        need, fewest = total - (devices - 1) * limit, number - (devices - 1) * self.width
        weight, heaviest, _ = left[0]
        for chosen, load, rest in self.fill(_without(left, 0), 0, [heaviest], weight, limit):
            if load >= need and len(chosen) >= fewest:
                found = self.deal(rest, total - load, number - len(chosen), devices - 1, limit)
                if found is not None:
                    return [chosen, *found]
        return None

    def fill(
        self, left: list[Item], first: int, chosen: Device, load: int, limit: int
    ) -> Iterator[tuple[Device, int, list[Item]]]:
        """Every way to add replicas from ``left[first:]`` to a device, with its load and what it leaves."""
        self.spend()
        if len(chosen) < self.width:
            for index in range(first, len(left)):
                weight, expert, count = left[index]
                if load + weight <= limit and not (self.distinct and expert in chosen):
                    following = index + (self.distinct and count > 1)
                    yield from self.fill(_without(left, index), following, [*chosen, expert], load + weight, limit)
        yield chosen, load, left


def _without(left: list[Item], index: int) -> list[Item]:
    """``left`` with one replica fewer of the item at ``index``."""
    weight, expert, count = left[index]
    middle = [(weight, expert, count - 1)] if count > 1 else []
    return [*left[:index], *middle, *left[index + 1 :]]
