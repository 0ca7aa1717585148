"""How many parts devices fall into at most, each with a mean home load within a limit; see the check of replications.

Standard library and NumPy only. Source: our derivation.
"""

from __future__ import annotations

import numpy as np

MOST_DEVICES = 16
"""For the exact number, by dynamic programming over sets of devices."""


def parts(home_load: list[int], limit: int) -> int:
    """Largest number of parts of a partition of the devices with a mean home load of at most ``limit`` each.

    Beyond :data:`MOST_DEVICES` devices, an upper bound of it; minus infinity, as -1, where there is no partition.
    """
    surplus = [load - limit for load in home_load]
    if sum(surplus) > 0:
        return -1
    roomy = sum(one <= 0 for one in surplus)
    if len(surplus) > MOST_DEVICES or roomy == len(surplus):
        return roomy
    order = sorted(surplus, reverse=True)  # few minimal parts begin late
    total = np.zeros(1, np.int64)
    for one in order:
        total = np.concatenate([total, total + one])
    best = np.full(len(total), -1, np.int64)
    best[0] = 0
    for first in reversed(range(len(order))):
        rest = np.arange(1 << (len(order) - 1 - first)) << (first + 1)
        known = best[rest]
        for part in _minimal_parts(total, order, rest, first):
            apart = (rest & part == 0) & (known >= 0)
            joined = rest[apart] | part
            best[joined] = np.maximum(best[joined], known[apart] + 1)
    return int(best[-1])


def _minimal_parts(total: np.ndarray, surplus: list[int], rest: np.ndarray, first: int) -> list[int]:
    """Return the sets that hold ``first`` and later devices, fit, and no longer fit without one that has room."""
    sets = rest | 1 << first
    minimal = total[sets] <= 0
    for device in range(first, len(surplus)):
        if surplus[device] <= 0:
            alone = sets == 1 << device
            needed = total[sets] - surplus[device] > 0
            minimal &= (sets >> device & 1 == 0) | needed | alone
    return [int(one) for one in sets[minimal]]
