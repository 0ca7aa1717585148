"""From an engine's claim to a solution: mend it, build prices, and let the solver-free check decide."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.grid import PRICE_BITS, total
from equipoise.problems import AssignmentProblem
from equipoise.solution import Solution
from equipoise.solvers.assignment.claim import Claim, Scored
from equipoise.solvers.assignment.mend import mend


def certify(problem: AssignmentProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`: "optimal" only if the certificate was accepted.

    Where time runs out the bounds stay rigorous: any prices bound the optimum from above, also an engine's own.
    """
    if claim.proof is not None:
        proved = of_proof(problem, claim, solver)
        if proved.certificate is not None:
            return proved
        claim = replace(claim, weights=held_matrix(*claim.proof, len(problem.tokens)))
    mended = None if claim.weights is None else mend(problem, claim.weights, deadline)
    prices = None if mended is None else mended.prices
    if prices is None:
        prices = claimed_prices(claim, problem.num_experts, problem.grid.unit)
    experts = nobody(problem) if mended is None else experts_of(problem, mended.held)
    certificate = AssignmentCertificate.of(problem, experts, prices)
    verdict = certificate.verify()
    solution = Solution("unknown", solver, lower=verdict.lower, upper=verdict.upper)
    if mended is not None:
        solution = replace(
            solution,
            status="optimal" if verdict.valid else "bounded",
            evidence="certified" if verdict.valid else "claimed",
            objective=score_of(problem, mended.held),
            experts=experts,
            certificate=certificate if verdict.valid else None,
            repairs=tuple(mended.repairs),
        )
    return replace(solution, raw_objective=claim.objective, raw_status=claim.message or claim.status)


def of_proof(problem: AssignmentProblem, claim: Claim, solver: str) -> Solution:
    """Check an answer that came with its prices."""
    assert claim.proof is not None
    chosen, prices = claim.proof
    experts = nobody(problem)
    rank = np.where(chosen < 0, problem.num_experts, chosen)
    rank.sort(axis=1)
    experts[problem.tokens] = np.where(rank == problem.num_experts, -1, rank)
    experts.flags.writeable = False
    certificate = AssignmentCertificate.of(problem, experts, prices)
    verdict = certificate.verify()
    if not verdict.valid or verdict.lower is None:
        return Solution("unknown", solver, lower=verdict.lower, upper=verdict.upper)
    return Solution(
        "optimal",
        solver,
        "certified",
        objective=verdict.lower + len(problem.tokens) * problem.top_k * problem.grid.error,
        lower=verdict.lower,
        upper=verdict.upper,
        experts=experts,
        certificate=certificate,
        raw_objective=claim.objective,
        raw_status=claim.message or claim.status,
    )


def held_matrix(chosen: npt.NDArray[np.int32], prices: npt.NDArray[np.int64], tokens: int) -> npt.NDArray[np.bool_]:
    """Return ``held[real tokens, E]`` from ``chosen[real tokens, K]``, -1 for none."""
    held = np.zeros((tokens, len(prices)), bool)
    token, place = np.nonzero(chosen >= 0)
    held[token, chosen[token, place]] = True
    return held


def claimed_prices(claim: Claim, count: int, unit: Fraction) -> npt.NDArray[np.int64]:
    """Round the engine's prices to the grid, or take zeros; every non-negative vector gives an upper bound."""
    if claim.prices is None or not np.isfinite(claim.prices).all():
        return np.zeros(count, np.int64)
    exact = [int(Fraction(price) / unit) for price in claim.prices]
    return np.array([min(max(price, 0), 2**PRICE_BITS) for price in exact], np.int64)


def experts_of(problem: AssignmentProblem, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return ``experts[T, K]``, ascending, -1 for none, from ``held[real tokens, E]``."""
    experts = nobody(problem)
    token, expert = np.nonzero(held)
    first = np.searchsorted(token, np.arange(len(held)))
    experts[problem.tokens[token], np.arange(len(token)) - first[token]] = expert
    experts.flags.writeable = False
    return experts


def nobody(problem: AssignmentProblem) -> npt.NDArray[np.int64]:
    """Return ``experts[T, K]`` of the empty assignment."""
    return np.full((problem.num_tokens, problem.top_k), -1, np.int64)


def score_of(problem: Scored, held: npt.NDArray[np.bool_]) -> Fraction:
    """Return the exact score of ``held[real tokens, E]`` on the problem's grid."""
    return total(problem.real_values[held]) * problem.grid.unit
