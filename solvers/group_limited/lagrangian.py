"""`lagrangian`: bounds for inputs beyond integer programming. Prices by subgradients, an answer by min-cost flow.

At good prices every token's own choice names M groups; with these fixed the rest is an assignment problem with some
arcs missing, a network flow again, whose optimum is a feasible answer.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from equipoise.certificates.kinds.assignment import AssignmentCertificate
from equipoise.grid import total
from equipoise.problems import GroupLimitedProblem
from equipoise.solvers.assignment.certify import certify
from equipoise.solvers.assignment.flow import experts_as_sets, flow_of
from equipoise.solvers.assignment.flow import solve as solve_plain
from equipoise.solvers.claim import Claim
from equipoise.solvers.group_limited.dual import Descent, best_choices

Booleans = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

ROUNDS = 8
"""Answers that are tried."""

STEPS = 25
"""Steps of the prices after each."""


def solve(problem: GroupLimitedProblem, time_limit: float | None) -> Claim:
    """Alternate between better prices and an answer in the groups that they name, from the prices without groups."""
    deadline = None if time_limit is None else time.monotonic() + time_limit
    descent = Descent(problem, _plain_prices(problem))
    answer: Booleans | None = None
    value: int | None = None
    for _ in range(ROUNDS):
        found = restricted_optimum(problem, _allowed(problem, descent.prices))
        if found is not None and (value is None or total(problem.real_values[found]) > value):
            answer, value = found, total(problem.real_values[found])
        target = 0.99 * descent.bound if value is None else value
        descent.run(target, STEPS, deadline)
        if descent.bound <= target or (deadline is not None and time.monotonic() > deadline):
            break
    prices = descent.prices.astype(np.int64)
    if answer is None or value is None:
        return Claim("failed", duals=prices, message="no answer in the groups that the prices name")
    return Claim("feasible", value * problem.grid.unit, answer, prices, "subgradients")


def restricted_optimum(problem: GroupLimitedProblem, allowed: Booleans) -> Booleans | None:
    """Return the best assignment within ``allowed[T, E]``, by min-cost flow; None if there is none."""
    return flow_of(problem, problem.assignment, allowed, *experts_as_sets(problem.assignment)).answer


def _allowed(problem: GroupLimitedProblem, prices: Numbers) -> Booleans:
    """The groups of every token's choice at these prices, filled up to M by their best expert."""
    plain, groups = problem.assignment, problem.num_groups
    reduced = problem.real_values - prices
    _, chosen = best_choices(reduced, plain.top_k, groups, problem.topk_groups, plain.drop)
    by_group = (len(reduced), groups, -1)
    used = chosen.reshape(by_group).any(axis=2)
    rank = np.where(used, np.inf, reduced.reshape(by_group).max(axis=2))
    best = np.argsort(-rank, axis=1, kind="stable")[:, : problem.topk_groups]
    allowed = np.zeros(used.shape, bool)
    np.put_along_axis(allowed, best, True, axis=1)
    return np.repeat(allowed, reduced.shape[1] // groups, axis=1)


def _plain_prices(problem: GroupLimitedProblem) -> Numbers:
    """Optimal prices without the limit on groups, in steps of the problem's grid; zeros where the flow fails."""
    plain = problem.assignment
    certificate = next(certify(plain, solve_plain(plain, None), None)).certificate
    assert isinstance(certificate, AssignmentCertificate)
    return np.round(certificate.prices.astype(float) * float(plain.grid.unit / problem.grid.unit))
