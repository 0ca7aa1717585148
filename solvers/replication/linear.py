r"""`ortools-highs`: the integer program of :class:`equipoise.ReplicationProblem`, by HiGHS, through OR-Tools' MathOpt.

Tokens are continuous and the peak is whole: for given copies the split is a flow, so whole tokens reach the same peak.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.problems import ReplicationProblem
from equipoise.solvers.by_mathopt import Rows, run
from equipoise.solvers.claim import Claim
from equipoise.solvers.replication.bounds import best_bound
from equipoise.solvers.replication.relaxation import best_weights
from equipoise.solvers.replication.search import best_copies


def solve(problem: ReplicationProblem, time_limit: float | None) -> Claim:
    """Solve; exact up to the solver's tolerances."""
    experts, devices = problem.num_experts, problem.num_devices
    pairs = experts * devices
    expert, device = np.divmod(np.arange(pairs), devices)
    copy = problem.domain.ravel()
    home = problem.home[expert] == device
    x, y, peak = np.arange(pairs), pairs + np.arange(pairs), 2 * pairs
    highest = int(problem.home_load.max())
    weights = best_weights(problem, highest)
    lowest = best_bound(problem, highest, weights).value
    load = problem.load.astype(float)
    model, rows = model_pb2.ModelProto(), Rows()
    model.variables.ids.extend(range(peak + 1))
    model.variables.lower_bounds.extend([0.0] * peak + [float(lowest)])
    model.variables.upper_bounds.extend(
        [*np.where(copy | home, load[expert], 0).tolist(), *copy.astype(float), highest]
    )
    model.variables.integers.extend([False] * pairs + [True] * (pairs + 1))
    model.objective.linear_coefficients.ids.append(peak)
    model.objective.linear_coefficients.values.append(1.0)
    none, zero = np.full(pairs, -np.inf), np.zeros(pairs)
    both = np.concatenate([np.arange(pairs), np.arange(pairs)]), np.concatenate([x, y])
    served = np.minimum(load[expert], highest)
    rows.add(expert, x, np.ones(pairs), load, load)
    held = np.concatenate([device, np.arange(devices)]), np.concatenate([x, np.full(devices, peak)])
    signs = np.concatenate([np.ones(pairs), -np.ones(devices)])
    rows.add(*held, signs, np.full(devices, -np.inf), np.zeros(devices))
    rows.add(*both, np.concatenate([np.ones(pairs), np.where(home, 0, -served)]), none, np.where(home, np.inf, 0))
    if problem.floor:
        rows.add(*both, np.concatenate([np.ones(pairs), np.full(pairs, -float(problem.floor))]), zero, -none)
    rows.add(device, y, np.ones(pairs), np.full(devices, -np.inf), problem.slots.astype(float))
    limit = np.full(experts, float(problem.copies_per_expert))
    rows.add(expert, y, np.ones(pairs), np.full(experts, -np.inf), limit)
    rows.add(np.zeros(pairs, np.int64), y, np.ones(pairs), np.full(1, -np.inf), np.full(1, float(problem.most_copies)))
    rows.write(model)
    result, status, message = run(mathopt.Model.from_model_proto(model), "HIGHS", time_limit, integral=True)
    if not result.has_primal_feasible_solution():
        return Claim("time limit", None, best_copies(problem), weights, message)
    values = result.variable_values()
    placed = np.array([values[one] for one in sorted(values, key=lambda one: one.id)])[pairs : 2 * pairs]
    copies = np.round(placed).astype(bool).reshape(experts, devices)
    return Claim(status, Fraction(result.objective_value()), copies, weights, message)
