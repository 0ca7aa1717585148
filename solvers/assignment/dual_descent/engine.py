"""Dual descent: large assignment problems, exactly, in a few passes over the scores.

1. Descent on a sample finds rough prices; larger samples, and only their arcs near a decision, refine them.
2. A pass over all tokens leaves a core. Sweeps over it, then descent on the tokens next to a price, bring the loads
   near balance; shortest augmenting paths do the rest, exactly.
3. A pass with the new prices proves them: no token prefers an expert it does not have. If a few do, they are added to
   the core and it is settled again; if many do, a new core is gathered around these prices, in the end of everything.

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
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment import flow
from equipoise.solvers.assignment.dual_descent.core import Core, Windows, held_by, load_of, rehold
from equipoise.solvers.assignment.dual_descent.descent import Goal, bids_of, boundaries, descend, near, reach
from equipoise.solvers.assignment.dual_descent.floor import Floor
from equipoise.solvers.assignment.dual_descent.limits import FAR
from equipoise.solvers.assignment.dual_descent.passes import Form, gather, score_of, unproved
from equipoise.solvers.assignment.dual_descent.paths import NO_ROOM, TOO_LONG, Supply, repair
from equipoise.solvers.assignment.dual_descent.rounding import rounded
from equipoise.solvers.assignment.dual_descent.rows import Array, Integers, Rows, refined
from equipoise.solvers.assignment.dual_descent.tuning import TUNING, Tuning
from equipoise.solvers.claim import Claim

POLICY = "OMP_WAIT_POLICY"
"""What OpenMP's threads do while they wait; read when they start."""

Proof = tuple[npt.NDArray[np.int32], Integers]


def solve(problem: AssignmentProblem, time_limit: float | None, start: npt.NDArray[np.float64] | None = None) -> Claim:
    """Solve, or say that it did not and return what `ortools-flow` says.

    ``start`` are prices to start from, ``[E]`` in units of the scores: those of a similar batch save the search on a
    sample. They change the time, never the optimum.
    """
    del time_limit
    announce_compilation()
    with threads_restored():
        state = DualDescent(problem, start, TUNING)
        proof = state.solve()
        if proof is not None:
            score = score_of(state.rows, proof[0]) * problem.grid.unit
            return Claim("optimal", score, proof=proof, message="OPTIMAL")
    claim = flow.solve(problem, None)
    return replace(claim, message=f"{claim.message} by ortools-flow, since dual descent found no proof")


def announce_compilation() -> None:
    """Say on a terminal why the first call in an installation takes long."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).parent / "__pycache__")
    if sys.stderr.isatty() and not any(folder.rglob("paths.repair-*.nbi")):
        print("dual descent compiles its kernels once; the next call starts at once", file=sys.stderr)


@contextmanager
def threads_restored() -> Iterator[None]:
    """Leave numba's number of threads as it was, whatever is set in between.

    The first time here starts the threads. They sleep while they wait, unless the environment says otherwise: on a busy
    machine, threads that spin take the processor from those they wait for.
    """
    silent = POLICY not in os.environ
    os.environ.setdefault(POLICY, "passive")
    before = numba.get_num_threads()
    if silent:
        del os.environ[POLICY]
    try:
        yield
    finally:
        numba.set_num_threads(before)


class DualDescent:
    """The state of one solve: the prices, refined and with a last entry for the dump, and how to read the scores."""

    def __init__(
        self, problem: AssignmentProblem, start: npt.NDArray[np.float64] | None = None, tuning: Tuning = TUNING
    ) -> None:
        self.tuning, self.threads = tuning, numba.get_num_threads()
        self.rows = self.read(problem)
        self.start = None if start is None else refined(start, problem.grid.exponent + self.rows.shift)
        self.tokens, self.experts = len(problem.tokens), problem.num_experts
        self.top_k, self.drop = problem.top_k, problem.drop
        self.capacity = np.minimum(problem.capacity, self.tokens)
        self.price = np.zeros(self.experts + 1, np.int64)
        self.dual = math.inf
        self.form = Form(self.top_k, self.drop, 0 if self.drop else -FAR)
        self.floor = Floor.of(self.capacity, self.tokens * self.top_k, self.drop, tuning)
        self.order = np.random.default_rng(tuning.seed).permutation(self.tokens)
        self.work = max(tuning.work, tuning.looks * problem.size)

    def read(self, problem: AssignmentProblem) -> Any:
        """Choose how the passes read the scores."""
        return Rows.of(problem, self.tuning)

    def solve(self) -> Proof | None:
        """Return experts and prices on the grid, or None if no proof was found."""
        if self.top_k == self.experts and not self.drop:
            return np.tile(np.arange(self.experts, dtype=np.int32), (self.tokens, 1)), np.zeros(self.experts, np.int64)
        tuning = self.tuning
        core, windows = self.approach()
        dual, price = math.inf, self.price.copy()
        for step in range(tuning.widenings + 2):
            if self.dual > dual:  # the core was too narrow: it led away from the optimum
                self.price[:] = price
                windows = Windows(*(np.minimum(tuning.wider * window + 1, FAR // 2) for window in windows))
                core = self.gather(core.tokens, windows, core.chosen)
            dual, price = self.dual, self.price.copy()
            if step > tuning.widenings:  # of all arcs, what is settled is an optimum
                small, wrong = core, int(not self.settle(core))
            else:
                small, wrong = self.prove(self.calm(core), windows)
            if wrong == 0:
                return small.chosen, rounded(self.price[:-1], self.rows.shift, self.rows.mask)
            if self.work <= 0:
                return None
            if step < tuning.widenings:
                windows = self.around(small, tuning.last * tuning.wider**step, wrong, windows)
            else:
                windows = self.everything()
            core = self.gather(core.tokens, windows, core.chosen)
        return None

    def prove(self, core: Core, windows: Windows) -> tuple[Core, int]:
        """Settle the core, and add to it the tokens whose sets this does not prove, until none is left or too many.

        Returns the core and how many tokens hold no top-K set; if that is 0, what they hold is an optimum.
        """
        tuning, wrong, price = self.tuning, self.tokens, self.price.copy()
        settled: bool | None = None  # not tried since the core was calmed
        for _ in range(tuning.additions):
            left = self.unproved(core)
            if settled and len(left) == 0:
                return core, 0
            if len(left) > wrong // 2 + self.experts or self.work <= 0:
                self.price[:] = price  # a core too narrow can lead far astray
                break
            if settled is False and len(left) == 0:  # too narrow, and nothing to add
                break
            wrong, price = len(left), self.price.copy()
            if wrong:
                near = self.around(core, tuning.last, 0, windows)
                core = core.replaced(self.gather(left, near, core.chosen[left]))
            if wrong > self.experts:
                core, settled = self.calm(core), None
            else:
                settled = self.settle(core)
        return core, max(1, wrong)

    def around(self, core: Core, ranks: int, wrong: int, windows: Windows) -> Windows:
        """Windows of so many ranks around the prices, and more where many tokens are wrong."""
        ranks += self.tuning.per_wrong * wrong // self.experts
        return self.widen(core, self.edges(core), np.full(self.experts, ranks), windows)

    def approach(self) -> tuple[Core, Windows]:
        """Find prices from ever larger samples; return the core of all tokens and its windows."""
        tuning = self.tuning
        size = min(self.tokens, max(tuning.fewest, min(2 * self.experts, tuning.sample // self.experts)))
        windows = self.everything()
        core = self.gather(np.sort(self.order[:size]), windows)
        if self.start is not None:
            self.price[:-1] = self.start
        levels = math.ceil(math.log(self.tokens / size, tuning.growth))
        growth = (self.tokens / size) ** (1 / max(1, levels))
        for level in range(levels):
            noise = math.sqrt(size * self.top_k / self.experts)
            known = level == 0 and self.start is not None
            edge = self.descend(core, 0 if known else tuning.sweeps, tuning.calm * self.experts * noise)
            half = np.ceil((self.room(core) + core.fixed) * tuning.spread / noise).astype(np.int64) + 2
            windows = self.widen(core, edge, half, windows)
            size = self.tokens if level == levels - 1 else round(size * growth)
            core = self.gather(np.sort(self.order[:size]), windows)
            self.floor.remove()
        return core, windows

    def calm(self, core: Core) -> Core:
        """Bring the prices near balance: sweeps over the whole core, then descent on the part that still matters."""
        tuning = self.tuning
        edge = self.descend(core, tuning.whole, 2 * self.experts * tuning.wide / tuning.per_excess)
        self.hold(core, edge)
        over = held_by(core.by_token, self.experts) - self.room(core)
        excess = int(np.maximum(over, 0).sum()) // self.experts
        inner, _ = self.focus(core, edge, max(tuning.wide, tuning.per_excess * excess))
        self.hold(inner, self.descend(inner, tuning.sweeps, self.experts * tuning.quiet))
        return inner

    def settle(self, core: Core) -> bool:
        """Solve the core exactly from the sets it holds; False if it is too narrow for that.

        The arcs of the nearest ranks usually suffice and are tried first. They do if no other token wants to change.
        """
        ranks, settled = self.tuning.first, False
        while True:
            edge = self.edges(core)
            if self.hold(core, edge) == 0 and settled:
                return True
            overload = int((load_of(core.chosen, self.experts) - self.capacity).max())
            ranks = max(ranks, self.tuning.per_overload * overload)
            whole = ranks > len(core.member)
            small, arcs = (core, np.ones(len(core.by_token.node), np.bool_)) if whole else self.focus(core, edge, ranks)
            settled = self.balance(small)
            core.by_token.held[arcs] = small.by_token.held
            core.write_back()
            if whole or self.work <= 0:
                return settled and whole
            ranks *= self.tuning.wider

    def balance(self, core: Core) -> bool:
        """Shift tokens until no expert is overfull and none with a price has room; False if the core is too narrow."""
        price, spare, arcs = self.price, self.floor.spare, core.by_token
        load = load_of(core.chosen, self.experts)
        price[-1] = price[-1] if self.drop else price[:-1].min()
        dummies = np.where(price[:-1] == price[-1], np.maximum(self.capacity - load, 0), 0)
        balance = np.append(load + dummies - self.capacity, 0)
        balance[-1] = -balance.sum() if self.drop else spare - dummies.sum()
        free = self.top_k - (core.chosen[core.member] >= 0).sum(axis=1)
        search = len(price) ** 2 + int(arcs.places @ np.diff(arcs.start)) // self.tuning.remade
        most = self.work // search + 1
        steps = repair(arcs, core.by_node, price, Supply(balance, dummies, free), most)
        self.work -= {NO_ROOM: 1, TOO_LONG: most}.get(steps, steps) * search
        price -= price[-1] if self.drop or spare else price[:-1].min()
        price[-1] = 0
        self.floor.reach_zero()
        return bool(steps >= 0)

    def descend(self, core: Core, sweeps: int, quiet: float) -> Array:
        """Move the prices towards balance inside the core; return the boundaries under the new ones."""
        while True:
            edge = self.edges(core)
            goal = Goal(self.room(core), self.floor.bound, sweeps, int(quiet))
            descend(core.by_token, core.by_node, self.price, edge, self.form, goal, self.tuning)
            if not self.floor.is_due or sweeps == 0:
                return edge
            self.raise_floor(core, edge)

    def raise_floor(self, core: Core, edge: Array) -> None:
        """Put a floor under the least price and raise it as far as this level's share of the spare capacity allows."""
        cheap = np.argsort(self.price[:-1], kind="stable")[: self.tuning.cheap]
        self.floor.least = int(self.price[cheap[0]])
        scratch = np.empty(len(core.by_node.arc), np.int64)
        bids = {int(e): np.sort(scratch[: bids_of(core.by_node, self.price, edge, e, scratch)]) for e in cheap}
        spare = self.floor.spare * len(core.tokens) / self.tokens
        self.floor.rise(self.price[:-1], bids, self.room(core), spare)

    def room(self, core: Core) -> Integers:
        """What each expert may hold inside the core: its share of the level's capacity less what is fixed.

        Above a floor all capacity counts; without one, as much as the tokens fill.
        """
        exact = self.capacity * (len(core.tokens) / self.tokens)
        share = np.floor(exact + 1e-9).astype(np.int64)
        if self.floor.tight:
            whole = len(core.tokens) * self.top_k if self.floor.least is None else int(exact.sum() + 1e-6)
            each, more = divmod(whole - int(share.sum()), self.experts)
            share += each
            share[np.argsort(share - exact, kind="stable")[:more]] += 1
        return share - core.fixed

    def everything(self) -> Windows:
        """Windows that let all arcs in."""
        return Windows(np.full(self.experts, FAR // 2), np.full(self.experts, FAR // 2))

    def widen(self, core: Core, edge: Array, half: Integers, windows: Windows) -> Windows:
        """How far a price must move to change its expert's load by ``half[e]`` tokens, as the core shows it."""
        least, idle = self.floor.bound, self.tuning.idle
        return reach(core.by_node, self.price, edge, self.room(core), least, half, idle, windows)

    def focus(self, core: Core, edge: Array, ranks: int) -> tuple[Core, npt.NDArray[np.bool_]]:
        """Part of the core whose tokens are within so many ranks of a price, and which of its arcs these have."""
        windows = self.widen(core, edge, np.full(self.experts, ranks), self.everything())
        return core.part(near(core.by_token, self.price, edge, windows))

    def share(self, work: int) -> None:
        """Let as many threads work from now on as reading so many scores is worth."""
        numba.set_num_threads(self.threads if work >= self.tuning.alone else 1)

    def gather(self, tokens: Integers, windows: Windows, given: npt.NDArray[np.int32] | None = None) -> Core:
        """Pass over ``tokens`` with the current prices; ``dual`` becomes the bound that these prove, rounded."""
        self.share(len(tokens) * self.experts)
        core, worth = gather(self.rows, self.form, self.price, tokens, windows, given, self.tuning)
        self.dual = worth + float(self.capacity @ self.price[:-1].astype(np.float64))
        return core

    def unproved(self, core: Core) -> Integers:
        """Pass over all tokens: those that hold no top-K set under the current prices."""
        self.share(self.tokens * self.experts)
        return np.flatnonzero(unproved(self.rows, self.form, self.price, core.chosen))

    def edges(self, core: Core) -> Array:
        """Boundaries of the core's tokens under the current prices; what follows shares the core in the same way."""
        self.share(self.tuning.arc * len(core.by_token.node))
        return boundaries(core.by_token, self.price, self.form)

    def hold(self, core: Core, edge: Array) -> int:
        """Let the core's tokens hold top-K sets under the current prices; return how many had to change."""
        changed = rehold(core.by_token, self.price, edge)
        core.write_back()
        return int(changed)
