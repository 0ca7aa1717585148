"""What a problem with limits makes of a claim: it is improved on the exact grid, prices are read off its residual."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.limited import LimitedCertificate
from equipoise.problems import AssignmentProblem, LimitedProblem
from equipoise.solvers.assignment.certify import claimed_prices, experts_of, nobody
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.limited.residual import improve, potentials, prices

Booleans = npt.NDArray[np.bool_]


def certify(problem: LimitedProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Improve the claim until the residual network has prices; prove that there is no answer where it claims none.

    A fractional answer is rounded, which makes the optimum of an LP engine exact (its vertices are integral); an answer
    that breaks a limit after that is not mended.
    """
    plain = problem.assignment
    if claim.status == "infeasible":
        yield Candidate(_refutation(problem), infeasible=True)
    held, repairs = (None, []) if claim.answer is None else _rounded(problem, claim.answer)
    price = claimed_prices(plain, claim, more=len(problem.limits))
    if held is None:
        yield Candidate(LimitedCertificate.of(problem, nobody(plain), price))
        return
    cancelled = 0
    while True:
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
    experts = experts_of(plain, held)
    yield Candidate(LimitedCertificate.of(problem, experts, price), {"experts": experts}, tuple(repairs))


def _rounded(problem: LimitedProblem, weights: npt.NDArray[np.generic]) -> tuple[Booleans | None, list[str]]:
    """Round to a 0/1 assignment; None if it keeps not all constraints."""
    held = weights.astype(float) > 0.5
    changed = int((held != weights).sum())
    plain, tree = problem.assignment, problem.tree
    taken = held.sum(axis=1)
    whole = (taken <= plain.top_k).all() if plain.drop else (taken == plain.top_k).all()
    kept = (tree.totals(held) <= problem.capacities[tree.source]).all()
    return held if whole and kept else None, [f"rounded {changed} entries"] * bool(changed)


def _refutation(problem: LimitedProblem) -> LimitedCertificate:
    """Prove that the limits cannot be kept: score every pair 1, drop tokens, and price the largest flow.

    Its value F is the number of assignments for which there is room. Optimal prices have D(q, y) = F on these scores,
    hence at most F - T K < 0 on zero scores in the form that drops nothing.
    """
    from equipoise.solvers.limited import flow  # loads OR-Tools

    plain = problem.assignment
    ones = AssignmentProblem(np.ones(plain.scores.shape, np.int64), plain.top_k, plain.capacity, True, plain.mask)
    largest = LimitedProblem(ones, problem.limits)
    held = flow.solve(largest, None).answer
    assert held is not None, "in the form that drops tokens the empty assignment is feasible"
    potential, moves = potentials(largest, held)
    assert moves is None, "on scores of 1 the engine's grid is exact"
    return LimitedCertificate.of(problem, None, prices(largest, potential))
