"""The core: the few arcs (token, expert) close enough to a decision that small changes of prices could move it.

Under given prices a token takes a top-K set of its reduced scores ``r[e] = value[e] - price[e]``. An expert in the set
is near the boundary if ``r[e] - (best r outside)`` is at most ``above[e]``, one outside if ``(worst r inside) - r[e]``
is at most ``below[e]``. Tokens with such an arc enter the core with all of them, and always with the worst inside and
the best outside, so that what a token would do next is known inside the core. Everything else stays as it is.

A core is a sparse matrix by token (``start``, ``node``, ``value``, ``held``) and by node (``by_start``, ``by_arc``).
In the drop form node E stands for "no expert": value 0, price 0, held as often as the token has free places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Core:
    """Arcs near a decision; ``tokens[n]`` are row numbers, ``member[m]`` those of ``tokens`` that have arcs.

    Attributes
    ----------
    chosen
        ``[n, K]`` experts of every token of the level, -1 for none.
    start, node, value, held
        By token: its arcs, their expert, refined value, whether the token holds it.
    by_start, by_arc, by_owner, by_value
        By node: its arcs, their token (position in ``member``) and value, side by side because descent reads them in
        this order again and again.
    places
        Per member, the experts it holds inside the core, free places included.
    fixed
        Per expert, the tokens that hold it for good.
    """

    tokens: Array
    chosen: Array
    member: Array
    start: Array
    node: Array
    value: Array
    held: Array
    by_start: Array
    by_arc: Array
    by_owner: Array
    by_value: Array
    places: Array
    fixed: Array

    @property
    def sparse(self) -> tuple[Array, ...]:
        """As the kernels take it."""
        return self.start, self.node, self.value, self.held, self.by_start, self.by_arc, self.by_owner, self.by_value


def load_of(chosen: Array, experts: int) -> Array:
    """Tokens per expert."""
    return np.bincount(chosen.ravel() + 1, minlength=experts + 1)[1:]


@nb.njit(cache=True, inline="always")
def insert(best: Any, count: int, number: int) -> None:
    """Let ``best[:count]``, descending, be the largest of itself and ``number``; without a branch to mispredict."""
    for k in range(count - 1, 0, -1):
        best[k] = max(best[k], min(best[k - 1], number))
    best[0] = max(best[0], number)


@nb.njit(cache=True)
def write_back(sparse: Any, member: Any, chosen: Any, dump: int) -> None:
    """Put what the tokens of the core hold into ``chosen``, in place."""
    start, node, held = sparse[0], sparse[1], sparse[3]
    listed = np.zeros(dump + 1, np.bool_)
    for m in range(len(member)):
        row = chosen[member[m]]
        for arc in range(start[m], start[m + 1]):
            listed[node[arc]] = True
        kept = 0
        for k in range(len(row)):
            if row[k] >= 0 and not listed[row[k]]:
                row[kept] = row[k]
                kept += 1
        for arc in range(start[m], start[m + 1]):
            listed[node[arc]] = False
            if held[arc] and node[arc] < dump:
                row[kept] = node[arc]
                kept += 1
        for k in range(kept, len(row)):
            row[k] = -1


@nb.njit(cache=True)
def rehold(sparse: Any, price: Any, places: Any, edge: Any) -> int:
    """Let every token of the core hold a top-K set under ``price``: the one it holds, or else the earlier of equals.

    ``edge`` are its boundaries under these prices, ``places`` the experts it holds inside the core. Returns how many
    tokens changed their sets.
    """
    start, node, value, held = sparse[0], sparse[1], sparse[2], sparse[3]
    dump = len(price) - 1
    changed = 0
    for token in range(len(start) - 1):
        inside = edge[token, 0]
        good = True
        count = 0
        for arc in range(start[token], start[token + 1]):
            if node[arc] < dump:
                reduced = value[arc] - price[node[arc]]
                count += held[arc]
                good = good and not (reduced > inside and not held[arc]) and not (reduced < inside and held[arc])
        if good and (count == places[token] or inside <= 0):
            continue
        changed += 1
        free = places[token]
        for arc in range(start[token], start[token + 1]):
            held[arc] = node[arc] < dump and value[arc] - price[node[arc]] > inside
            free -= held[arc]
        for arc in range(start[token], start[token + 1]):
            if free > 0 and (node[arc] == dump or value[arc] - price[node[arc]] == inside):
                held[arc] = True
                free -= 1
    return changed


def part(core: Core, mark: Array) -> tuple[Core, Array]:
    """Return the core of the marked tokens alone, and a mark of their arcs; what the others hold is fixed."""
    keep = np.flatnonzero(mark)
    length = np.diff(core.start)
    start = np.zeros(len(keep) + 1, np.int64)
    np.cumsum(length[keep], out=start[1:])
    arcs = np.repeat(mark, length)
    node, value, held = core.node[arcs], core.value[arcs], core.held[arcs]
    experts = len(core.fixed)
    left = np.bincount(core.node[core.held & ~arcs], minlength=experts + 1)[:experts]
    by = by_node(start, node, value, experts + 1)
    lists = (node, value, held, by[0], by[1], by[2], by[3])
    return Core(core.tokens, core.chosen, core.member[keep], start, *lists, core.places[keep], core.fixed + left), arcs


@nb.njit(cache=True)
def by_node(start: Any, node: Any, value: Any, nodes: int) -> Any:
    """Counting sort of the arcs by node, stable."""
    by_start = np.zeros(nodes + 1, np.int64)
    for arc in range(len(node)):
        by_start[node[arc] + 1] += 1
    for n in range(nodes):
        by_start[n + 1] += by_start[n]
    spot = by_start[:-1].copy()
    order = np.empty(len(node), np.int32)
    owner = np.empty(len(node), np.int32)
    sorted_value = np.empty(len(node), np.int64)
    for token in range(len(start) - 1):
        for arc in range(start[token], start[token + 1]):
            place = spot[node[arc]]
            order[place] = arc
            owner[place] = token
            sorted_value[place] = value[arc]
            spot[node[arc]] += 1
    return by_start, order, owner, sorted_value
