"""`ortools-highs`, `ortools-glop`: the linear program of MicroMoE (arXiv 2511.16947), through OR-Tools' MathOpt."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.problems import SchedulingProblem
from equipoise.solvers.by_mathopt import run
from equipoise.solvers.claim import Claim


def solve(problem: SchedulingProblem, time_limit: float | None, method: str) -> Claim:
    """Solve by one of MathOpt's methods; exact up to its tolerance, the split is fractional in both forms."""
    unit = max(1.0, problem.total / problem.num_devices)
    model = mathopt.Model.from_model_proto(scheduling_model(problem, unit))
    result, status, message = run(model, method, time_limit)
    if not result.has_primal_feasible_solution():
        return Claim(status, message=message)
    split = np.zeros(problem.hosts.shape)
    split[problem.hosts] = np.array(result.variable_values(list(model.variables()))[:-1]) * unit
    return Claim(status, Fraction(result.objective_value()) * Fraction(unit), split, message=message)


def scheduling_model(problem: SchedulingProblem, unit: float) -> model_pb2.ModelProto:
    """Build the LP in multiples of ``unit`` tokens; variables are hosted pairs (expert, device), then the peak m.

    Rows are experts (``sum_g x = load``), then devices (``sum_e x - v m <= -b``).
    """
    experts, devices = problem.hosts.shape
    expert, device = np.nonzero(problem.hosts)
    count = len(expert)
    model = model_pb2.ModelProto()
    model.variables.ids.extend(range(count + 1))
    model.variables.lower_bounds.extend([0.0] * (count + 1))
    model.variables.upper_bounds.extend([np.inf] * (count + 1))
    model.variables.integers.extend([False] * (count + 1))
    model.objective.linear_coefficients.ids.append(count)
    model.objective.linear_coefficients.values.append(1.0)
    rows = model.linear_constraints
    rows.ids.extend(range(experts + devices))
    rows.lower_bounds.extend([*(problem.load / unit), *[-np.inf] * devices])
    rows.upper_bounds.extend([*(problem.load / unit), *(-problem.base_load / unit)])
    row = np.concatenate([expert, experts + device, experts + np.arange(devices)])
    column = np.concatenate([np.arange(count), np.arange(count), np.full(devices, count)])
    value = np.concatenate([np.ones(2 * count), -problem.speed.astype(float)])
    order = np.lexsort((column, row))
    model.linear_constraint_matrix.row_ids.extend(row[order].tolist())
    model.linear_constraint_matrix.column_ids.extend(column[order].tolist())
    model.linear_constraint_matrix.coefficients.extend(value[order].tolist())
    return model
