"""Making a failing case smaller: shorter, with fewer rows and columns, with smaller and plainer numbers.

Hypothesis shrinks what a strategy draws; what a strategy makes of a seed, and what was drawn by no strategy, is shrunk
here: on the arrays themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from equipoise.roles.role import Case

C = TypeVar("C", bound=Case)
Array = npt.NDArray[Any]

ENTRIES = 64
"""Arrays with more entries are made plainer as a whole only."""


def shrunk(case: C, fails: Callable[[C], bool]) -> C:
    """Return a case that still fails and that no single step below makes simpler.

    ``fails`` is asked about valid cases only.
    """

    def holds(candidate: C) -> bool:
        return candidate.valid and fails(candidate)

    while True:
        before = case
        for step in (_shorter, _narrower, _smaller, _plainer):
            case = step(case, holds)
        if case is before:
            return case


def _shorter(case: C, holds: Callable[[C], bool]) -> C:
    """Leave out steps of a sequence."""
    for field in fields(case):
        index = 0
        while isinstance(items := getattr(case, field.name), tuple) and len(items) > 1 and index < len(items):
            candidate = replace(case, **{field.name: items[:index] + items[index + 1 :]})
            if holds(candidate):
                case = candidate
            else:
                index += 1
    return case


def _narrower(case: C, holds: Callable[[C], bool]) -> C:
    """Leave out rows and columns, many at once first."""
    for letter in dict.fromkeys(letter for letters in case.AXES.values() for letter in letters):
        chunk = _length(case, letter) // 2
        while chunk:
            start = 0
            while start + chunk <= (length := _length(case, letter)) and chunk < length:
                candidate = _without(case, letter, start, chunk)
                if holds(candidate):
                    case = candidate
                else:
                    start += chunk
            chunk //= 2
    return case


def _smaller(case: C, holds: Callable[[C], bool]) -> C:
    """Lower the numbers beside the arrays, alone and together."""
    names = [field.name for field in fields(case) if isinstance(getattr(case, field.name), int)]
    for name in names:
        value, others = getattr(case, name), [getattr(case, other) for other in names]
        for lower in sorted({1, value // 2, value - 1, *(value - other for other in others)}):
            if 1 <= lower < value and holds(candidate := replace(case, **{name: lower})):
                case = candidate
                break
    for one in names:
        for other in names:
            first, second = getattr(case, one), getattr(case, other)
            if one < other and min(first, second) > 1:
                candidate = replace(case, **{one: first // 2, other: second // 2})
                if holds(candidate):
                    case = candidate
    return case


def _plainer(case: C, holds: Callable[[C], bool]) -> C:
    """Put zeros, ones and round numbers in place of the others: for whole arrays, then for single entries."""
    for field in fields(case):
        value = getattr(case, field.name)
        places = range(len(value)) if isinstance(value, tuple) else [None]
        for place in places:
            for candidate in _plain_arrays(_array(case, field.name, place)):
                changed = _with_array(case, field.name, place, candidate)
                if holds(changed):
                    case = changed
                    break
            array = _array(case, field.name, place)
            for index in np.ndindex(array.shape if array.size <= ENTRIES else (0,)):
                for plain in _plain_numbers(array[index]):
                    candidate = array.copy()
                    candidate[index] = plain
                    changed = _with_array(case, field.name, place, candidate)
                    if holds(changed):
                        case, array = changed, candidate
                        break
    return case


def _plain_arrays(array: Array) -> Iterator[Array]:
    if array.dtype.kind == "f":
        rounded = (np.round(array.astype(np.float64), digits) for digits in range(4))
        candidates = [np.zeros_like(array), np.full_like(array, 0.5), *rounded]
    elif array.dtype.kind in "iu":
        candidates = [np.zeros_like(array), np.minimum(array, 1), np.minimum(array, 9), array // 1000, array // 10]
    else:
        candidates = []
    for candidate in candidates:
        if _total(candidate) < _total(array):
            yield candidate.astype(array.dtype)


def _plain_numbers(number: Any) -> Iterator[Any]:
    """Yield what is plainer than the number: fewer digits, closer to zero."""
    value = number.item()
    if isinstance(value, bool):
        candidates: list[Any] = [False]
    elif isinstance(value, int):
        candidates = [0, 1, value // 2, value // 10 * 10]
    else:
        candidates = [0.0, 1.0, 0.5, *(float(round(value, digits)) for digits in range(1, 4))]
    for plain in candidates:
        if _digits(plain) < _digits(value):
            yield plain


def _total(array: Array) -> tuple[int, float]:
    lengths, sizes = zip(*map(_digits, array.ravel().tolist()), strict=True) if array.size else ((0,), (0.0,))
    return sum(lengths), float(sum(sizes))


def _digits(value: Any) -> tuple[int, float]:
    return len(f"{value:.9g}"), abs(value)


def _array(case: Case, name: str, place: int | None) -> Array:
    value = getattr(case, name) if place is None else getattr(case, name)[place]
    return value if isinstance(value, np.ndarray) else np.empty(0)


def _with_array(case: C, name: str, place: int | None, array: Array) -> C:
    value = getattr(case, name)
    return replace(case, **{name: array if place is None else (*value[:place], array, *value[place + 1 :])})


def _letters(case: Case, name: str, array: Array) -> tuple[str, ...]:
    return case.AXES.get(name, ())[-array.ndim :]


def _length(case: Case, letter: str) -> int:
    for name in case.AXES:
        value = getattr(case, name)
        for array in value if isinstance(value, tuple) else (value,):
            letters = _letters(case, name, array)
            if letter in letters:
                return int(array.shape[letters.index(letter)])
    return 0


def _without(case: C, letter: str, start: int, count: int) -> C:
    """Return the case without some indices of an axis, in every array that has it."""

    def cut(name: str, array: Array) -> Array:
        letters = _letters(case, name, array)
        return np.delete(array, slice(start, start + count), letters.index(letter)) if letter in letters else array

    changed = {}
    for name in case.AXES:
        value = getattr(case, name)
        changed[name] = tuple(cut(name, item) for item in value) if isinstance(value, tuple) else cut(name, value)
    return replace(case, **changed)
