"""The few largest of many numbers, and the number of a given rank."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.limits import FAR


@nb.njit(cache=True, inline="always")
def insert(best: Any, count: int, number: int) -> None:
    """Let ``best[:count]``, descending, be the largest of itself and ``number``; without a branch to mispredict."""
    for k in range(count - 1, 0, -1):
        best[k] = max(best[k], min(best[k - 1], number))
    best[0] = max(best[0], number)


@nb.njit(cache=True)
def largest(row: Any, count: int, groups: int, best: Any, spare: Any) -> None:
    """Put the ``count`` largest of ``row`` into ``best``, descending, -FAR where there are fewer.

    The ``count``-th largest maximum of disjoint groups is a lower bound that all but a few numbers fail.
    """
    size = len(row)
    while groups < 2 * count - 2:
        groups *= 2
    bound = np.int64(-FAR)
    if size >= 2 * groups:
        for j in range(groups):
            spare[j] = row[j]
        for base in range(groups, size - groups + 1, groups):
            for j in range(groups):
                spare[j] = max(spare[j], row[base + j])
        best[:count] = -FAR
        for j in range(groups):
            insert(best, count, spare[j])
        bound = best[count - 1]
    found = 0
    for e in range(size):
        spare[found] = row[e]
        found += row[e] >= bound
    best[:count] = -FAR
    for i in range(found):
        insert(best, count, spare[i])


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
