r"""`ortools-highs`: the joint program of placement and free split, by HiGHS, through OR-Tools' MathOpt.

    min m   s.t.  sum_g x[e,g] = w[e],  x[e,g] <= w[e] y[e,g],  sum_e x[e,g] <= m,
                  sum_g y[e,g] >= 1,  sum_e y[e,g] <= P / G

with y binary; in the hierarchical form binaries z[group, node], ``y[e,g] <= z[group(e), node(g)]``, one node per group
and equally many groups per node. Devices are alike, so the heaviest expert is put on device 0, and m is kept at or
above the best combinatorial bound, a gap that branch-and-bound alone may never close.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.problems import MigrationProblem, PlacementProblem
from equipoise.solvers.by_mathopt import Rows, run
from equipoise.solvers.claim import Claim
from equipoise.solvers.placement.bounds import best_bound, solver_seconds
from equipoise.solvers.placement.certify import free_split, slots_of
from equipoise.solvers.placement.greedy import greedy_counts


def solve(problem: PlacementProblem, time_limit: float | None) -> Claim:
    """Solve the free form; exact up to the solver's tolerances."""
    return solve_from(problem, greedy_counts(problem), None, time_limit)


def solve_from(
    problem: PlacementProblem,
    start: npt.NDArray[np.int64],
    within: MigrationProblem | None,
    time_limit: float | None,
) -> Claim:
    """Solve from ``start``, ``[E, G]`` counts, and with a migration problem within its moves."""
    split, denominator = free_split(problem, slots_of(problem, start))
    reached = Fraction(int(split.sum(axis=0).max()), denominator)
    unit = max(1.0, float(reached))
    model = mathopt.Model.from_model_proto(free_model(problem, best_bound(problem, reached).value, unit, within))
    result, status, message = run(model, "HIGHS", solver_seconds(time_limit), integral=True)
    message = f"{message}, bound {result.termination.objective_bounds.dual_bound * unit:.6f}"
    if not result.has_primal_feasible_solution():
        return Claim("time limit", None, start, message=message)
    pairs = problem.num_experts * problem.num_devices
    placed = np.array(result.variable_values(list(model.variables())))[pairs : 2 * pairs]
    counts = np.round(placed).astype(np.int64).reshape(problem.num_experts, problem.num_devices)
    return Claim(status, Fraction(result.objective_value()) * Fraction(unit), counts, message=message)


def free_model(
    problem: PlacementProblem, floor: Fraction, unit: float, within: MigrationProblem | None = None
) -> model_pb2.ModelProto:
    """Variables x[e, g], y[e, g], z[group, node], m, in that order; loads in multiples of ``unit``."""
    experts, devices = problem.num_experts, problem.num_devices
    pairs, nodes = experts * devices, problem.num_nodes
    peak = 2 * pairs + problem.num_groups * nodes
    expert, device = np.divmod(np.arange(pairs), devices)
    load = problem.load / unit
    model = model_pb2.ModelProto()
    lower, upper = np.zeros(peak + 1), np.concatenate([load[expert], np.ones(peak - pairs), [np.inf]])
    lower[peak] = float(floor) / unit
    if within is None:
        lower[pairs + int(problem.load.argmax()) * devices] = 1
    model.variables.ids.extend(range(peak + 1))
    model.variables.lower_bounds.extend(lower.tolist())
    model.variables.upper_bounds.extend(upper.tolist())
    model.variables.integers.extend([False] * pairs + [True] * (peak - pairs) + [False])
    model.objective.linear_coefficients.ids.append(peak)
    model.objective.linear_coefficients.values.append(1.0)
    rows = Rows()
    x, y = np.arange(pairs), pairs + np.arange(pairs)
    group = np.array([problem.group_of(e) for e in range(experts)])[expert]
    node = np.array([problem.node_of(g) for g in range(devices)])[device]
    z = 2 * pairs + group * nodes + node
    rows.add(expert, x, np.ones(pairs), load, load)
    rows.add(expert, y, np.ones(pairs), np.ones(experts), np.full(experts, np.inf))
    rows.add(device, y, np.ones(pairs), np.full(devices, -np.inf), np.full(devices, problem.slots_per_device))
    each = np.arange(devices)
    held = np.concatenate([device, each]), np.concatenate([x, np.full(devices, peak)])
    rows.add(*held, np.concatenate([np.ones(pairs), -np.ones(devices)]), np.full(devices, -np.inf), np.zeros(devices))
    both = np.concatenate([np.arange(pairs), np.arange(pairs)])
    none = np.full(pairs, -np.inf), np.zeros(pairs)
    rows.add(both, np.concatenate([x, y]), np.concatenate([np.ones(pairs), -load[expert]]), *none)
    if within is not None:
        new = np.flatnonzero(~within.held.ravel())
        most = np.full(1, float(within.most_moves))
        rows.add(np.zeros(len(new), np.int64), y[new], np.ones(len(new)), np.full(1, -np.inf), most)
    if nodes > 1:
        rows.add(both, np.concatenate([y, z]), np.concatenate([np.ones(pairs), -np.ones(pairs)]), *none)
        choice = np.arange(problem.num_groups * nodes)
        one, share = np.ones(problem.num_groups), np.full(nodes, problem.num_groups // nodes)
        rows.add(choice // nodes, 2 * pairs + choice, np.ones(len(choice)), one, one)
        rows.add(choice % nodes, 2 * pairs + choice, np.ones(len(choice)), share, share)
    rows.write(model)
    return model
