"""What a problem with limits on groups makes of a claim: an answer as it stands, and the best prices at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.group_limited import GroupLimitedCertificate
from equipoise.grid import total
from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.assignment.certify import claimed_prices, experts_of, nobody
from equipoise.solvers.claim import Candidate, Claim
from equipoise.solvers.group_limited.dual import Descent

STEPS = 200
"""Steps of the prices towards an answer that came without."""


def certify(problem: GroupLimitedProblem, claim: Claim, deadline: float | None) -> Iterator[Candidate]:
    """Take the answer if it keeps every constraint; prices bound the optimum, evaluated in exact integers."""
    if claim.status == "infeasible" and claim.cross_checked:
        yield Candidate(None, infeasible=True)
        return
    held = claim.answer if claim.answer is not None and keeps(problem, claim.answer) else None
    price = _prices(problem, claim, held, deadline)
    experts = nobody(problem.assignment) if held is None else experts_of(problem.assignment, held)
    certificate = GroupLimitedCertificate.of(problem, experts, price)
    yield Candidate(certificate, {} if held is None else {"experts": experts})


def _prices(
    problem: GroupLimitedProblem, claim: Claim, held: npt.NDArray[np.bool_] | None, deadline: float | None
) -> npt.NDArray[np.int64]:
    """The claim's prices, or prices found here; none on experts with room, where an optimum needs none.

    A price above all differences of scores keeps an expert empty; more would only leave the range of the check.
    """
    experts, values = problem.assignment.num_experts, problem.real_values
    if claim.duals is None and held is not None:
        descent = Descent(problem, np.zeros(experts))
        descent.run(total(values[held]), STEPS, deadline)
        claim = replace(claim, duals=descent.prices.astype(np.int64))
    price = claimed_prices(problem.assignment, claim, problem.grid.unit)
    price = np.minimum(price, 2 * int(np.abs(values).max()) + 1)
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
