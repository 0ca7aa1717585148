"""Slow and obvious oracles in pure Python and exact fractions. They share no code with what they judge."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, permutations

import numpy as np

Rows = list[list[Fraction]]


def exact_scores(problem) -> Rows:
    """Scores of the real tokens as given by the caller, not as rounded to the grid."""
    real = range(problem.num_tokens) if problem.mask is None else np.flatnonzero(problem.mask)
    return [[Fraction(problem.scores[t, e].item()) for e in range(problem.num_experts)] for t in real]


def grid_scores(problem) -> Rows:
    """Scores of the real tokens on the problem's grid."""
    return [[Fraction(int(v)) * problem.grid.unit for v in row] for row in problem.real_values]


def best_score(scores: Rows, top_k: int, capacity: list[int], drop: bool) -> Fraction | None:
    """The largest total over all assignments, by trying them all; None if there is none."""
    sizes = range(top_k + 1) if drop else [top_k]

    @cache
    def best(token: int, room: tuple[int, ...]) -> Fraction | None:
        if token == len(scores):
            return Fraction(0)
        totals = []
        for size in sizes:
            for chosen in combinations([e for e, left in enumerate(room) if left], size):
                rest = best(token + 1, tuple(left - (e in chosen) for e, left in enumerate(room)))
                if rest is not None:
                    totals.append(rest + sum((scores[token][e] for e in chosen), Fraction(0)))
        return max(totals, default=None)

    return best(0, tuple(min(int(c), len(scores)) for c in capacity))


def optimum(problem) -> Fraction:
    """Optimum on the scores as given."""
    return best_score(exact_scores(problem), problem.top_k, problem.capacity.tolist(), problem.drop)


def grid_optimum(problem) -> Fraction:
    """Optimum on the grid."""
    return best_score(grid_scores(problem), problem.top_k, problem.capacity.tolist(), problem.drop)


def assignments_with_loads(tokens: int, experts: int, top_k: int, loads: list[int]):
    """Every assignment of exactly K experts a token with exactly these loads, as tuples of chosen experts."""
    if tokens == 0:
        if not any(loads):
            yield ()
        return
    for chosen in combinations([e for e in range(experts) if loads[e]], top_k):
        rest = [load - (e in chosen) for e, load in enumerate(loads)]
        for others in assignments_with_loads(tokens - 1, experts, top_k, rest):
            yield (chosen, *others)


@dataclass(frozen=True)
class Naive:
    """What the naive checker says."""

    valid: bool
    lower: Fraction | None
    upper: Fraction | None


@dataclass(frozen=True)
class Statement:
    """A problem in plain Python: nested lists of grid integers."""

    scores: list[list[int]]
    top_k: int
    capacity: list[int]
    drop: bool
    mask: list[bool] | None
    exponent: int
    error: Fraction

    @classmethod
    def of(cls, given) -> Statement:
        """Take over a production statement's fields."""
        mask = None if given.mask is None else given.mask.tolist()
        form = (given.top_k, given.capacity.tolist(), given.drop, mask)
        return cls(given.scores.tolist(), *form, given.exponent, given.grid_error)

    @property
    def digest(self) -> str:
        """The hash of docs/reference/certificate-format.md, written down a second time."""
        shape = f"T={len(self.scores)} E={len(self.scores[0])} K={self.top_k} g={self.exponent}"
        flags = f"drop={int(self.drop)} masked={int(self.mask is not None)}"
        text = f"assignment {shape} {flags}\n".encode()
        numbers = [value for row in self.scores for value in row] + list(self.capacity)
        text += b"".join(struct.pack("<q", number) for number in numbers) + bytes(self.mask or [])
        return hashlib.sha256(text).hexdigest()


def naive_check(statement: Statement, experts: list[list[int]], prices: list[int]) -> Naive:
    """Decide on a certificate by the book: feasible, and score equal to the dual bound."""
    bound = 2**61
    numbers = [value for row in statement.scores for value in row] + statement.capacity + prices
    if any(abs(number) > bound for number in numbers) or min(statement.capacity) < 0:
        return Naive(False, None, None)
    width = len(statement.scores[0])
    if len(prices) != width or len(statement.capacity) != width:
        return Naive(False, None, None)
    real = [True] * len(statement.scores) if statement.mask is None else statement.mask
    unit = Fraction(2) ** -statement.exponent
    slip = statement.error * sum(real) * statement.top_k
    dual = _naive_dual(statement, real, prices) if min(prices) >= 0 else None
    score = _naive_score(statement, real, experts)
    return Naive(
        dual is not None and score == dual,
        None if score is None else score * unit - slip,
        None if dual is None else dual * unit + slip,
    )


def _naive_dual(statement: Statement, real: list[bool], prices: list[int]) -> int:
    total = sum(c * q for c, q in zip(statement.capacity, prices, strict=True))
    for row in (row for row, is_real in zip(statement.scores, real, strict=True) if is_real):
        best = sorted((s - q for s, q in zip(row, prices, strict=True)), reverse=True)[: statement.top_k]
        total += sum(max(value, 0) if statement.drop else value for value in best)
    return total


def _naive_score(statement: Statement, real: list[bool], experts: list[list[int]]) -> int | None:
    """Score of a feasible assignment, None of an infeasible one."""
    width = len(statement.scores[0])
    if len(experts) != len(statement.scores) or any(len(row) != statement.top_k for row in experts):
        return None
    load = [0] * width
    total = 0
    for row, scores, is_real in zip(experts, statement.scores, real, strict=True):
        if any(not -1 <= e < width for e in row):
            return None
        chosen = [e for e in row if e >= 0]
        if len(set(chosen)) < len(chosen) or (chosen and not is_real):
            return None
        if is_real and not statement.drop and len(chosen) < statement.top_k:
            return None
        for e in chosen:
            load[e] += 1
            total += scores[e]
    return total if all(have <= most for have, most in zip(load, statement.capacity, strict=True)) else None


def margin_of_bias(scores: Rows, chosen: list[set[int]], bias: list[Fraction]) -> Fraction | None:
    """By how much every chosen ``s + b`` is above every other one of the same token; None if nothing competes."""
    gaps = [
        (row[e] + bias[e]) - (row[f] + bias[f])
        for row, held in zip(scores, chosen, strict=True)
        for e in held
        for f in range(len(row))
        if f not in held
    ]
    return min(gaps, default=None)


def least_cycle_mean(scores: Rows, chosen: list[set[int]]) -> Fraction | None:
    """The least mean loss over all circles of experts along which tokens could move on; None without a circle."""
    width = len(scores[0])
    loss: dict[tuple[int, int], Fraction] = {}
    for row, held in zip(scores, chosen, strict=True):
        for e in held:
            for f in set(range(width)) - held:
                loss[e, f] = min(row[e] - row[f], loss.get((e, f), row[e] - row[f]))
    means = []
    for length in range(2, width + 1):
        for circle in permutations(range(width), length):
            edges = list(zip(circle, circle[1:] + circle[:1], strict=True))
            if all(edge in loss for edge in edges):
                means.append(sum((loss[edge] for edge in edges), Fraction(0)) / length)
    return min(means, default=None)
