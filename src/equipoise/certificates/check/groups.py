r"""The group bound: standard library only, integers and Fractions, no solver.

Every node takes N_g / N whole groups of experts, on D = G / N devices with P / N slots. Below a peak B

* the tokens of a node's groups are fewer than ``D B``, since they stay on its devices;
* expert e has ``r_e >= floor(w_e / B) + 1`` replicas, so the groups of a node need no more than P / N slots, and, where
  an expert's replicas lie on devices of their own, none of their experts more than D.

If the groups cannot be dealt to the nodes within these limits, no placement has a peak below B. The dealing is searched
exactly: nodes are alike, so the heaviest group left goes to a node together with every choice of companions, and what
is left must fit on the nodes left. Our argument; it holds for even and free splits.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

STEPS = 50_000
"""Search steps after which the argument is given up (and proves nothing)."""

Group = tuple[int, int]
"""Tokens and least number of slots."""


class _GivenUp(Exception):
    """The search took too many steps."""


def no_grouping_below(
    loads: list[int], slots: int, devices: int, apart: bool, bound: Fraction, groups: int, nodes: int
) -> bool:
    """Whether the group argument proves that no placement has a peak below ``bound``.

    Parameters
    ----------
    loads, slots, devices, groups, nodes
        Tokens of each of E experts, P, G, N_g and N.
    apart
        Whether replicas of an expert lie on devices of their own.
    """
    if nodes < 2 or bound <= 0:
        return False
    size, own = len(loads) // groups, devices // nodes
    needed = [load * bound.denominator // bound.numerator + 1 for load in loads]
    if apart and max(needed) > own:
        return True
    starts = range(0, len(loads), size)
    dealt = sorted(((sum(loads[i : i + size]), sum(needed[i : i + size])) for i in starts), reverse=True)
    most = -(-own * bound.numerator // bound.denominator) - 1, slots // nodes
    try:
        return not _deal(dealt, groups // nodes, most, [STEPS])
    except _GivenUp:
        return False


def _deal(left: list[Group], each: int, most: Group, budget: list[int]) -> bool:
    """Whether ``left``, the heaviest first, can be dealt ``each`` to a node of at most ``most`` tokens and slots."""
    if not left:
        return True
    nodes = len(left) // each
    totals = [sum(group[unit] for group in left) for unit in (0, 1)]
    if any(total > nodes * limit for total, limit in zip(totals, most, strict=True)):
        return False
    least = [total - (nodes - 1) * limit for total, limit in zip(totals, most, strict=True)]
    for chosen in _filled(left, 1, [0], left[0], each, most, budget):
        if all(sum(left[place][unit] for place in chosen) >= least[unit] for unit in (0, 1)):
            rest = [group for place, group in enumerate(left) if place not in chosen]
            if _deal(rest, each, most, budget):
                return True
    return False


def _filled(
    left: list[Group], first: int, chosen: list[int], held: Group, each: int, most: Group, budget: list[int]
) -> Iterator[list[int]]:
    """Every way to add groups from ``left[first:]`` to a node until it has ``each``, as places in ``left``."""
    budget[0] -= 1
    if budget[0] < 0:
        raise _GivenUp
    if held[0] > most[0] or held[1] > most[1]:
        return
    if len(chosen) == each:
        yield chosen
        return
    for place in range(first, len(left)):
        if place > first and left[place] == left[place - 1]:
            continue
        more = held[0] + left[place][0], held[1] + left[place][1]
        yield from _filled(left, place + 1, [*chosen, place], more, each, most, budget)
