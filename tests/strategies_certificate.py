"""Hypothesis strategies for certificates: valid ones, corrupted ones, and arbitrary ones, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from equipoise import Verdict, solve
from equipoise.certificates.check.assignment import check_assignment
from oracles import Naive, Statement, best_score, naive_check
from strategies_assignment import ALL, problems

EXTREMES = [2**61, -(2**61), 2**61 + 1, -(2**61) - 1, 2**62, 2**63 - 1, -(2**63)]
NUMBERS = st.integers(-4, 6) | st.sampled_from(EXTREMES)


@dataclass(frozen=True)
class Proof:
    """A certificate beside the problem that it speaks of."""

    statement: Statement
    experts: list[list[int]]
    prices: list[int]

    def naive(self) -> Naive:
        return naive_check(self.statement, self.experts, self.prices)

    def production(self) -> Verdict:
        given = self.statement
        mask = None if given.mask is None else np.array(given.mask, bool)
        scores, capacity = np.array(given.scores, np.int64), np.array(given.capacity, np.int64)
        answer = np.array(self.experts, np.int64), np.array(self.prices, np.int64)
        return check_assignment(scores, given.top_k, capacity, given.drop, mask, *answer, given.exponent, given.error)

    def optimum(self) -> Fraction | None:
        """On the grid, in units of the scores; None if nothing is feasible."""
        given = self.statement
        mask = given.mask or [True] * len(given.scores)
        rows = [list(map(Fraction, row)) for row, is_real in zip(given.scores, mask, strict=True) if is_real]
        best = best_score(rows, given.top_k, given.capacity, given.drop)
        return None if best is None else best * Fraction(2) ** -given.exponent


@st.composite
def valid_proofs(draw, kinds=ALL) -> Proof:
    certificate = solve(draw(problems(kinds, max_tokens=4, max_experts=4))).certificate
    return Proof(Statement.of(certificate.statement), certificate.experts.tolist(), certificate.prices.tolist())


@st.composite
def arbitrary_proofs(draw) -> Proof:
    """Statements and certificates that were never near a solver, most of them wrong."""
    tokens, width = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    top_k = draw(st.integers(1, width))

    def matrix(elements, columns):
        return draw(st.lists(_vector(elements, columns), min_size=tokens, max_size=tokens))

    statement = Statement(
        matrix(st.integers(-2, 2) | NUMBERS, width),
        top_k,
        draw(_vector(st.integers(0, tokens + 1) | NUMBERS, width)),
        draw(st.booleans()),
        draw(st.none() | _vector(st.booleans(), tokens)),
        draw(st.integers(-70, 70)),
        draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(3)])),
    )
    experts = matrix(st.integers(-1, width - 1) | st.integers(-2, width), top_k)
    return Proof(statement, experts, draw(_vector(st.integers(0, 3) | NUMBERS, width)))


@st.composite
def corrupted_proofs(draw) -> Proof:
    """A valid certificate with one to three fields changed."""
    proof = draw(valid_proofs())
    for field in draw(st.lists(st.sampled_from(sorted(CORRUPTIONS)), min_size=1, max_size=3)):
        proof = CORRUPTIONS[field](draw, proof)
    return proof


def _vector(elements, size: int):
    return st.lists(elements, min_size=size, max_size=size)


def _altered(draw, numbers: list[int]) -> list[int]:
    """Change one number, by little or altogether, or swap two."""
    numbers = list(numbers)
    where, other = (draw(st.integers(0, len(numbers) - 1)) for _ in range(2))
    by = draw(st.sampled_from([None, 1, -1, 2**20]))
    if by is None:
        numbers[where], numbers[other] = numbers[other], numbers[where]
    else:
        numbers[where] = min(max(numbers[where] + by, -(2**63)), 2**63 - 1)
    return draw(st.just(numbers) | st.just(numbers[:where] + [draw(NUMBERS)] + numbers[where + 1 :]))


def _altered_row(draw, rows: list[list[int]]) -> list[list[int]]:
    where = draw(st.integers(0, len(rows) - 1))
    return [_altered(draw, row) if at == where else row for at, row in enumerate(rows)]


def _stated(proof: Proof, **changes) -> Proof:
    return replace(proof, statement=replace(proof.statement, **changes))


def _other_mask(draw, proof: Proof) -> Proof:
    mask = list(proof.statement.mask or [True] * len(proof.statement.scores))
    where = draw(st.integers(0, len(mask) - 1))
    mask[where] = not mask[where]
    return _stated(proof, mask=draw(st.just(mask) | st.none()))


CORRUPTIONS = {
    "experts": lambda draw, p: replace(p, experts=_altered_row(draw, p.experts)),
    "prices": lambda draw, p: replace(p, prices=_altered(draw, p.prices)),
    "scores": lambda draw, p: _stated(p, scores=_altered_row(draw, p.statement.scores)),
    "capacity": lambda draw, p: _stated(p, capacity=_altered(draw, p.statement.capacity)),
    "top_k": lambda draw, p: _stated(p, top_k=draw(st.integers(1, len(p.prices)))),
    "drop": lambda draw, p: _stated(p, drop=not p.statement.drop),
    "mask": _other_mask,
    "exponent": lambda draw, p: _stated(p, exponent=draw(st.integers(-1100, 1200))),
    "error": lambda draw, p: _stated(p, error=draw(st.fractions(0, 9))),
}
