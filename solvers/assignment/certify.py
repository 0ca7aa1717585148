"""What an assignment problem makes of a claim: its own proof as it stands, or an answer mended to an optimal one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.grid import PRICE_BITS
from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.mend import mend
from equipoise.solvers.claim import Candidate, Claim

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


def certify(problem: AssignmentProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Mend the claim and read prices off the exchange graph; where time runs out, the engine's own prices bound.

    Any prices bound the optimum from above.
    """
    if claim.proof is not None:
        chosen, prices = claim.proof
        experts = sorted_experts(problem, chosen)
        yield Candidate(AssignmentCertificate.of(problem, experts, prices), {"experts": experts})
        claim = replace(claim, answer=held_matrix(chosen, problem.num_experts))
    mended = None if claim.answer is None else mend(problem, claim.answer, deadline)
    if mended is None:
        yield Candidate(AssignmentCertificate.of(problem, nobody(problem), claimed_prices(problem, claim)))
        return
    prices = claimed_prices(problem, claim) if mended.prices is None else mended.prices
    experts = experts_of(problem, mended.held)
    yield Candidate(AssignmentCertificate.of(problem, experts, prices), {"experts": experts}, tuple(mended.repairs))


def claimed_prices(problem: AssignmentProblem, claim: Claim, unit: Fraction | None = None, more: int = 0) -> Integers:
    """Round the engine's prices ``[E + more]`` to steps of ``unit`` (default: the grid's), or take zeros.

    Integers are such steps already. Every non-negative vector gives an upper bound.
    """
    if claim.duals is None or not np.isfinite(claim.duals).all():
        return np.zeros(problem.num_experts + more, np.int64)
    step = Fraction(1) if claim.duals.dtype.kind == "i" else unit or problem.grid.unit
    exact = [int(Fraction(price) / step) for price in claim.duals.tolist()]
    return np.array([min(max(price, 0), 2**PRICE_BITS) for price in exact], np.int64)


def held_matrix(chosen: npt.NDArray[np.signedinteger], num_experts: int) -> Booleans:
    """Return ``held[tokens, E]`` from ``chosen[tokens, K]``, -1 for none."""
    held = np.zeros((len(chosen), num_experts), bool)
    token, place = np.nonzero(chosen >= 0)
    held[token, chosen[token, place]] = True
    return held


def sorted_experts(problem: AssignmentProblem, chosen: npt.NDArray[np.int32]) -> Integers:
    """Return ``experts[T, K]``, ascending, -1 (last) for none, from ``chosen[real tokens, K]``."""
    experts = nobody(problem)
    rank = np.where(chosen < 0, problem.num_experts, chosen)
    rank.sort(axis=1)
    rank[rank == problem.num_experts] = -1
    experts[problem.tokens] = rank
    experts.flags.writeable = False
    return experts


def experts_of(problem: AssignmentProblem, held: Booleans) -> Integers:
    """Return ``experts[T, K]``, ascending, -1 (last) for none, from ``held[real tokens, E]``."""
    experts = nobody(problem)
    token, expert = np.nonzero(held)
    first = np.searchsorted(token, np.arange(len(held)))
    experts[problem.tokens[token], np.arange(len(token)) - first[token]] = expert
    experts.flags.writeable = False
    return experts


def nobody(problem: AssignmentProblem) -> Integers:
    """Return ``experts[T, K]`` of the empty assignment."""
    return np.full((problem.num_tokens, problem.top_k), -1, np.int64)
