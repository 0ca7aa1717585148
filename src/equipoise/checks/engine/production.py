"""Production sizes: cases made from their sizes and a seed, from what one call may hold down to the least that fails.

Kernels break at tiles, warps, index types and scratch sizes, which no small case reaches. What is tried is counted in
entries of arrays: an example of the search is worth so many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from equipoise.checks.engine.registry import Family
from equipoise.roles.role import Case

Sizes = tuple[int, ...]

_POWERS = [2**power for power in range(14)]
RUNGS = tuple(
    sorted({n for power in _POWERS for n in (power - 1, power, power + 1, power + power // 2) if 1 <= n <= _POWERS[-1]})
)
"""Powers of two up to 8,192, their neighbours and what is halfway: where tiles, warps and blocks end."""

LARGEST = 1 << 12
"""Entries of a case that is written out; a larger one is made again from its sizes."""

_SMALL = (1, 2, 3, 4, 5, 8, 9, 16, 24)
"""Of what a search draws, the largest size."""


@dataclass(frozen=True)
class Production(Family):
    """Cases of one kind, made from sizes.

    Attributes
    ----------
    made
        ``made(sizes, random)``: the case of these sizes; its first entries must not need the last ones, so that what
        fails at some sizes fails at smaller ones too. An impossible one is not valid.
    ladder
        Sizes that models have, in any order.
    entries
        Of a case of these sizes, without making it.
    each
        Entries that an example of the search is worth.
    slow
        Entries for which a call may take its time limit once more.
    """

    made: Callable[[Sizes, np.random.RandomState], Case]
    ladder: tuple[Sizes, ...]
    entries: Callable[[Sizes], int]
    each: int
    slow: int

    def has(self, sizes: Sizes) -> bool:
        """Return whether these are sizes of the family, none larger than on the ladder."""
        largest = [max(places) for places in zip(*self.ladder, strict=True)]
        return len(sizes) == len(largest) and all(1 <= n <= most for n, most in zip(sizes, largest, strict=True))

    def case(self, sizes: Sizes, seed: int) -> Case:
        """Return the case; the generator is NumPy's frozen one, so that it is the same with every version."""
        return self.made(sizes, np.random.RandomState(seed % 2**32))

    def chosen(self, examples: int, seed: int) -> Iterator[Sizes]:
        """Yield sizes to try: at most three for each example, of at most as many entries as the examples are worth.

        The largest that half of these entries allow comes first, then every model, all sizes but the first, with little
        of that. Any other takes at most a quarter of what is left, so that there is always something left for smaller
        ones.
        """
        left = examples * self.each
        shuffled = [self.ladder[place] for place in np.random.RandomState(seed % 2**32).permutation(len(self.ladder))]
        fitting = [sizes for sizes in shuffled if 2 * self.entries(sizes) <= left]
        first = [max(fitting, key=self.entries)] if fitting else []
        models: dict[Sizes, Sizes] = {}
        share_of_a_model = left // 4 // len({sizes[1:] for sizes in self.ladder})
        for sizes in shuffled:
            if self.entries(sizes) <= share_of_a_model:
                models.setdefault(sizes[1:], sizes)
        first += [sizes for sizes in models.values() if sizes not in first]
        count = 0
        for sizes in first + [sizes for sizes in shuffled if sizes not in first]:
            share = 1 if sizes in first else 4
            if count < 3 * examples and share * self.entries(sizes) <= left:
                left -= self.entries(sizes)
                count += 1
                yield sizes


def production(
    ladder: tuple[Sizes, ...],
    entries: Callable[[Sizes], int],
    each: int,
    admits: Callable[[Any], bool] = lambda case: True,
    slow: int = 200_000,
) -> Callable[[Callable[[Sizes, np.random.RandomState], Case]], Production]:
    """Make a family of a function that makes a case of sizes; a search of it draws small ones."""

    def name(made: Callable[[Sizes, np.random.RandomState], Case]) -> Production:
        def search() -> st.SearchStrategy[Case]:
            def small(sizes: Sizes, most: int, seed: int) -> Case:
                return made(tuple(min(size, most) for size in sizes), np.random.RandomState(seed))

            cases = st.builds(small, st.sampled_from(ladder), st.sampled_from(_SMALL), st.integers(0, 999))
            return cases.filter(lambda case: case.valid and admits(case))

        search.__name__ = made.__name__
        search.__doc__ = made.__doc__
        return Production(search, admits, made, ladder, entries, each, slow)

    return name


def lowest(sizes: Sizes, fails: Callable[[Sizes], bool]) -> Sizes:
    """Return sizes that still fail, every one lowered by halves, quarters, ... and ones until none can be."""
    while True:
        before = sizes
        for place in range(len(sizes)):
            step = sizes[place] // 2
            while step:
                candidate = (*sizes[:place], sizes[place] - step, *sizes[place + 1 :])
                if candidate[place] >= 1 and fails(candidate):
                    sizes = candidate
                else:
                    step //= 2
        if sizes == before:
            return sizes
