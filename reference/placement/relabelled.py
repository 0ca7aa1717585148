"""EPLB with relabelling: its placement, devices numbered so that fewest experts move from the placement before.

Devices of a node are matched with those of the placement before by the number of experts in common: the Hungarian
method. Ours; frameworks that take EPLB's numbers as they come move more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.placement.eplb import eplb

Integers = npt.NDArray[np.int64]


class RelabelledEplb:
    """Keeps the placement ``[L, P]`` of the call before; another shape, or another number of devices, starts afresh."""

    placed: Integers | None = None
    _machine = (0, 0)

    def reset(self) -> None:
        """Forget the placement."""
        self.placed = None

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> Integers:
        """Return ``physical_to_logical[L, P]``."""
        new = eplb(load, num_slots, num_groups, num_nodes, num_devices)
        nodes = num_nodes if num_groups % num_nodes == 0 else 1
        old = self.placed
        if old is not None and old.shape == new.shape and self._machine == (nodes, num_devices):
            new = np.stack([_numbered(one, other, nodes, num_devices) for one, other in zip(new, old, strict=True)])
        self.placed, self._machine = new, (nodes, num_devices)
        return new


RelabelledEplb.capabilities = frozenset(  # type: ignore[attr-defined]
    {"shares devices", "uneven at zero load", "needs groups"}
)


def _numbered(new: Integers, old: Integers, nodes: int, devices: int) -> Integers:
    parts, before = new.reshape(nodes, devices // nodes, -1), old.reshape(nodes, devices // nodes, -1)
    result = np.empty_like(parts)
    for node, (own, known) in enumerate(zip(parts.tolist(), before.tolist(), strict=True)):
        common = np.array([[len(set(one) & set(other)) for other in known] for one in own])
        result[node, matched(-common)] = parts[node]
    return result.ravel()


def matched(cost: Integers) -> Integers:
    """Return a column for every row of ``cost[N, N]``, at the least total: shortest augmenting paths (Kuhn 1955)."""
    size = len(cost)
    of_row, of_column = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.int64)  # prices
    row_at = np.full(size + 1, -1)
    for row in range(size):
        row_at[size], column = row, size
        least, came, done = np.full(size, np.iinfo(np.int64).max), np.full(size, size), np.zeros(size + 1, bool)
        while row_at[column] >= 0:
            done[column], at = True, row_at[column]
            reduced = cost[at] - of_row[at] - of_column[:-1]
            closer = ~done[:-1] & (reduced < least)
            least[closer], came[closer] = reduced[closer], column
            following = int(np.where(done[:-1], np.iinfo(np.int64).max, least).argmin())
            step = least[following]
            of_row[row_at[done]] += step
            of_column[done] -= step
            least[~done[:-1]] -= step
            column = following
        while column != size:
            before = int(came[column])
            row_at[column], column = row_at[before], before
    columns = np.empty(size, np.int64)
    columns[row_at[:-1]] = np.arange(size)
    return columns
