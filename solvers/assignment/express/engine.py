"""`express`: large assignment problems, exactly, in a few passes over the scores.

1. Descent on a sample finds rough prices; larger samples, and only their arcs near a decision, refine them.
2. A pass over all tokens leaves a core, which is solved exactly by shortest augmenting paths.
3. A pass with the new prices proves them: no token prefers an expert it does not have. Tokens that do enter a new
   core, and the last two steps are repeated with wider windows.

Integers throughout, one fixed seed, no order that depends on threads: the same problem gives the same answer.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.grid import to_grid, total
from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment import flow
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.assignment.express.core import Core, gather, load_of, write_back
from equipoise.solvers.assignment.express.descent import descend, reach
from equipoise.solvers.assignment.express.paths import repair
from equipoise.solvers.assignment.express.rounding import rounded
from equipoise.solvers.assignment.express.rows import FAR, Rows

Integers = npt.NDArray[np.int64]
Windows = tuple[Integers, Integers]
Proof = tuple[npt.NDArray[np.int32], Integers]

SEED = 20260101
GROWTH = 8
"""From one sample to the next; a sample's noise sets the windows of the next."""

SPREAD = 4
"""Standard deviations of sampling noise that a window covers."""

PASSES = 12
"""Over all tokens, before another engine is asked."""


def solve(problem: AssignmentProblem, time_limit: float | None, start: npt.NDArray[np.float64] | None = None) -> Claim:
    """Solve, or say that it did not and return what `ortools-flow` says.

    ``start`` are prices to start from, ``[E]`` in units of the scores: those of a similar batch save the search on a
    sample. They change the time, never the optimum.
    """
    del time_limit
    proof = Express(problem, start).solve()
    if proof is None:
        claim = flow.solve(problem, None)
        return replace(claim, message=f"{claim.message} by ortools-flow, since express found no proof")
    chosen, _ = proof
    return Claim("optimal", _score(problem, chosen), proof=proof, message="OPTIMAL")


def _score(problem: AssignmentProblem, chosen: npt.NDArray[np.int32]) -> Fraction:
    token, place = np.nonzero(chosen >= 0)
    scores = problem.scores[problem.tokens[token], chosen[token, place]]
    return total(to_grid(scores, problem.grid.exponent)) * problem.grid.unit


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

    def gather(
        self, tokens: Integers, windows: Windows, given: npt.NDArray[np.int32] | None = None, prove: bool = False
    ) -> Core:
        """Pass over ``tokens`` with the current prices."""
        return gather(self.rows, tokens, self.top_k, self.drop, self.price, windows, given, prove)

    def room(self, core: Core) -> Integers:
        """What each expert may hold inside the core: its share of the level's capacity less what is fixed."""
        exact = self.capacity * (len(core.tokens) / self.tokens)
        share = np.floor(exact + 1e-9).astype(np.int64)
        if self.tight:
            missing = len(core.tokens) * self.top_k - int(share.sum())
            share[np.argsort(share - exact, kind="stable")[:missing]] += 1
        return share - core.fixed(self.experts)

    def descend(self, core: Core, sweeps: int) -> None:
        """Move the prices towards balance inside the core."""
        descend(core.sparse, self.price, self.places(core), self.room(core), self.floor, self.least, sweeps)

    def places(self, core: Core) -> Integers:
        """Places a token has inside the core: what it does not hold for good."""
        inside = (core.node < self.experts) & core.held
        listed = np.bincount(core.owner[inside], minlength=len(core.member))
        taken = (core.chosen[core.member] >= 0).sum(axis=1)
        return self.top_k - (taken - listed)

    def windows(self, sample: Core, width: float) -> Windows:
        """How far a price must move to change its expert's load by the fraction ``width``, seen on the sample."""
        below, above = np.empty((2, self.experts), np.int64)
        reach(sample.sparse, self.price, self.places(sample), self.room(sample), self.floor, width, below, above)
        return below, above

    def approach(self) -> tuple[Core, float]:
        """Find prices from samples; return the first, complete one, and the width of the windows that remain."""
        size = min(self.tokens, max(512, 2 * self.experts))
        everything = np.full((2, self.experts), FAR // 2)
        sample = self.gather(np.sort(self.order[:size]), (everything[0], everything[1]))
        if self.start is None:
            self.descend(sample, 8)
        else:
            self.price[:-1] = self.start
        while True:
            width = SPREAD / math.sqrt(max(1.0, size * self.top_k / self.experts))
            if size == self.tokens:
                return sample, width
            size = min(self.tokens, size * GROWTH)
            core = self.gather(np.sort(self.order[:size]), self.windows(sample, width))
            self.descend(core, 4)

    def settle(self, core: Core) -> bool:
        """Solve the core exactly from the sets it holds; False if it is too narrow for that."""
        load = load_of(core.chosen, self.experts)
        price = self.price
        price[-1] = price[-1] if self.drop else price[:-1].min()
        room = np.maximum(self.capacity - load, 0)
        dummies = np.where(price[:-1] == price[-1], room, 0)
        balance = np.append(load + dummies - self.capacity, 0)
        spare = 0 if self.drop else int(self.capacity.sum()) - self.tokens * self.top_k
        balance[-1] = -balance.sum() if self.drop else spare - dummies.sum()
        free = self.top_k - (core.chosen[core.member] >= 0).sum(axis=1)
        steps = repair(core.sparse, price, balance, dummies, free)
        price -= price[-1] if self.drop or spare else price[:-1].min()
        price[-1] = 0
        return bool(steps >= 0)

    def solve(self) -> Proof | None:
        """Return experts and prices on the grid, or None if no proof was found."""
        if self.top_k == self.experts and not self.drop:
            return np.tile(np.arange(self.experts, dtype=np.int32), (self.tokens, 1)), np.zeros(self.experts, np.int64)
        sample, width = self.approach()
        everyone = np.arange(self.tokens)
        given, settled = None, False
        for _ in range(PASSES):
            core = self.gather(everyone, self.windows(sample, width), given, prove=settled)
            if settled and core.changed == 0:
                return core.chosen, rounded(self.price[:-1], self.rows.shift, self.rows.mask)
            settled = self.settle(core)
            write_back(core.sparse, core.member, core.chosen, self.experts)
            given = core.chosen
            width *= 2 if settled else 8
        return None
