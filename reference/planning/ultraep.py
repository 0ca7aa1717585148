r"""UltraEP's quota planner as released (Dots-Infra/UltraEP 94cab09, csrc/kernels/placement.cu; arXiv 2606.04101).

At a threshold t, the devices above t export, the fullest first: their experts, the heaviest first, each to the device
with the most room below t that has a slot left and no copy of it, ``min(surplus, room, tokens left)`` at a time, at
least the floor; the home keeps one token unless ``empty_home``. A threshold is feasible if every surplus goes away.

1. ``t = ceil(ceil(mean) (1 + eps))``, and two more tries, each a hundredth of the fullest load higher. Here the
   floor of a move is dynamic, ``ceil(surplus / devices that could take some)``.
2. Else the least t at which surplus fits room at all, with the floor ``min_tokens``; else a search by four probes a
   round between it and the fullest device's load.

Ties fall to the lower index. The mean is rounded up in float32 there, exactly here. Where the search ends at a
threshold that its own oracle refuses (an assertion there), no copies are made. A domain is all devices here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from equipoise.reference.planning.no_copies import at_home

Integers = npt.NDArray[np.int64]
PROBES = 4


class UltraEP:
    """UltraEP's planner. Cost: O(copies G) a threshold."""

    def __init__(self, eps: float = 0.01, min_tokens: int = 1024, empty_home: bool = False, retries: int = 2) -> None:
        self.eps, self.min_tokens, self.empty_home, self.retries = eps, min_tokens, empty_home, retries

    def __call__(self, load: Integers, home: Integers, slots: Integers) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed) with at most ``slots[G]`` copies a device."""
        start = at_home(load, home, len(slots))
        held, home, slots = start.sum(axis=0), np.asarray(home), np.asarray(slots)
        lowest, highest = -(-int(held.sum()) // len(held)), int(held.max())
        highest = max(lowest, highest)
        step = max(1, -(-highest // 100))
        threshold = max(lowest, math.ceil(lowest * (1 + self.eps)))
        for _ in range(self.retries + 1):
            if (found := self.exported(start, home, slots, threshold, dynamic=True)) is not None:
                return found
            threshold = min(highest, threshold + step)
        found = self.searched(start, home, slots, lowest, highest)
        return start if found is None else found

    def searched(self, start: Integers, home: Integers, slots: Integers, low: int, high: int) -> Integers | None:
        """Return the plan at the threshold where the search by probes ends."""
        if (found := self.exported(start, home, slots, low)) is not None:
            return found
        low = min(low + 1, high)
        while low < high:
            width = high - low
            near = width <= PROBES
            probes = [*range(low, high)] if near else [low + width * (w + 1) // (PROBES + 1) for w in range(PROBES)]
            good = [self.exported(start, home, slots, probe) is not None for probe in probes]
            first = good.index(True) if True in good else None
            if near:
                low = high = high if first is None else probes[first]
            elif first is None:
                low = probes[-1] + 1
            else:
                low, high = probes[first - 1] + 1 if first else low, probes[first]
        return self.exported(start, home, slots, low)

    def exported(
        self, start: Integers, home: Integers, slots: Integers, threshold: int, dynamic: bool = False
    ) -> Integers | None:
        """Return the split in which no device is above ``threshold``; None if some surplus finds no room."""
        split, held = start.copy(), start.sum(axis=0)
        room, free = np.maximum(threshold - held, 0), slots.copy()
        for source in np.argsort(-held, kind="stable"):
            need = max(0, int(held[source]) - threshold)
            own = np.flatnonzero(home == source)
            for expert in own[np.argsort(-start[own, source], kind="stable")] if need else ():
                left = int(split[expert, source]) - (not self.empty_home)
                taken = split[expert] > 0
                taken[source] = True
                while need > 0 and left > 0:
                    open_to = (room > 0) & (free > 0) & ~taken
                    floor = max(1, -(-need // max(1, int(open_to.sum())))) if dynamic else self.min_tokens
                    device = int(np.where(open_to, room, -1).argmax())
                    tokens = min(need, int(room[device]), left)
                    if not open_to[device] or tokens < floor:
                        break
                    split[expert, source] -= tokens
                    split[expert, device] += tokens
                    room[device] -= tokens
                    free[device] -= 1
                    taken[device] = True
                    need, left = need - tokens, left - tokens
                if not need:
                    break
            if need:
                return None
        return split
