"""The compiled part: level, relieve, raise the bound.

The pairs (expert, device) that a placement allows are *arcs*; :class:`Network` numbers them. What is known of the
devices while one vector is solved is a :class:`State`.

Invariants, once every expert is placed: ``x >= 0``; the arcs of an expert sum to its load (times the unit in which
tokens are counted); ``held[g]`` is the base load of g plus its arcs. The peak is a fraction that some set of devices
proves (``cut``), so it never exceeds the optimum; the split is optimal once no device is above its limit at this peak.

Every number stays below total load times total speed, hence below 2^62: :class:`equipoise.SchedulingProblem` holds it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from equipoise.solvers.scheduling.push_relabel.cuts import allow, first_cut, proved
from equipoise.solvers.scheduling.push_relabel.lanes import FEW, LANES, level_together
from equipoise.solvers.scheduling.push_relabel.network import Network

FAR = np.iinfo(np.int64).max
"""Hops to room of a device that has no way there."""

_Numbers = types.Array(types.int64, 1, "C", readonly=True)
_Rows = types.Array(types.int64, 2, "C", readonly=True)
_Indices = types.uint32[::1]
_Network = types.NamedTuple(  # type: ignore[no-untyped-call]
    (types.int64[::1], _Indices, _Indices, types.int64[::1], _Indices, types.int64[::1]), Network
)


class State(NamedTuple):
    """Devices ``[G]`` and arcs ``[A]`` of one vector.

    Attributes
    ----------
    limit
        What a device may hold at the peak so far.
    held, x
        What it holds, and the tokens of each arc.
    hops
        Hops from a device to one with room; 0 there.
    queue
        Devices in the order in which the search meets them.
    marks
        ``[1]``: the devices with room, a bit each as in :class:`Network`. Without a bit in common there is no device in
        common.
    """

    limit: Any
    held: Any
    x: Any
    hops: Any
    queue: Any
    marks: Any


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
            x[a] = water * speed[g] // width - held[g]
        rest -= x[a]
    for a in range(low, high):
        g = device[a]
        if rest > 0 and held[g] * width <= water * speed[g]:
            x[a] += 1
            rest -= 1
        held[g] += x[a]


@njit(cache=True, error_model="numpy")
def relieve(network: Any, state: Any) -> bool:
    """Send tokens from devices above their limit, in waves, one hop at a time towards devices below it.

    Returns true when no device is above its limit; false when one is that cannot reach a device below its limit. Then
    the devices with ``hops[g] == FAR`` hold tokens of experts that live on them alone, and are above their limits
    together.

    A wave is a breadth-first search backwards from all devices with room, until it has seen every device above its
    limit, and then, farthest devices first, one push: what a device has above its limit goes to devices one hop closer.
    Where few devices are above their limits, a push straight to room comes first, and mostly suffices.
    Pushes never bring a device closer to room, so this is push-relabel with exact labels (Goldberg and Tarjan 1988):
    it ends.
    """
    limit, held, _, hops, queue, marks = state
    while True:
        waiting, marks[0] = 0, 0
        for g in range(len(held)):
            hops[g] = FAR
            waiting += held[g] > limit[g]
            if held[g] < limit[g]:
                hops[g] = 0
                marks[0] |= _bit(g)
        if waiting == 0:
            return True
        few = waiting * FEW <= len(held)
        for g in range(len(held) if few else 0):
            if held[g] > limit[g]:
                _push(g, 0, network, state)
                waiting -= held[g] <= limit[g]
        if waiting == 0:
            return True
        found = _search(waiting, network, state)
        if found < 0:
            return False
        for k in range(found - 1, -1, -1):
            g = queue[k]
            if held[g] > limit[g]:
                _push(g, hops[g] - 1, network, state)


@njit(cache=True, error_model="numpy")
def _bit(g: int) -> Any:
    """Return the bit of device g."""
    return np.int64(1) << np.int64(g & 63)


@njit(cache=True, error_model="numpy")
def _search(waiting: int, network: Any, state: Any) -> int:
    """Label devices with their hops to room, until so many above their limits are met; -1 if that many are not.

    Returns how many are in the queue. Where most devices have room, the first hop is looked for from the others.
    """
    first, device, expert, start, on_device, reach = network
    limit, held, x, hops, queue, marks = state
    far, tail, unmet = len(held), 0, 0
    marks[0] = 0
    for g in range(far):
        hops[g] = FAR
        if held[g] < limit[g]:
            hops[g] = 0
            queue[tail] = g
            tail += 1
            marks[0] |= _bit(g)
        else:
            unmet |= _bit(g)
    if 2 * tail > far:
        tail = 0
        for g in range(far):
            if hops[g] == FAR and _touches(g, network, state):
                hops[g] = 1
                queue[tail] = g
                tail += 1
                waiting -= held[g] > limit[g]
    head = 0
    while head < tail and waiting > 0:
        h = queue[head]
        head += 1
        for i in range(start[h], start[h + 1]):
            if reach[i] & unmet == 0:
                continue
            e = expert[on_device[i]]
            for a in range(first[e], first[e + 1]):
                g = device[a]
                if hops[g] == FAR and x[a] > 0:
                    hops[g] = hops[h] + 1
                    queue[tail] = g
                    tail += 1
                    waiting -= held[g] > limit[g]
                    if far <= 64:
                        unmet &= ~_bit(g)
    return tail if waiting == 0 else -1


@njit(cache=True, error_model="numpy")
def _touches(g: int, network: Any, state: Any) -> bool:
    """Whether device g holds tokens that may go to a device with room."""
    first, device, expert, start, on_device, reach = network
    for i in range(start[g], start[g + 1]):
        if reach[i] & state.marks[0] != 0 and state.x[on_device[i]] > 0:
            e = expert[on_device[i]]
            for b in range(first[e], first[e + 1]):
                if state.hops[device[b]] == 0:
                    return True
    return False


@njit(cache=True, error_model="numpy")
def _push(g: int, closer: int, network: Any, state: Any) -> None:
    """Move the surplus of device g to devices ``closer`` hops from room; where that is none, no more than fits."""
    first, device, expert, start, on_device, reach = network
    limit, held, x, hops, _, marks = state
    surplus = held[g] - limit[g]
    for i in range(start[g], start[g + 1]):
        if closer == 0 and reach[i] & marks[0] == 0:
            continue
        a = on_device[i]
        if x[a] == 0:
            continue
        for b in range(first[expert[a]], first[expert[a] + 1]):
            h = device[b]
            if hops[h] == closer:
                amount = min(x[a], surplus)
                if closer == 0:
                    amount = min(amount, limit[h] - held[h])
                x[a] -= amount
                x[b] += amount
                held[h] += amount
                held[g] -= amount
                surplus -= amount
        if surplus == 0:
            return


@njit(cache=True, error_model="numpy")
def start(
    load: Any,
    network: Any,
    base: Any,
    bases: int,
    speed: Any,
    plain: bool,
    fractional: bool,
    held: Any,
    limit: Any,
    peak: Any,
    cut: Any,
) -> None:
    """Write the first cut, the peak that it proves, the limits, and what devices hold of experts without a choice."""
    first, device, total = network.first, network.device, bases
    for g in range(len(base)):
        held[g] = base[g]
    for e in range(len(load)):
        total += load[e]
        if first[e + 1] - first[e] == 1:
            held[device[first[e]]] += load[e]
    demand = first_cut(load, network, speed, held, total, cut)
    above, below = proved(demand, cut, speed, plain, fractional)
    allow(above, below, speed, limit)
    peak[0], peak[1] = above, below


@njit(cache=True, error_model="numpy")
def level(load: Any, network: Any, speed: Any, held: Any, x: Any) -> None:
    """Place the tokens of every expert: poured if there is a choice."""
    first = network.first
    for e in range(len(load)):
        low, high = first[e], first[e + 1]
        if high - low == 1:
            x[low] = load[e]
        elif high > low:
            pour(load[e], low, high, network.device, speed, held, x)


@njit(cache=True, error_model="numpy")
def settle(
    network: Any,
    base: Any,
    speed: Any,
    plain: bool,
    fractional: bool,
    state: State,
    peak: Any,
    cut: Any,
    whole: Any,
) -> int:
    """Relieve and raise until no device is above its limit; return the unit in which tokens are counted."""
    device, (limit, held, x, hops, _, _) = network.device, state
    above, below, unit, calm, devices = peak[0], peak[1], 1, False, len(held)
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
        allow(above, 1 if fractional else below, speed, limit)
        calm = relieve(network, state)
        if not calm:
            demand = 0
            for g in range(devices):
                cut[g] = hops[g] == FAR
                demand += held[g] if cut[g] else 0
            above, below = proved(demand // unit, cut, speed, plain, fractional)
    peak[0], peak[1] = above, below
    return unit


_ANSWERS = [
    types.void(
        _Rows,
        _Network,
        _Numbers,
        _Numbers,
        types.boolean,
        shares[:, ::1],
        types.int64[::1],
        types.int64[:, ::1],
        types.boolean[:, ::1],
    )
    for shares in (types.int64, types.int32)
]


@njit(_ANSWERS, cache=True, error_model="numpy")
def schedule_rows(
    loads: Any,
    network: Any,
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
    devices, pairs = len(base), len(network.device)
    width = min(LANES, len(loads))
    hops, queue, whole = np.empty(devices, np.int64), np.empty(devices, np.int64), np.empty(pairs, np.int64)
    holds, limits = np.empty((width, devices), np.int64), np.full((width, devices), FAR)
    lanes, arcs = np.empty((devices + 3, width), shares.dtype), np.zeros((pairs, width), shares.dtype)
    marks = np.empty(1, np.int64)
    caps = np.full(width, FAR)
    plain, bases = True, 0
    for g in range(devices):
        plain &= speed[g] == 1
        bases += base[g]
    for begin in range(0, len(loads), LANES):
        end = min(begin + LANES, len(loads))
        for row in range(begin, end):
            held, limit = holds[row - begin], limits[row - begin]
            start(loads[row], network, base, bases, speed, plain, fractional, held, limit, peaks[row], cuts[row])
            caps[row - begin] = limit[0]
            if not plain:
                level(loads[row], network, speed, held, shares[row])
        for k in range(end - begin, width):
            caps[k] = FAR
        if plain:
            level_together(loads[begin:end], network, caps, holds, shares[begin:end], lanes, arcs)
        for row in range(begin, end):
            if plain and not fractional and lanes[devices, row - begin] == 0:
                units[row] = 1
                continue
            state = State(limits[row - begin], holds[row - begin], shares[row], hops, queue, marks)
            units[row] = settle(network, base, speed, plain, fractional, state, peaks[row], cuts[row], whole)
