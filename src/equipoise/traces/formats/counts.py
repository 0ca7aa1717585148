"""Tokens per expert by step and layer: put together from parts, and added up over ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.traces.formats.axes import COUNTS, arranged, named

Integers = npt.NDArray[np.int64]

MOST_EXPERTS = 1 << 16
MOST_COUNTS = 1 << 28
"""Steps times layers times experts."""

LARGEST_COUNT = 2**44


@dataclass(frozen=True, eq=False)
class Counts:
    """What a file says about loads.

    Attributes
    ----------
    loads
        ``[S, L, E]``.
    steps, layers
        Their numbers in the file; empty: 0, 1, ...
    top_k
        K, if the file knows it.
    warnings
        What looks wrong, in sentences.
    """

    loads: Integers
    steps: tuple[int, ...] = ()
    layers: tuple[int, ...] = ()
    top_k: int | None = None
    warnings: tuple[str, ...] = ()


def of_array(given: object, field: str, axes: str | None) -> Counts:
    """Return the counts of an array ``[L, E]`` or ``[S, L, E]``, or whose axes are named."""
    array = as_numpy(given, field)
    names = named(axes)
    if names is not None:
        array = arranged(array, field, names, COUNTS, 1)
    elif array.ndim == 2:
        array = array[None]
    if array.size > MOST_COUNTS:
        raise InvalidProblem(field, f"of shape {array.shape}", f"at most {MOST_COUNTS} numbers")
    return Counts(whole_numbers(array, field, (None, None, None), 0, LARGEST_COUNT))


def tabulated(
    cells: Mapping[tuple[int, int], Integers], top_k: int | None = None, warnings: Sequence[str] = ()
) -> Counts:
    """Return counts by step and layer as a table; the shorter of them get experts without tokens.

    Raises
    ------
    InvalidProblem
        If there are none, or so few that most of the table would be empty, or too many.
    """
    if not cells:
        raise InvalidProblem("the file", "without any record", "one or more")
    steps = sorted({step for step, _ in cells})
    layers = sorted({layer for _, layer in cells})
    experts = max(len(load) for load in cells.values())
    if len(steps) * len(layers) > 4 * len(cells):
        given = f"{len(cells)} records of {len(steps)} steps and {len(layers)} layers"
        raise InvalidProblem("the file", given, "most layers in most steps")
    if len(steps) * len(layers) * experts > MOST_COUNTS:
        given = f"{len(steps)} steps of {len(layers)} layers of {experts} experts"
        raise InvalidProblem("the file", given, f"at most {MOST_COUNTS} numbers")
    place = {step: index for index, step in enumerate(steps)}, {layer: index for index, layer in enumerate(layers)}
    loads = np.zeros((len(steps), len(layers), experts), np.int64)
    for (step, layer), load in cells.items():
        loads[place[0][step], place[1][layer], : len(load)] = load
    return Counts(loads, tuple(steps), tuple(layers), top_k, tuple(warnings))


def merged(parts: Sequence[Counts]) -> Counts:
    """Return the sums of several files' counts, by step and layer: what several ranks recorded."""
    if len(parts) == 1:
        return parts[0]
    cells: dict[tuple[int, int], Integers] = {}
    for part in parts:
        steps, layers = (part.steps or range(part.loads.shape[0])), (part.layers or range(part.loads.shape[1]))
        for row, step in enumerate(steps):
            for column, layer in enumerate(layers):
                add(cells, (step, layer), part.loads[row, column])
    known = {part.top_k for part in parts}
    warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
    return tabulated(cells, known.pop() if len(known) == 1 else None, tuple(warnings))


def add(cells: dict[tuple[int, int], Integers], key: tuple[int, int], load: Integers) -> None:
    """Add a load to what is known of its step and layer."""
    held = cells.get(key)
    if held is None:
        cells[key] = load
    elif len(held) == len(load):
        cells[key] = held + load
    else:
        longer, shorter = (held, load) if len(held) > len(load) else (load, held)
        cells[key] = longer.copy()
        cells[key][: len(shorter)] += shorter
