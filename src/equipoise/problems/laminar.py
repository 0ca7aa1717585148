"""Laminar families: sets of which any two are nested or disjoint form a tree, and a tree is a network.

Here a set is a rectangle, some tokens times some experts, and holds the pairs (t, e) of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tree:
    """Sets as nodes ``0..N-1``, every set before the sets that hold it; node N is the root and holds everything.

    Attributes
    ----------
    parent
        ``[N]`` the smallest set that holds this one.
    source
        ``[N]`` which of the given sets a node is.
    leaf
        ``[T, E]`` the smallest set that holds the pair (t, e).
    """

    parent: Integers
    source: Integers
    leaf: Integers

    def totals(self, held: Booleans) -> Integers:
        """Return ``[N]``: how many of the held pairs lie in each set."""
        root = len(self.parent)
        total = np.bincount(self.leaf[held], minlength=root + 1).astype(np.int64)
        for node in range(root):
            total[self.parent[node]] += total[node]
        return total[:root]


class Crossing(ValueError):
    """Two sets overlap and neither holds the other; ``pair`` are their numbers."""

    def __init__(self, pair: tuple[int, int]) -> None:
        super().__init__(pair)
        self.pair = pair


def laminar_tree(tokens: Booleans, experts: Booleans, kept: Booleans) -> Tree:
    """Arrange the rectangles ``tokens[i, T] x experts[i, E]`` with ``kept[i]``, none of them empty, as a tree.

    Raises
    ------
    Crossing
        Naming the first two sets that are neither nested nor disjoint.
    """
    size = tokens.sum(axis=1) * experts.sum(axis=1)
    source = np.flatnonzero(kept)
    source = source[np.argsort(size[source], kind="stable")]
    common = _common(tokens[source]) * _common(experts[source])
    smaller = np.minimum.outer(size[source], size[source])
    crossing = (common > 0) & (common < smaller)
    if crossing.any():
        first, second = np.argwhere(crossing)[0]
        raise Crossing((int(min(source[first], source[second])), int(max(source[first], source[second]))))
    root = len(source)
    inside = np.triu(common > 0, 1)  # later sets are at least as large, so to meet is to be held
    parent = np.where(inside.any(axis=1), inside.argmax(axis=1), root) if root else np.zeros(0, np.int64)
    leaf = np.full((tokens.shape[1], experts.shape[1]), root)
    for node in range(root - 1, -1, -1):
        leaf[np.ix_(tokens[source[node]], experts[source[node]])] = node
    return Tree(parent, source, leaf)


def _common(members: Booleans) -> Integers:
    """``[N, N]`` sizes of the intersections; doubles count exactly to 2**53 and multiply fast."""
    count = members.astype(np.float64)
    return (count @ count.T).astype(np.int64)
