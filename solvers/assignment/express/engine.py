"""`express`: large assignment problems, exactly, in a few passes over the scores.

1. Descent on a sample finds rough prices; larger samples, and only their arcs near a decision, refine them.
2. A pass over all tokens leaves a core. Sweeps over it, then descent on the tokens next to a price, bring the loads
   near balance; shortest augmenting paths do the rest, exactly.
3. A pass with the new prices proves them: no token prefers an expert it does not have. If some do, a new core is
   gathered around these prices and the last two steps are repeated, in the end on everything.

Capacity that stays free lies where the price is least. Where there is little of it, descent first balances as if there
were none; then a floor is raised under the prices until the experts on it leave just that much room.

Integers throughout, one fixed seed, no order that depends on threads: the same problem gives the same answer.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from equipoise.blocks import by_blocks
from equipoise.grid import to_grid, total
from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment import flow
from equipoise.solvers.assignment.express.core import Core, load_of, part, rehold, write_back
from equipoise.solvers.assignment.express.descent import bids_of, boundaries, descend, near, reach
from equipoise.solvers.assignment.express.passes import gather, unproved
from equipoise.solvers.assignment.express.paths import NO_ROOM, TOO_LONG, repair
from equipoise.solvers.assignment.express.rounding import rounded
from equipoise.solvers.assignment.express.rows import FAR, Rows
from equipoise.solvers.claim import Claim

Integers = npt.NDArray[np.int64]
Windows = tuple[Integers, Integers]
Proof = tuple[npt.NDArray[np.int32], Integers]

SEED = 20260101
GROWTH = 6
"""From one sample to the next at most; a sample's noise sets the windows of the next."""

SAMPLE = 1 << 23
"""Scores in the first sample at most: all of its arcs are in memory at once."""

SPREAD = 3.5
"""Standard deviations of sampling noise that a window covers."""

SWEEPS = 40
"""Of a descent at most."""

CALM = 0.5
"""Imbalance at which the descent on a sample ends, in standard deviations of its sampling noise."""

QUIET = 0.5
"""Imbalance an expert at which the last descent ends; exact repair does the rest."""

DESCENTS = 6
"""Passes after which only exact repair is left."""

CHEAP = 32
"""Experts, those of the least prices, among which the floor looks for room to spare."""

WHOLE = 6
"""Sweeps over a whole core at most."""

WIDE = 32
"""Ranks on either side of a price that still matter after one sweep over all tokens."""

FIRST = 8
"""Ranks on either side of a price with which exact repair begins."""

LAST = 64
"""Ranks on either side of a price within which the proving pass gathers, in case that it finds something to do."""

ALONE = 1 << 17
"""Scores below which one thread works."""

WIDENINGS = 8
"""Passes after which all arcs are gathered: what is then settled is an optimum."""

WORK = 1 << 31
"""Arcs that repair may look at, a few seconds' worth, or 16 for every score: what takes longer is no repair."""

PASSES = 10
"""Passes that gather, before another engine is asked."""


def solve(problem: AssignmentProblem, time_limit: float | None, start: npt.NDArray[np.float64] | None = None) -> Claim:
    """Solve, or say that it did not and return what `ortools-flow` says.

    ``start`` are prices to start from, ``[E]`` in units of the scores: those of a similar batch save the search on a
    sample. They change the time, never the optimum.
    """
    del time_limit
    announce_compilation()
    with few_threads(problem.size):
        proof = Express(problem, start).solve()
    if proof is None:
        claim = flow.solve(problem, None)
        return replace(claim, message=f"{claim.message} by ortools-flow, since express found no proof")
    chosen, _ = proof
    return Claim("optimal", _score(problem, chosen), proof=proof, message="OPTIMAL")


def announce_compilation() -> None:
    """Say on a terminal why the first call in an installation takes long."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).parent / "__pycache__")
    if sys.stderr.isatty() and not any(folder.rglob("paths.repair-*.nbi")):
        print("express compiles its kernels once; the next call starts at once", file=sys.stderr)


@contextmanager
def few_threads(size: int) -> Iterator[None]:
    """One thread where the passes take less time than waking a second one."""
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1 if size < ALONE else before)
        yield
    finally:
        numba.set_num_threads(before)


def _score(problem: AssignmentProblem, chosen: npt.NDArray[np.int32]) -> Fraction:
    scores = problem.scores if problem.mask is None else problem.scores[problem.tokens]

    def of_block(rows: slice) -> int:
        taken = np.take_along_axis(scores[rows], np.maximum(chosen[rows], 0), axis=1)
        return total(to_grid(taken[chosen[rows] >= 0], problem.grid.exponent))

    return sum(by_blocks(of_block, *chosen.shape)) * problem.grid.unit


class Express:
    """The state of one solve: prices, refined and with a last entry for the dump, and how to read the scores."""

    def __init__(self, problem: AssignmentProblem, start: npt.NDArray[np.float64] | None = None) -> None:
        self.rows = Rows.of(problem)
        self.start = None if start is None else self.rows.refined(start, problem.grid.exponent)
        self.tokens, self.experts = self.rows.scores.shape
        self.top_k, self.drop = problem.top_k, problem.drop
        self.capacity = np.minimum(problem.capacity, self.tokens)
        self.floor = 0 if self.drop else -FAR
        demand = self.tokens * self.top_k
        self.tight = not self.drop and int(self.capacity.sum()) - demand <= demand // 64
        self.least = -FAR // 4 if self.tight else 0
        self.order = np.random.default_rng(SEED).permutation(self.tokens)
        self.price = np.zeros(self.experts + 1, np.int64)
        self.spare = 0 if self.drop else int(self.capacity.sum()) - demand
        self.floored = False
        self.work = max(WORK, 16 * self.rows.scores.size)

    def gather(self, tokens: Integers, windows: Windows, given: npt.NDArray[np.int32] | None = None) -> Core:
        """Pass over ``tokens`` with the current prices."""
        return gather(self.rows, tokens, self.top_k, self.drop, self.price, windows, given)

    def room(self, core: Core) -> Integers:
        """What each expert may hold inside the core: its share of the level's capacity less what is fixed.

        Above a floor all capacity counts; without one, as much as the tokens fill.
        """
        exact = self.capacity * (len(core.tokens) / self.tokens)
        share = np.floor(exact + 1e-9).astype(np.int64)
        if self.tight:
            whole = int(exact.sum() + 1e-6) if self.floored else len(core.tokens) * self.top_k
            each, more = divmod(whole - int(share.sum()), self.experts)
            share += each
            share[np.argsort(share - exact, kind="stable")[:more]] += 1
        return share - core.fixed

    def edges(self, core: Core) -> Integers:
        """Boundaries of the core's tokens under the current prices."""
        return boundaries(core.sparse, self.price, core.places, self.floor)

    def descend(self, core: Core, sweeps: int, quiet: float) -> Integers:
        """Move the prices towards balance inside the core; return the boundaries under the new ones."""
        edge = self.edges(core)
        while True:
            form = (self.room(core), self.floor, self.least)
            descend(core.sparse, self.price, core.places, *form, edge, sweeps, int(quiet))
            if self.floored or not self.tight or self.spare == 0 or sweeps == 0:
                return edge
            self.raise_floor(core, edge)
            edge = self.edges(core)

    def raise_floor(self, core: Core, edge: Integers) -> None:
        """Find the least price at which the cheapest experts leave as much room as there is to spare."""
        self.floored = True
        spare = self.spare * len(core.tokens) / self.tokens
        room, bids = self.room(core), np.empty(len(core.by_arc), np.int64)
        cheap = np.argsort(self.price[:-1], kind="stable")[:CHEAP]
        lists = []
        for expert in cheap:
            count = bids_of(core.sparse, self.price, edge, expert, bids)
            lists.append(np.sort(bids[:count]))
        low, high = int(self.price[cheap[0]]), int(self.price[cheap[-1]])
        while low < high:
            middle = (low + high + 1) // 2
            free = sum(
                max(0, int(room[e]) - len(of) + int(np.searchsorted(of, middle)))
                for e, of in zip(cheap, lists, strict=True)
                if self.price[e] < middle
            )
            low, high = (middle, high) if free <= spare else (low, middle - 1)
        self.least = low
        np.maximum(self.price[:-1], low, out=self.price[:-1])

    def unproved(self, core: Core) -> int:
        """Pass over all tokens: how many hold no top-K set under the current prices."""
        return int(unproved(self.rows.reader, self.top_k, self.floor, self.price, core.chosen))

    def widen(self, core: Core, edge: Integers, half: Integers, windows: Windows) -> Windows:
        """How far a price must move to change its expert's load by ``half[e]`` tokens, as the core shows it."""
        below, above = windows[0].copy(), windows[1].copy()
        reach(core.sparse, self.price, edge, self.room(core), half, below, above)
        return below, above

    def focus(self, core: Core, edge: Integers, half: int) -> tuple[Core, npt.NDArray[np.bool_]]:
        """Part of the core whose tokens are within ``half`` ranks of a price, and which of its arcs these have."""
        far = np.full(self.experts, FAR // 2)
        windows = self.widen(core, edge, np.full(self.experts, half), (far, far))
        return part(core, near(core.sparse, self.price, edge, *windows))

    def hold(self, core: Core, edge: Integers) -> int:
        """Let the core's tokens hold top-K sets under the current prices; return how many had to change."""
        changed = rehold(core.sparse, self.price, core.places, edge)
        write_back(core.sparse, core.member, core.chosen, self.experts)
        return int(changed)

    def approach(self) -> tuple[Core, Windows]:
        """Find prices from ever larger samples; return the core of all tokens and its windows."""
        size = min(self.tokens, max(512, min(2 * self.experts, SAMPLE // self.experts)))
        windows = (np.full(self.experts, FAR // 2), np.full(self.experts, FAR // 2))
        core = self.gather(np.sort(self.order[:size]), windows)
        if self.start is not None:
            self.price[:-1] = self.start
        levels = math.ceil(math.log(self.tokens / size, GROWTH))
        growth = (self.tokens / size) ** (1 / max(1, levels))
        for level in range(levels):
            load = size * self.top_k / self.experts
            known = level == 0 and self.start is not None
            edge = self.descend(core, 0 if known else SWEEPS, CALM * self.experts * math.sqrt(load))
            half = np.ceil((self.room(core) + core.fixed) * SPREAD / math.sqrt(load)).astype(np.int64) + 2
            windows = self.widen(core, edge, half, windows)
            size = self.tokens if level == levels - 1 else round(size * growth)
            core = self.gather(np.sort(self.order[:size]), windows)
            if self.tight:
                self.floored, self.least = False, -FAR // 4
        return core, windows

    def calm(self, core: Core) -> Core:
        """Bring the prices near balance: sweeps over the whole core, then descent on the part that still matters."""
        excess = 0
        for _ in range(WHOLE):
            edge = self.descend(core, 1, 0)
            self.hold(core, edge)
            load = np.bincount(core.node[core.held], minlength=self.experts)[: self.experts]
            excess = int(np.maximum(load - self.room(core), 0).sum()) // self.experts
            if excess <= WIDE // 8:
                break
        inner, _ = self.focus(core, edge, max(WIDE, 8 * excess))
        self.hold(inner, self.descend(inner, SWEEPS, self.experts * QUIET))
        return inner

    def settle(self, core: Core) -> bool:
        """Solve the core exactly from the sets it holds; False if it is too narrow for that.

        The arcs of the nearest ranks usually suffice and are tried first. They do if no other token wants to change.
        """
        half, settled = FIRST, False
        while True:
            edge = self.edges(core)
            if self.hold(core, edge) == 0 and settled:
                return True
            half = max(half, 4 * int((load_of(core.chosen, self.experts) - self.capacity).max()))
            whole = half > len(core.member)
            small, arcs = (core, np.ones(len(core.node), np.bool_)) if whole else self.focus(core, edge, half)
            settled = self.balance(small)
            core.held[arcs] = small.held
            write_back(core.sparse, core.member, core.chosen, self.experts)
            if whole or self.work <= 0:
                return settled and whole
            half *= 4

    def balance(self, core: Core) -> bool:
        """Shift tokens until no expert is overfull and none with a price has room; False if the core is too narrow."""
        price = self.price
        load = load_of(core.chosen, self.experts)
        price[-1] = price[-1] if self.drop else price[:-1].min()
        dummies = np.where(price[:-1] == price[-1], np.maximum(self.capacity - load, 0), 0)
        balance = np.append(load + dummies - self.capacity, 0)
        balance[-1] = -balance.sum() if self.drop else self.spare - dummies.sum()
        free = self.top_k - (core.chosen[core.member] >= 0).sum(axis=1)
        search = int(core.places @ np.diff(core.start)) + 1
        most = self.work // search + 1
        steps = repair(core.sparse, price, balance, dummies, free, most)
        self.work -= {NO_ROOM: 1, TOO_LONG: most}.get(steps, steps) * search
        price -= price[-1] if self.drop or self.spare else price[:-1].min()
        price[-1] = 0
        if self.floored:
            self.least = 0
        return bool(steps >= 0)

    def solve(self) -> Proof | None:
        """Return experts and prices on the grid, or None if no proof was found."""
        if self.top_k == self.experts and not self.drop:
            return np.tile(np.arange(self.experts, dtype=np.int32), (self.tokens, 1)), np.zeros(self.experts, np.int64)
        everything = (np.full(self.experts, FAR // 2), np.full(self.experts, FAR // 2))
        core, windows = self.approach()
        wrong = self.tokens
        for step in range(PASSES):
            settled = False
            if wrong > self.experts and step < DESCENTS:
                inner = self.calm(core)
                wrong = self.unproved(core)
                settled = wrong <= self.experts and self.settle(inner)
            else:
                settled = self.settle(core)
            if self.work <= 0:
                return None
            if settled:
                wrong = self.unproved(core)
                if wrong == 0:
                    return core.chosen, rounded(self.price[:-1], self.rows.shift, self.rows.mask)
            if step < WIDENINGS:
                half = np.full(self.experts, LAST * 4**step + 16 * wrong // self.experts)
                windows = self.widen(core, self.edges(core), half, windows)
            else:
                windows = everything
            core = self.gather(core.tokens, windows, core.chosen)
        return None
