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

from equipoise.solvers.assignment.express.rows import FAR, Rows, reduced_row

Array = npt.NDArray[Any]
_BLOCK = 512


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
    changed
        Tokens whose given set was no top-K set under the prices: none means that the prices prove the given sets.
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
    changed: int

    @property
    def sparse(self) -> tuple[Array, ...]:
        """As the kernels take it."""
        return self.start, self.node, self.value, self.held, self.by_start, self.by_arc, self.by_owner, self.by_value


def load_of(chosen: Array, experts: int) -> Array:
    """Tokens per expert."""
    return np.bincount(chosen.ravel() + 1, minlength=experts + 1)[1:]


def gather(
    rows: Rows,
    tokens: Array,
    top_k: int,
    drop: bool,
    price: Array,
    windows: tuple[Array, Array],
    given: Array | None = None,
    prove: bool = False,
) -> Core:
    """One pass over the rows of ``tokens``: their top-K sets under ``price``, and the core within ``windows``.

    A token keeps its ``given`` set where that is a top-K set too. With ``prove``, a pass in which every token does
    gathers nothing: there is nothing left to do.
    """
    below, above = windows
    keep = given is not None
    chosen = np.empty((len(tokens), top_k), np.int32) if given is None else given
    floor = 0 if drop else -FAR
    count = np.zeros(len(tokens), np.int64)
    edge = np.empty((len(tokens), 2), np.int64)
    changed = _decide(rows.reader, tokens, top_k, floor, price, below, above, keep, chosen, edge, count)
    if prove and changed == 0:
        count[:] = 0
    member = np.flatnonzero(count)
    start = np.zeros(len(member) + 1, np.int64)
    np.cumsum(count[member] + drop, out=start[1:])
    node = np.empty(start[-1], np.int32)
    value = np.empty(start[-1], np.int64)
    held = np.empty(start[-1], np.bool_)
    _fill(rows.reader, tokens, member, drop, price, below, above, chosen, edge, start, node, value, held)
    experts = len(below)
    inside = held & (node < experts)
    by_token = np.add.reduceat(inside, start[:-1], dtype=np.int64) if len(member) else np.zeros(0, np.int64)
    places = top_k - (chosen[member] >= 0).sum(axis=1) + by_token
    fixed = load_of(chosen, experts) - np.bincount(node[inside], minlength=experts)
    by = _by_node(start, node, value, experts + 1)
    return Core(
        tokens, chosen, member, start, node, value, held, by[0], by[1], by[2], by[3], places, fixed, int(changed)
    )


@nb.njit(cache=True)
def largest(row: Any, count: int, best: Any, where: Any) -> int:
    """Put the ``count`` largest of ``row`` into ``best``, descending, with their places; return how many there are.

    Invariant: ``best[:found]`` are the largest of what was read, the earlier place first among equals.
    """
    found = 0
    for e in range(len(row)):
        number = row[e]
        if found == count:
            if number <= best[found - 1]:
                continue
            spot = found - 1
        else:
            spot = found
            found += 1
        while spot > 0 and best[spot - 1] < number:
            best[spot] = best[spot - 1]
            where[spot] = where[spot - 1]
            spot -= 1
        best[spot] = number
        where[spot] = e
    return found


@nb.njit(cache=True, parallel=True)
def _decide(
    reader: Any,
    tokens: Any,
    top_k: int,
    floor: int,
    price: Any,
    below: Any,
    above: Any,
    keep: bool,
    chosen: Any,
    edge: Any,
    count: Any,
) -> int:
    """Top-K set, boundary ``edge[t] = (worst inside, best outside)`` and number of near arcs of every token.

    Blocks of tokens are independent, so the result does not depend on the number of threads.
    """
    experts = len(below)
    blocks = (len(tokens) + _BLOCK - 1) // _BLOCK
    changed = np.zeros(blocks, np.int64)
    for block in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        best = np.empty(top_k + 1, np.int64)
        where = np.empty(top_k + 1, np.int64)
        for t in range(block * _BLOCK, min(len(tokens), (block + 1) * _BLOCK)):
            reduced_row(reader, tokens[t], price, reduced)
            found = largest(reduced, top_k + 1, best, where)
            inside = max(best[top_k - 1], floor)
            outside = max(best[top_k], floor) if found > top_k else np.int64(floor)
            if keep:
                wanted = np.int64(0)
                actual = np.int64(0)
                for k in range(top_k):
                    wanted += max(best[k], floor) - inside
                    actual += (reduced[chosen[t, k]] if chosen[t, k] >= 0 else np.int64(floor)) - inside
                same = wanted == actual
            else:
                same = False
            if not same:
                changed[block] += 1
                for k in range(top_k):
                    chosen[t, k] = where[k] if best[k] > floor else -1
            edge[t, 0] = inside
            edge[t, 1] = outside
            near = 0
            for e in range(experts):
                near += reduced[e] + below[e] >= inside
            for k in range(top_k):
                e = chosen[t, k]
                if e >= 0:
                    near += (reduced[e] - above[e] <= outside) - (reduced[e] + below[e] >= inside)
            count[t] = near
            if near:
                count[t] = 0
                for e in range(experts):
                    count[t] += reduced[e] == inside or reduced[e] == outside or reduced[e] + below[e] >= inside
                for k in range(top_k):
                    e = chosen[t, k]
                    if e >= 0:
                        close = reduced[e] <= inside or reduced[e] - above[e] <= outside
                        count[t] += close - 1
    return changed.sum()


@nb.njit(cache=True, parallel=True)
def _fill(
    reader: Any,
    tokens: Any,
    member: Any,
    drop: bool,
    price: Any,
    below: Any,
    above: Any,
    chosen: Any,
    edge: Any,
    start: Any,
    node: Any,
    value: Any,
    held: Any,
) -> None:
    """Write the arcs that :func:`_decide` counted, token by token, experts ascending."""
    experts = len(below)
    blocks = (len(member) + _BLOCK - 1) // _BLOCK
    for block in nb.prange(blocks):
        reduced = np.empty(experts, np.int64)
        inside_set = np.zeros(experts, np.bool_)
        for m in range(block * _BLOCK, min(len(member), (block + 1) * _BLOCK)):
            t = member[m]
            reduced_row(reader, tokens[t], price, reduced)
            taken = 0
            for k in range(chosen.shape[1]):
                if chosen[t, k] >= 0:
                    inside_set[chosen[t, k]] = True
                    taken += 1
            inside, outside = edge[t, 0], edge[t, 1]
            arc = start[m]
            for e in range(experts):
                r = reduced[e]
                if inside_set[e]:
                    close = r <= inside or r - above[e] <= outside
                else:
                    close = r in (inside, outside) or r + below[e] >= inside
                if close:
                    node[arc] = e
                    value[arc] = r + price[e]
                    held[arc] = inside_set[e]
                    arc += 1
            if drop:
                node[arc] = experts
                value[arc] = 0
                held[arc] = taken < chosen.shape[1]
            for k in range(chosen.shape[1]):
                if chosen[t, k] >= 0:
                    inside_set[chosen[t, k]] = False


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
def rehold(sparse: Any, price: Any, places: Any, edge: Any) -> None:
    """Let every token of the core hold a top-K set under ``price``: the one it holds, or else the earlier of equals.

    ``edge`` are its boundaries under these prices, ``places`` the experts it holds inside the core.
    """
    start, node, value, held = sparse[0], sparse[1], sparse[2], sparse[3]
    dump = len(price) - 1
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
        free = places[token]
        for arc in range(start[token], start[token + 1]):
            held[arc] = node[arc] < dump and value[arc] - price[node[arc]] > inside
            free -= held[arc]
        for arc in range(start[token], start[token + 1]):
            if free > 0 and (node[arc] == dump or value[arc] - price[node[arc]] == inside):
                held[arc] = True
                free -= 1


def subset(core: Core, mark: Array, nodes: int) -> Core:
    """Return the core of the marked tokens alone."""
    if 2 * mark.sum() > len(mark):
        return core
    keep = np.flatnonzero(mark)
    length = np.diff(core.start)
    start = np.zeros(len(keep) + 1, np.int64)
    np.cumsum(length[keep], out=start[1:])
    arcs = np.repeat(mark, length)
    node, value, held = core.node[arcs], core.value[arcs], core.held[arcs]
    a, b, c, d = _by_node(start, node, value, nodes)
    sizes = (core.places[keep], core.fixed, core.changed)
    return Core(core.tokens, core.chosen, core.member[keep], start, node, value, held, a, b, c, d, *sizes)


@nb.njit(cache=True)
def _by_node(start: Any, node: Any, value: Any, nodes: int) -> Any:
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
