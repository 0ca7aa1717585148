"""From an engine's claim to a solution: improve it on the exact grid, read prices off, let the check decide."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.limited import LimitedCertificate
from equipoise.problems import AssignmentProblem, LimitedProblem
from equipoise.solution import Solution
from equipoise.solvers.assignment.certify import claimed_prices, experts_of, nobody, score_of
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.limited.residual import improve, potentials, prices

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


def certify(problem: LimitedProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`: "optimal" or "infeasible" only if the certificate was accepted.

    A fractional answer is rounded, which makes the optimum of an LP engine exact (its vertices are integral); an answer
    that breaks a limit after that is not mended.
    """
    solution = Solution("unknown", solver, raw_objective=claim.objective, raw_status=claim.message or claim.status)
    if claim.status == "infeasible":
        return _refuted(problem, solution)
    held, repairs = (None, []) if claim.weights is None else _rounded(problem, claim.weights)
    price = claimed_prices(claim, len(problem.capacities), problem.grid.unit)
    cancelled = 0
    while held is not None:
        potential, moves = potentials(problem, held)
        if moves is None:
            price = prices(problem, potential)
            break
        if deadline is not None and time.monotonic() > deadline:
            break
        improve(held, moves)
        cancelled += 1
    if cancelled:
        repairs.append(f"cancelled {cancelled} improving cycles")
    plain = problem.assignment
    experts = nobody(plain) if held is None else experts_of(plain, held)
    certificate = LimitedCertificate.of(problem, experts, price)
    verdict = certificate.verify()
    solution = replace(solution, lower=verdict.lower if held is not None else None, upper=verdict.upper)
    if held is None:
        return solution
    return replace(
        solution,
        status="optimal" if verdict.valid else "bounded",
        evidence="certified" if verdict.valid else "claimed",
        objective=score_of(problem, held),
        experts=experts,
        certificate=certificate if verdict.valid else None,
        repairs=tuple(repairs),
    )


def _rounded(problem: LimitedProblem, weights: npt.NDArray[np.generic]) -> tuple[Booleans | None, list[str]]:
    """Round to a 0/1 assignment; None if it keeps not all constraints."""
    held = weights.astype(float) > 0.5
    changed = int((held != weights).sum())
    plain, tree = problem.assignment, problem.tree
    taken = held.sum(axis=1)
    whole = (taken <= plain.top_k).all() if plain.drop else (taken == plain.top_k).all()
    kept = (tree.totals(held) <= problem.capacities[tree.source]).all()
    return held if whole and kept else None, [f"rounded {changed} entries"] * bool(changed)


def _refuted(problem: LimitedProblem, solution: Solution) -> Solution:
    """Prove that the limits cannot be kept: score every pair 1, drop tokens, and price the largest flow.

    Its value F is the number of assignments for which there is room. Optimal prices have D(q, y) = F on these scores,
    hence at most F - T K < 0 on zero scores in the form that drops nothing.
    """
    from equipoise.solvers.limited import flow  # loads OR-Tools

    plain = problem.assignment
    ones = AssignmentProblem(np.ones(plain.scores.shape, np.int64), plain.top_k, plain.capacity, True, plain.mask)
    largest = LimitedProblem(ones, problem.limits)
    held = flow.solve(largest, None).weights
    assert held is not None, "in the form that drops tokens the empty assignment is feasible"
    potential, moves = potentials(largest, held)
    assert moves is None, "on scores of 1 the engine's grid is exact"
    certificate = LimitedCertificate.of(problem, None, prices(largest, potential))
    if not certificate.verify().valid:
        return solution
    return replace(solution, status="infeasible", evidence="certified", certificate=certificate)
