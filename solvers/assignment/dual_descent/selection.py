"""The few largest of many numbers, and the number of a given rank."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.limits import FAR

LANES = 16
"""Numbers that are compared at a time: a loop of fixed length becomes vector instructions."""


@nb.njit(cache=True, inline="always")
def insert(best: Any, count: int, number: int) -> None:
    """Let ``best[:count]``, descending, be the largest of itself and ``number``; without a branch to mispredict."""
    for k in range(count - 1, 0, -1):
        best[k] = max(best[k], min(best[k - 1], number))
    best[0] = max(best[0], number)


@nb.njit(cache=True)
def bound(row: Any, count: int, spare: Any) -> int:
    """Return a number that the ``count``-th largest of ``row`` is not below, close to it; -FAR where the row is short.

    It is the ``count``-th largest maximum of disjoint groups of four, of four such maxima, and so on. The members of a
    group lie a little less than a quarter apart, since copies of experts usually lie a round number apart; the last
    few numbers are in no group.
    """
    width = (len(row) - 1) // 4
    if width < count + count // 2:
        return -FAR
    _fold(row, width, spare)
    while (width - 1) // 4 >= count + count // 2:
        width = (width - 1) // 4
        _fold(spare, width, spare)
    return largest(spare, width, count)[0]


@nb.njit(cache=True, inline="always")
def _fold(row: Any, width: int, out: Any) -> None:
    """Write the maxima of ``width`` groups of four numbers of ``row``."""
    second, third, fourth = row[width:], row[2 * width :], row[3 * width :]
    for j in range(width):
        out[j] = max(max(row[j], second[j]), max(third[j], fourth[j]))


@nb.njit(cache=True)
def largest(numbers: Any, count: int, place: int) -> Any:
    """Return the ``place``-th largest (from 1) of ``numbers[:count]``, and how many are at least that.

    There are so many; ``numbers`` has LANES to spare.
    """
    for i in range(count, count + LANES):
        numbers[i] = -FAR
    count += (-count) % LANES
    number: Any = np.int64(FAR)
    found = 0
    while found < place:
        number = below(numbers, count, number)
        for i in range(count):
            found += numbers[i] == number
    return number, found


@nb.njit(cache=True, inline="always")
def below(numbers: Any, count: int, limit: Any) -> Any:
    """Return the largest of ``numbers[:count]`` that is less than ``limit``, or -FAR."""
    found = np.int64(-FAR)
    for i in range(count):
        found = max(found, numbers[i] if numbers[i] < limit else np.int64(-FAR))
    return found


@nb.njit(cache=True)
def rank(numbers: Any, count: int, place: int) -> Any:
    """Return the ``place``-th largest of ``numbers[:count]`` (from 0), which moves to that place; quickselect.

    Invariant: ``numbers[:low]`` are at least, ``numbers[high+1:]`` at most any number between.
    """
    low, high = 0, count - 1
    while low < high:
        a, b, c = numbers[low], numbers[(low + high) // 2], numbers[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while numbers[i] > pivot:
                i += 1
            while numbers[j] < pivot:
                j -= 1
            if i <= j:
                numbers[i], numbers[j] = numbers[j], numbers[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return numbers[place]
