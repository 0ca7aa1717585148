"""What a set of devices proves: the first cuts, the peak of a cut, and the limits of devices at a peak."""

from __future__ import annotations

from math import gcd
from typing import Any

from numba import njit


@njit(cache=True, error_model="numpy")
def proved(demand: int, cut: Any, speed: Any, plain: bool, fractional: bool) -> tuple[int, int]:
    """Least peak, as a reduced fraction, at which the devices of ``cut`` can hold ``demand`` tokens.

    The same number as :func:`equipoise.certificates.check.scheduling.bottleneck` finds.
    """
    width = 0
    for g in range(len(speed)):
        width += speed[g] if cut[g] else 0
    above, below = demand, width
    if plain and not fractional:
        return (demand + width - 1) // width, 1
    while not fractional:
        room, next_above, next_below = 0, 0, 0
        for g in range(len(speed)):
            if cut[g]:
                count = above * speed[g] // below
                room += count
                if next_below == 0 or (count + 1) * next_below < next_above * speed[g]:
                    next_above, next_below = count + 1, speed[g]
        if room >= demand:
            break
        above, below = next_above, next_below
    divisor = gcd(above, below)
    return above // divisor, below // divisor


@njit(cache=True, error_model="numpy")
def allow(above: int, below: int, speed: Any, limit: Any) -> None:
    """Write what devices may hold at this peak; divided again only where the speed is another."""
    for g in range(len(speed)):
        limit[g] = limit[g - 1] if g > 0 and speed[g] == speed[g - 1] else above * speed[g] // below


@njit(cache=True, error_model="numpy")
def first_cut(load: Any, network: Any, speed: Any, own: Any, total: int, cut: Any) -> int:
    """Choose the best of the obvious cuts: all devices, one alone, or those of one expert; return what it must hold.

    ``own[g]`` is what can only be on device g.
    """
    first, device = network.first, network.device
    demand, width, expert, alone = total, 0, -1, -1
    for g in range(len(own)):
        width += speed[g]
    for g in range(len(own)):
        if own[g] * width > demand * speed[g]:
            demand, width, alone = own[g], speed[g], g
    slowest, most = speed[0], own[0]
    for g in range(len(own)):
        slowest, most = min(slowest, speed[g]), max(most, own[g])
    room = demand * slowest // width - most  # at the peak so far, every device has that much room for what moves
    for e in range(len(load)):
        if load[e] > 2 * room and first[e + 1] - first[e] > 1:
            above, below = load[e], 0
            for a in range(first[e], first[e + 1]):
                above, below = above + own[device[a]], below + speed[device[a]]
            if above * width > demand * below:
                demand, width, expert = above, below, e
    for g in range(len(own)):
        cut[g] = expert < 0 and alone in (-1, g)
    if expert >= 0:
        for a in range(first[expert], first[expert + 1]):
            cut[device[a]] = True
    return demand
