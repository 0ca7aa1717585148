"""The core: the few arcs (token, expert) close enough to a decision that small changes of prices could move it.

Under given prices a token takes a top-K set of its reduced scores ``r[e] = value[e] - price[e]``. Its boundary is the
pair (worst r inside the set, best r outside). An arc is near it if it is within a window ``[-below[e], above[e]]`` of
the side that it would have to cross. Tokens with such an arc enter the core with all of them, and always with the worst
inside and the best outside, so that what a token would do next is known inside the core. The rest stays as it is.

In the drop form node E, the dump, stands for "no expert": value 0, price 0, held while the token has free places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba as nb
import numpy as np

from equipoise.solvers.assignment.dual_descent.rows import Array, Integers
from equipoise.solvers.assignment.dual_descent.tuning import BLOCK

BOUNDARY = np.dtype([("inside", np.int64), ("outside", np.int64)], align=True)
"""Worst reduced score inside a token's set, best one outside; side by side, since descent reads both at random."""


class Windows(NamedTuple):
    """``[E]`` each: how far outside its token's set an arc may lie, and how far inside, to be near the boundary."""

    below: Integers
    above: Integers


class ByToken(NamedTuple):
    """The arcs of n tokens, token by token, experts ascending, the dump last.

    Attributes
    ----------
    start
        ``[n + 1]``: token t has the arcs ``start[t]`` to ``start[t + 1]``.
    node, value, held
        ``[A]``: an arc's expert (or the dump), its refined value, whether the token holds it.
    places
        ``[n]``: how many a token holds of them, free places included.
    """

    start: Integers
    node: Array
    value: Integers
    held: Array
    places: Integers


class ByNode(NamedTuple):
    """The same arcs node by node; token and value are repeated here because descent reads them in this order.

    Attributes
    ----------
    start
        ``[E + 2]``: node e has the entries ``start[e]`` to ``start[e + 1]``.
    arc, token, value
        ``[A]``: an entry's number in :class:`ByToken`, its token there, and its refined value.
    """

    start: Integers
    arc: Array
    token: Array
    value: Integers


@dataclass(frozen=True)
class Core:
    """Arcs near a decision, of some tokens.

    Attributes
    ----------
    tokens
        ``[n]`` row numbers: all tokens of a sample, or all there are.
    chosen
        ``[n, K]`` the experts of each, -1 for none.
    member
        ``[m]`` positions in ``tokens`` of those that have arcs.
    by_token, by_node
        The arcs of the m members.
    fixed
        ``[E]`` tokens that hold an expert by no arc of the core.
    """

    tokens: Integers
    chosen: Array
    member: Integers
    by_token: ByToken
    by_node: ByNode
    fixed: Integers

    def write_back(self) -> None:
        """Put what the members hold into ``chosen``, in place."""
        _write_back(self.by_token, self.member, self.chosen, len(self.fixed))

    def part(self, mark: Array) -> tuple[Core, Array]:
        """Return the core of the marked members alone, and a mark of their arcs; what the others hold is fixed."""
        start, node, value, held, places = self.by_token
        keep = np.flatnonzero(mark)
        length = np.diff(start)
        arcs = np.repeat(mark, length)
        left = np.bincount(node[held & ~arcs], minlength=len(self.fixed) + 1)[:-1]
        inner = ByToken(starts(length[keep]), node[arcs], value[arcs], held[arcs], places[keep])
        return core_of(self.tokens, self.chosen, self.member[keep], inner, self.fixed + left), arcs

    def replaced(self, other: Core) -> Core:
        """Return this core of all tokens with the tokens of ``other``, few of them, as they are there."""
        self.chosen[other.tokens] = other.chosen
        again = np.zeros(len(self.chosen), np.bool_)
        again[other.tokens] = True
        kept, _ = self.part(~again[self.member])
        pairs = list(zip(kept.by_token, other.by_token, strict=True))
        start = np.append(pairs[0][0], pairs[0][1][1:] + pairs[0][0][-1])
        by_token = ByToken(start, *(np.concatenate(pair) for pair in pairs[1:]))
        fixed = load_of(self.chosen, len(self.fixed)) - held_by(by_token, len(self.fixed))
        return core_of(self.tokens, self.chosen, np.append(kept.member, other.tokens[other.member]), by_token, fixed)


def core_of(tokens: Integers, chosen: Array, member: Integers, by_token: ByToken, fixed: Integers) -> Core:
    """Make a core from its arcs by token."""
    return Core(tokens, chosen, member, by_token, sorted_by_node(by_token, len(fixed) + 1), fixed)


def starts(length: Integers) -> Integers:
    """``[n + 1]`` where lists of these lengths, one after the other, start, and the end."""
    return np.append(0, np.cumsum(length))


def load_of(chosen: Array, experts: int) -> Integers:
    """Tokens per expert."""
    return np.bincount(chosen.ravel() + 1, minlength=experts + 1)[1:]


def held_by(by_token: ByToken, experts: int) -> Integers:
    """Tokens per expert that hold it by an arc."""
    return np.bincount(by_token.node[by_token.held], minlength=experts + 1)[:experts]


@nb.njit(cache=True)
def sorted_by_node(by_token: Any, nodes: int) -> Any:
    """Counting sort of the arcs by node, stable."""
    start, node, value = by_token.start, by_token.node, by_token.value
    first = np.zeros(nodes + 1, np.int64)
    for arc in range(len(node)):
        first[node[arc] + 1] += 1
    for n in range(nodes):
        first[n + 1] += first[n]
    spot = first[:-1].copy()
    result = ByNode(first, np.empty(len(node), np.int32), np.empty(len(node), np.int32), np.empty(len(node), np.int64))
    for token in range(len(start) - 1):
        for arc in range(start[token], start[token + 1]):
            place = spot[node[arc]]
            result.arc[place] = arc
            result.token[place] = token
            result.value[place] = value[arc]
            spot[node[arc]] += 1
    return result


@nb.njit(cache=True, parallel=True)
def _write_back(by_token: Any, member: Any, chosen: Any, dump: int) -> None:
    """Replace the experts that a token's arcs list by those of them that it holds."""
    start, node, held = by_token.start, by_token.node, by_token.held
    for i in nb.prange((len(member) + BLOCK - 1) // BLOCK):
        listed = np.zeros(dump + 1, np.bool_)
        for m in range(i * BLOCK, min(len(member), (i + 1) * BLOCK)):
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
            row[kept:] = -1


@nb.njit(cache=True, parallel=True)
def rehold(by_token: Any, price: Any, edge: Any) -> int:
    """Let every member hold a top-K set under ``price``: the one it holds, or else the earlier of equals.

    ``edge`` are the boundaries under these prices. Returns how many members changed their sets.
    """
    start, node, value, held, places = by_token
    dump = len(price) - 1
    changed = 0
    for i in nb.prange((len(places) + BLOCK - 1) // BLOCK):
        for token in range(i * BLOCK, min(len(places), (i + 1) * BLOCK)):
            inside = edge[token].inside
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


@nb.njit(cache=True, inline="always")
def within(reduced: int, held: bool, inside: int, outside: int, below: int, above: int) -> bool:
    """Whether an arc is near its token's boundary: the window test, of everything that gathers or picks arcs."""
    return reduced - above <= outside if held else reduced + below >= inside


@nb.njit(cache=True, inline="always")
def gathered(reduced: int, held: bool, inside: int, outside: int, below: int, above: int) -> bool:
    """Whether an arc enters the core with its token: near the boundary, or the boundary itself."""
    return within(reduced, held, inside, outside, below, above) | (reduced == (inside if held else outside))
