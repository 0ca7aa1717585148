"""`exchange-search`: experts exchanged one for one while that helps, then a min-cost flow; token prices by GLOP.

The token prices are dual values of the linear relaxation. Beyond LARGEST unknowns they are what the token's K-th expert
scores in the answer, a weaker bound, but one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.grid import total
from equipoise.problems import FewExpertsProblem
from equipoise.solvers.assignment.flow import experts_as_sets, flow_of
from equipoise.solvers.by_mathopt import Rows, run
from equipoise.solvers.claim import Claim

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

LARGEST = 20_000
"""Unknowns x[t, e] up to which the relaxation is solved."""

EVALUATIONS = 20_000
"""Sets of experts that are tried, at most."""


def solve(problem: FewExpertsProblem, time_limit: float | None) -> Claim:
    """Return the best answer found, with prices of the tokens."""
    del time_limit
    chosen = np.zeros(problem.assignment.num_experts, bool)
    chosen[exchanged(problem)] = True
    allowed = np.broadcast_to(chosen, problem.real_values.shape)
    found = flow_of(problem, problem.assignment, allowed, *experts_as_sets(problem.assignment)).answer
    if found is None:
        return Claim("failed", message="the experts chosen cannot be routed to")
    scores = problem.real_values.astype(float)
    prices = relaxed(problem) if problem.size <= LARGEST else None
    if prices is None:
        prices = np.where(found, scores, np.inf).min(axis=1, initial=np.inf)
        prices = np.where(np.isfinite(prices), prices, 0.0)
    return Claim("feasible", total(problem.real_values[found]) * problem.grid.unit, found, prices, "exchanges ended")


def exchanged(problem: FewExpertsProblem) -> Integers:
    """Return B experts that no exchange of one for one improves; capacities count only in all."""
    plain, most = problem.assignment, problem.most_experts
    scores = problem.real_values.astype(float)
    rank = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    votes = (rank < plain.top_k).sum(axis=0) + scores.sum(axis=0) / (1 + np.abs(scores).sum())
    kept = np.argsort(-votes, kind="stable")[:most]
    if not problem.holds(kept):
        kept = np.argsort(-plain.capacity, kind="stable")[:most]
    best, tried, improved = _worth(scores[:, kept], plain.top_k, plain.drop), 0, True
    while improved and tried < EVALUATIONS:
        improved = False
        for place in range(most):
            for expert in np.setdiff1d(np.arange(plain.num_experts), kept).tolist():
                other = kept.copy()
                other[place] = expert
                tried += 1
                if problem.holds(other) and (worth := _worth(scores[:, other], plain.top_k, plain.drop)) > best:
                    kept, best, improved = other, worth, True
    return np.sort(kept)


def _worth(scores: Reals, top_k: int, drop: bool) -> float:
    """Score of the K best of these experts for every token, whatever the capacities."""
    width = scores.shape[1]
    kept = np.partition(scores, width - top_k, axis=1)[:, width - top_k :] if top_k < width else scores
    return float((np.maximum(0, kept) if drop else kept).sum())


def relaxed(problem: FewExpertsProblem) -> Reals | None:
    """Return the dual values ``[real tokens]`` of the places in the linear relaxation, in grid steps."""
    plain, values = problem.assignment, problem.real_values
    tokens, experts = values.shape
    scale = max(1.0, float(np.abs(values).max(initial=0)))
    pairs = tokens * experts
    token, expert = np.divmod(np.arange(pairs), experts)
    x, y = np.arange(pairs), pairs + np.arange(experts)
    model, rows = model_pb2.ModelProto(), Rows()
    model.variables.ids.extend(range(pairs + experts))
    model.variables.lower_bounds.extend([0.0] * (pairs + experts))
    model.variables.upper_bounds.extend([1.0] * (pairs + experts))
    model.variables.integers.extend([False] * (pairs + experts))
    model.objective.maximize = True
    model.objective.linear_coefficients.ids.extend(range(pairs))
    model.objective.linear_coefficients.values.extend((values.ravel() / scale).tolist())
    k = np.full(tokens, float(plain.top_k))
    rows.add(token, x, np.ones(pairs), np.full(tokens, -np.inf) if plain.drop else k, k)
    both = np.concatenate([x, y[expert]])
    signs = np.concatenate([np.ones(pairs), -np.ones(pairs)])
    rows.add(np.concatenate([x, x]), both, signs, np.full(pairs, -np.inf), np.zeros(pairs))
    room = np.minimum(plain.capacity, tokens).astype(float)
    held = np.concatenate([expert, np.arange(experts)]), np.concatenate([x, y])
    rows.add(*held, np.concatenate([np.ones(pairs), -room]), np.full(experts, -np.inf), np.zeros(experts))
    most = np.full(1, float(problem.most_experts))
    rows.add(np.zeros(experts, np.int64), y, np.ones(experts), np.full(1, -np.inf), most)
    rows.write(model)
    result, _, _ = run(mathopt.Model.from_model_proto(model), "GLOP", None)
    if not result.has_dual_feasible_solution():
        return None
    duals = result.dual_values()
    found = np.array([duals[row] for row in sorted(duals, key=lambda row: row.id)[:tokens]]) * scale
    return np.maximum(0, found) if plain.drop else found
