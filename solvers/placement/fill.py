"""Fill devices to given limits with given replicas: a depth-first search, one device after the other, compiled.

An expert with r replicas is an *item* of weight ``w / r`` for r devices; weights are counted in 1/unit token. What the
limits of all devices leave above the weight of all items is the *slack*: no device may stay further below its limit
than what is left of it. With little slack nearly every choice fails at once, which is what makes the search fast. Items
that are not whole tokens come first, then the heaviest; the last item of a device is looked up, not searched; a device
whose fraction of a token no item left can mend is given up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Integers = npt.NDArray[np.int64]

EMPTY, CLOSED = -1, -2
"""A slot behind the last one used, and the first of those where a device is left with room."""


def filled(
    weight: Integers, replicas: Integers, limit: Integers, width: Integers, unit: int, distinct: bool, steps: int
) -> tuple[Integers | None, int]:
    """Return ``[E, G]`` replicas on each device, None if no way is found, and the steps that it took.

    Parameters
    ----------
    weight, replicas
        ``[E]`` weight of an item and its number of replicas, 0 if it is not to be placed.
    limit, width
        ``[G]`` largest weight and number of items of a device.
    unit
        Weight of a token.
    distinct
        Whether the replicas of an item lie on different devices.
    steps
        Choices after which it gives up.
    """
    items = np.flatnonzero(replicas)
    items = items[np.lexsort((-weight[items], weight[items] % unit == 0))]
    heavy, number = weight[items], replicas[items]
    devices = np.argsort(limit, kind="stable")
    spots = np.append(np.cumsum(width[devices][::-1])[::-1], 0)
    light = np.append(0, np.cumsum(np.sort(np.repeat(heavy, number))))
    heaviest = np.append(np.maximum.accumulate(heavy[::-1])[::-1], 0)
    whole = int(np.count_nonzero(heavy % unit))
    alike = len(set(zip(limit.tolist(), width.tolist(), strict=True))) == 1
    placed = np.full((len(devices), max(1, int(width.max()))), EMPTY, np.int64)
    room = np.ascontiguousarray(limit[devices]), np.ascontiguousarray(width[devices]), spots
    left = _search(heavy, number, heaviest, light, whole, *room, unit, alike, distinct, steps, placed)
    if left < 0:
        return None, steps + 1 + int(left)
    counts = np.zeros((len(weight), len(devices)), np.int64)
    device, slot = np.nonzero(placed >= 0)
    np.add.at(counts, (items[placed[device, slot]], devices[device]), 1)
    return counts, steps - int(left)


@njit(cache=True, error_model="numpy")
def deal_heavy(order: Any, heavy: Any, other: Any, replicas: Any, few: int, room: Any, slots: Any, dealt: Any) -> bool:
    """Deal experts in ``order``, each with its ``other`` (or -1), until ``few`` replicas are left; False if one cannot.

    Every replica, or pair, of weight ``heavy`` goes to the emptiest device; ``room``, ``slots`` and ``dealt`` change.
    """
    left = replicas.sum()
    for expert in order:
        if left <= few:
            break
        size = 1 if other[expert] < 0 else 2
        for _ in range(replicas[expert]):
            best = -1
            for g in range(len(room)):
                fits = slots[g] >= size and room[g] >= heavy[expert] and not dealt[expert, g]
                if fits and (best < 0 or room[g] > room[best]):
                    best = g
            if best < 0:
                return False
            room[best] -= heavy[expert]
            slots[best] -= size
            dealt[expert, best] = 1
            if size == 2:
                dealt[other[expert], best] = 1
        left -= size * replicas[expert]
    return True


@njit(cache=True, error_model="numpy")
def _search(
    weight: Any,
    left: Any,
    heaviest: Any,
    light: Any,
    whole: int,
    limit: Any,
    width: Any,
    spots: Any,
    unit: int,
    alike: bool,
    distinct: bool,
    steps: int,
    placed: Any,
) -> int:
    """Fill ``placed[G, slots]``; return the number of steps left, or -1 less that number if there is no way.

    ``heaviest[i]`` is the largest weight from item i on, ``light[k]`` that of the k lightest replicas, ``spots[g]`` the
    slots from device g on; ``left`` counts down. Among devices ``alike`` the next one takes the first item left.
    """
    items, devices, across = len(weight), len(limit), placed.shape[1]
    number, slack = np.zeros(devices + 1, np.int64), np.zeros(devices + 1, np.int64)  # from a device on
    number[0], slack[0] = len(light) - 1, limit.sum() - light[-1]
    if number[0] > spots[0] or slack[0] < 0:
        return -1 - steps
    held = np.zeros((devices, across + 1), np.int64)  # before a slot
    g, k, last = 0, 0, EMPTY
    while steps > 0:
        steps -= 1
        room, more = limit[g] - held[g, k], width[g] - k
        need, fewest = room - slack[g], number[g] - k - spots[g + 1]
        cap, mendable = room - light[max(0, fewest - 1)], room % unit <= slack[g]
        found, j = EMPTY, items
        if last >= 0:
            j = items if alike and k == 0 else last + 1
        elif last == EMPTY:
            j = placed[g, k - 1] + distinct if k else 0
        while j < items and more > 0:
            if heaviest[j] * more < need or (j >= whole and not mendable):
                break
            if j >= whole and weight[j] > cap:
                high = items
                while j < high:
                    middle = (j + high) // 2
                    if weight[middle] > cap:
                        j = middle + 1
                    else:
                        high = middle
            elif left[j] and weight[j] <= cap:
                found = j
                break
            elif left[j] and alike and k == 0:
                break
            else:
                j += 1
        forced = alike and k == 0 and number[g] > 0
        if found == EMPTY and last != CLOSED and need <= 0 and fewest <= 0 and mendable and not forced:
            found = CLOSED
        if found == EMPTY:  # back to the choice before
            k -= 1
            if k < 0:
                g, k = g - 1, across - 1
                if g < 0:
                    return -1 - steps
                while placed[g, k] == EMPTY:
                    k -= 1
            last = placed[g, k]
            if last >= 0:
                left[last] += 1
            continue
        placed[g, k:] = EMPTY
        placed[g, k] = found
        after, taken = held[g, k], k
        if found >= 0:
            left[found] -= 1
            after, taken = after + weight[found], k + 1
            if taken < width[g]:
                k, last = taken, EMPTY
                held[g, k] = after
                continue
        rest = devices - g - 1
        fits = limit[g] - after <= slack[g] and number[g] - taken <= spots[g + 1]
        if fits and distinct:
            for i in range(items):
                if left[i] > rest:
                    fits = False
                    break
        if fits and rest == 0:
            return steps
        if fits:
            slack[g + 1], number[g + 1] = slack[g] - limit[g] + after, number[g] - taken
            g, k, last = g + 1, 0, EMPTY
        else:
            last = found
            if found >= 0:
                left[found] += 1
    return -1
