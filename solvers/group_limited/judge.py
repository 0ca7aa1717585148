"""From a claim to a solution: "optimal" where a dual bound meets it or independent engines agree, else bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.group_limited import GroupLimitedCertificate
from equipoise.grid import total
from equipoise.problems import GroupLimitedProblem
from equipoise.solution import Solution
from equipoise.solvers.assignment.certify import claimed_prices, experts_of, nobody, score_of
from equipoise.solvers.assignment.claim import Claim
from equipoise.solvers.group_limited.dual import Descent

STEPS = 200
"""Steps of the prices towards an answer that came without."""


def judge(problem: GroupLimitedProblem, claim: Claim, solver: str, deadline: float | None = None) -> Solution:
    """Turn ``claim`` into a :class:`Solution`; its bounds are those that prices prove, evaluated in exact integers.

    Where engines agree beyond what prices prove, the status is "optimal" and the evidence "cross-checked"; ``upper``
    stays the proved one.
    """
    solution = Solution("unknown", solver, raw_objective=claim.objective, raw_status=claim.message or claim.status)
    held = claim.weights if claim.weights is not None and keeps(problem, claim.weights) else None
    if claim.status == "infeasible" and claim.cross_checked:
        return replace(solution, status="infeasible", evidence="cross-checked")
    plain = problem.assignment
    price = _prices(problem, claim, held, deadline)
    experts = nobody(plain) if held is None else experts_of(plain, held)
    certificate = GroupLimitedCertificate.of(problem, experts, price)
    verdict = certificate.verify()
    solution = replace(solution, upper=verdict.upper)
    if held is None:
        return solution
    solution = replace(
        solution, status="bounded", lower=verdict.lower, objective=score_of(problem, held), experts=experts
    )
    if verdict.valid:
        return replace(solution, status="optimal", evidence="certified", certificate=certificate)
    if claim.cross_checked:
        return replace(solution, status="optimal", evidence="cross-checked")
    return solution


def _prices(
    problem: GroupLimitedProblem, claim: Claim, held: npt.NDArray[np.bool_] | None, deadline: float | None
) -> npt.NDArray[np.int64]:
    """The claim's prices, or prices found here; none on experts with room, where an optimum needs none."""
    experts, unit = problem.assignment.num_experts, problem.grid.unit
    if claim.prices is None and held is not None:
        descent = Descent(problem, np.zeros(experts))
        descent.run(total(problem.real_values[held]), STEPS, deadline)
        claim = replace(claim, prices=descent.prices * float(unit))
    price = claimed_prices(claim, experts, unit)
    if held is None:
        return price
    lean = np.where(held.sum(axis=0) < problem.assignment.capacity, 0, price)
    bounds = [Descent(problem, one.astype(float)).bound for one in (price, lean)]
    return lean if bounds[1] <= bounds[0] else price


def keeps(problem: GroupLimitedProblem, held: npt.NDArray[np.bool_]) -> bool:
    """Whether ``held[real tokens, E]`` keeps K, the capacities and the limit on groups."""
    plain = problem.assignment
    taken = held.sum(axis=1)
    whole = (taken <= plain.top_k).all() if plain.drop else (taken == plain.top_k).all()
    used = held.reshape(len(held), problem.num_groups, -1).any(axis=2).sum(axis=1)
    return bool(whole and (held.sum(axis=0) <= plain.capacity).all() and (used <= problem.topk_groups).all())
