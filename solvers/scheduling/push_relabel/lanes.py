"""Levelling of many load vectors at once: what is done to one is done to all, side by side, in vector registers.

Only where all speeds are 1; :mod:`.kernels` pours one vector at a time otherwise. A vector that is level enough is
held still while the others go on, so what becomes of it depends on it alone.
"""

from __future__ import annotations

from typing import Any

from numba import njit

LANES = 64
"""Vectors side by side, at most."""

FEW = 8
"""Few devices are above their limits if it is at most one in so many."""

SWEEPS = 6
"""Sweeps of levelling at most; after that, waves do better."""

TILE = 16
"""Arcs that are turned from lanes to rows together: a cache line of the shares."""


@njit(cache=True, error_model="numpy")
def level_together(loads: Any, network: Any, limit: Any, held: Any, shares: Any, lanes: Any, arcs: Any) -> None:
    """Place the tokens of every expert that has a choice: shared evenly among its devices, then evened out.

    Pairs of an expert's devices are evened out, sweep after sweep while more than a few devices are above the limit of
    the vector: neighbours in its list first, then every second, and so on round the list, as neighbours alone get stuck
    where one of them has no tokens to pass on. No branch of a sweep depends on the loads.

    Parameters
    ----------
    loads
        ``[n, E]``, at most W vectors.
    limit
        ``[W]``, of every device of a vector; more than any load for vectors that there are not.
    held
        ``[W, G]``, what devices hold of experts without a choice; then of all.
    shares
        ``[n, A]``, written.
    lanes, arcs
        ``[G + 3, W]``, ``[A, W]``, used on the way, in the integers of ``shares``. Where ``lanes[G]`` is left
        zero, no device is above the limit.
    """
    first, device = network.first, network.device
    count, devices, whole = len(loads), held.shape[1], arcs.dtype.type
    width = arcs.shape[1]
    full, moving, share = lanes[devices], lanes[devices + 1], lanes[devices + 2]
    for g in range(devices):
        for k in range(width):
            lanes[g, k] = held[k, g]
    for e in range(len(first) - 1):
        low, high = first[e], first[e + 1]
        if high - low == 0:
            continue
        for k in range(count):
            arcs[low, k] = loads[k, e]
        if high - low == 1:
            continue
        part, others, h = 1.0 / (high - low), high - low - 1, device[low]
        for k in range(width):
            share[k] = int(arcs[low, k] * part)
        for a in range(low + 1, high):
            g = device[a]
            for k in range(width):
                arcs[a, k] = share[k]
                lanes[g, k] += share[k]
        for k in range(width):
            arcs[low, k] -= share[k] * others
            lanes[h, k] += arcs[low, k]
    for sweep in range(SWEEPS):
        for k in range(width):
            full[k] = 0
        for g in range(devices):
            for k in range(width):
                full[k] += lanes[g, k] > limit[k]
        busy = 0
        for k in range(width):
            moving[k] = -(full[k] * FEW > devices)
            busy |= moving[k]
        if busy == 0:
            break
        for e in range(len(first) - 1):
            low, high = first[e], first[e + 1]
            if high - low < 2:
                continue
            apart = 1 + sweep % (high - low - 1)
            for a in range(low, high - 1):
                b = a + apart if a + apart < high else a + apart - (high - low)
                g, h = device[a], device[b]
                for k in range(width):
                    here, there = arcs[a, k], arcs[b, k]
                    more, less = lanes[g, k], lanes[h, k]
                    half = whole(whole(more - less) >> 1)
                    amount = max(whole(-there), min(here, half)) & moving[k]
                    arcs[a, k] = here - amount
                    arcs[b, k] = there + amount
                    lanes[g, k] = more - amount
                    lanes[h, k] = less + amount
    for k in range(count):
        for g in range(devices):
            held[k, g] = lanes[g, k]
    for low in range(0, len(arcs), TILE):
        for k in range(count):
            for a in range(low, min(low + TILE, len(arcs))):
                shares[k, a] = arcs[a, k]
