"""The compiled part: level, relieve, raise the bound; for one load vector after the other.

The pairs (expert, device) that a placement allows are *arcs*, sorted by expert: arc a is replica ``device[a]`` of
``expert[a]``, and expert e has the arcs ``first[e]`` to ``first[e + 1]``. ``on_device`` lists the arcs by device:
those of device g are ``on_device[start[g]]`` to ``on_device[start[g + 1]]``.

Invariants, from the first pouring on: ``x >= 0``; the arcs of an expert sum to its load (times the unit in which tokens
are counted); ``held[g]`` is the base load of g plus its arcs. The peak is a fraction that some set of devices proves
(``cut``), so it never exceeds the optimum; the split is optimal once no device is above its limit at this peak.

Every number stays below total load times total speed, hence below 2^62: :class:`equipoise.SchedulingProblem` holds it.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numba import njit, types

UNSEEN, SOURCE = -1, -2

_Numbers = types.Array(types.int64, 1, "C", readonly=True)
_Rows = types.Array(types.int64, 2, "C", readonly=True)
_Network = (_Numbers,) * 5


@njit(cache=True, error_model="numpy")
def pour(load: int, low: int, high: int, device: Any, speed: Any, held: Any, x: Any) -> None:
    """Add one expert's load to its devices, the emptiest (per speed) first, as water finds its level.

    At the level ``water / width`` device g holds ``water * speed[g] / width``; devices above it get nothing. Each pass
    drops those, which lowers the level, until none is left to drop.
    """
    count, water, width = 0, 1, 0
    while True:
        wet, above, below = 0, load, 0
        for a in range(low, high):
            g = device[a]
            if held[g] * width <= water * speed[g]:
                wet, above, below = wet + 1, above + held[g], below + speed[g]
        water, width = above, below
        if wet == count:
            break
        count = wet
    rest = load
    for a in range(low, high):
        g = device[a]
        x[a] = 0
        if held[g] * width <= water * speed[g]:
            x[a] = (water if width == 1 else water * speed[g] // width) - held[g]
        rest -= x[a]
    for a in range(low, high):
        g = device[a]
        if rest > 0 and held[g] * width <= water * speed[g]:
            x[a] += 1
            rest -= 1
        held[g] += x[a]


@njit(cache=True, error_model="numpy")
def even_out(one: int, other: int, device: Any, held: Any, x: Any) -> None:
    """Move tokens between two arcs of an expert so that their devices hold the same, as nearly as they can."""
    g, h = device[one], device[other]
    amount = max(-x[other], min(x[one], (held[g] - held[h]) >> 1))
    x[one] -= amount
    x[other] += amount
    held[g] -= amount
    held[h] += amount


@njit(cache=True, error_model="numpy")
def level(load: Any, first: Any, device: Any, speed: Any, plain: bool, held: Any, x: Any) -> None:
    """Place the tokens of every expert that has a choice, one expert after the other."""
    for e in range(len(load)):
        low, high = first[e], first[e + 1]
        if high - low < 2:
            continue
        if plain and high - low == 2:
            x[low], x[low + 1] = load[e], 0
            held[device[low]] += load[e]
            even_out(low, low + 1, device, held, x)
        else:
            pour(load[e], low, high, device, speed, held, x)


@njit(cache=True, error_model="numpy")
def spill(first: Any, device: Any, expert: Any, start: Any, on_device: Any, limit: Any, held: Any, x: Any) -> bool:
    """Move tokens from devices above their limit to devices below it that host the same expert; true if that is all."""
    calm = True
    for g in range(len(held)):
        surplus = held[g] - limit[g]
        for i in range(start[g], start[g + 1]):
            if surplus <= 0:
                break
            a = on_device[i]
            e = expert[a]
            for b in range(first[e], first[e + 1]):
                h = device[b]
                amount = min(x[a], min(surplus, limit[h] - held[h]))
                if amount > 0:
                    x[a] -= amount
                    x[b] += amount
                    held[h] += amount
                    held[g] -= amount
                    surplus -= amount
        calm &= surplus <= 0
    return calm


@njit(cache=True, error_model="numpy")
def relieve(
    first: Any,
    device: Any,
    expert: Any,
    start: Any,
    on_device: Any,
    limit: Any,
    held: Any,
    x: Any,
    came: Any,
    queue: Any,
) -> bool:
    """Move tokens along fewest hops from devices above their limit to devices below it.

    Returns true when no device is above its limit. Otherwise the devices with ``came[g] != UNSEEN`` are stuck: all
    tokens they hold belong to experts that live on them alone, and together they are above their limits.

    A hop from g leaves through arc ``came[h]`` of g and enters through another arc of the same expert. Breadth-first
    from all full devices at once; every search that reaches room moves tokens on at least one shortest path.
    """
    entered = queue[len(held) :]
    while True:
        tail = 0
        for g in range(len(held)):
            came[g] = UNSEEN
            if held[g] > limit[g]:
                came[g] = SOURCE
                queue[tail] = g
                tail += 1
        if tail == 0:
            return True
        head, moved, full = 0, False, tail
        while head < tail and full > 0:
            g = queue[head]
            head += 1
            if held[g] < limit[g]:
                source = _move_to(g, device, limit, held, x, came, entered)
                if source >= 0:
                    moved = True
                    full -= held[source] == limit[source]
                continue
            for i in range(start[g], start[g + 1]):
                a = on_device[i]
                if x[a] == 0:
                    continue
                e = expert[a]
                for b in range(first[e], first[e + 1]):
                    h = device[b]
                    if came[h] == UNSEEN:
                        queue[tail] = h
                        tail += 1
                    elif came[h] == SOURCE or device[came[h]] != g or x[came[h]] >= x[a]:
                        continue
                    came[h], entered[h] = a, b
        if not moved:
            return False


@njit(cache=True, error_model="numpy")
def _move_to(target: int, device: Any, limit: Any, held: Any, x: Any, came: Any, entered: Any) -> int:
    """Move what the path to ``target`` allows; return where that came from, -1 if earlier moves closed the path."""
    amount, g = limit[target] - held[target], target
    while came[g] != SOURCE:
        amount = min(amount, x[came[g]])
        g = device[came[g]]
    source = g
    amount = min(amount, held[source] - limit[source])
    if amount <= 0:
        return -1
    held[g] -= amount
    held[target] += amount
    g = target
    while came[g] != SOURCE:
        x[came[g]] -= amount
        x[entered[g]] += amount
        g = device[came[g]]
    return source


@njit(cache=True, error_model="numpy")
def proved(demand: int, cut: Any, speed: Any, plain: bool, fractional: bool) -> tuple[int, int]:
    """Least peak, as a reduced fraction, at which the devices of ``cut`` can hold ``demand`` tokens.

    The same number as :func:`equipoise.certificates.scheduling.bottleneck` finds.
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
def first_cut(load: Any, first: Any, device: Any, speed: Any, own: Any, total: int, cut: Any) -> int:
    """Choose the best of the obvious cuts: all devices, one alone, or those of one expert; return what it must hold.

    ``own[g]`` is what can only be on device g.
    """
    demand, width, expert, alone = total, 0, -1, -1
    for g in range(len(own)):
        width += speed[g]
    for g in range(len(own)):
        if own[g] * width > demand * speed[g]:
            demand, width, alone = own[g], speed[g], g
    for e in range(len(load)):
        if first[e + 1] - first[e] > 1:
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


@njit(
    types.void(
        _Rows,
        *_Network,
        _Numbers,
        _Numbers,
        types.boolean,
        types.int64[:, ::1],
        types.int64[::1],
        types.int64[:, ::1],
        types.boolean[:, ::1],
    ),
    cache=True,
    error_model="numpy",
)
def schedule_rows(
    loads: Any,
    first: Any,
    device: Any,
    expert: Any,
    start: Any,
    on_device: Any,
    base: Any,
    speed: Any,
    fractional: bool,
    shares: Any,
    units: Any,
    peaks: Any,
    cuts: Any,
) -> None:
    """Split every row of ``loads[B, E]``; what is written depends on that row alone.

    Writes ``shares[B, arcs]`` in units of ``1 / units[B]`` token, ``peaks[B, 2]`` (numerator and denominator) and
    ``cuts[B, G]``, the devices that prove the peak.
    """
    devices = len(base)
    held, limit, came = np.empty(devices, np.int64), np.empty(devices, np.int64), np.empty(devices, np.int64)
    queue, whole = np.empty(2 * devices, np.int64), np.empty(len(device), np.int64)
    plain, bases = True, 0
    for g in range(devices):
        plain &= speed[g] == 1
        bases += base[g]
    for row in range(len(loads)):
        load, x, cut = loads[row], shares[row], cuts[row]
        for g in range(devices):
            held[g] = base[g]
        total = bases
        for e in range(len(load)):
            total += load[e]
            if first[e + 1] - first[e] == 1:
                x[first[e]] = load[e]
                held[device[first[e]]] += load[e]
        demand = first_cut(load, first, device, speed, held, total, cut)
        above, below = proved(demand, cut, speed, plain, fractional)
        for g in range(devices):
            limit[g] = above * speed[g] // below
        unit = 1
        level(load, first, device, speed, plain, held, x)
        calm = spill(first, device, expert, start, on_device, limit, held, x)
        if fractional:
            for a in range(len(device)):
                whole[a] = x[a]
        while not calm or (fractional and unit != below):
            if fractional and unit != below:
                unit = below
                for g in range(devices):
                    held[g] = base[g] * unit
                for a in range(len(device)):
                    x[a] = whole[a] * unit
                    held[device[a]] += x[a]
            for g in range(devices):
                limit[g] = above * speed[g] if fractional else above * speed[g] // below
            calm = relieve(first, device, expert, start, on_device, limit, held, x, came, queue)
            if not calm:
                demand = 0
                for g in range(devices):
                    cut[g] = came[g] != UNSEEN
                    demand += held[g] if cut[g] else 0
                above, below = proved(demand // unit, cut, speed, plain, fractional)
        units[row], peaks[row, 0], peaks[row, 1] = unit, above, below
