"""`ortools-highs`, `ortools-glop`, `ortools-pdlp`: the linear program, by HiGHS, simplex or PDLP, through MathOpt."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.coarse import CoarseScores
from equipoise.solvers.by_mathopt import run
from equipoise.solvers.claim import Claim

LARGEST_COST = 2**39
"""Below 1e12: an LP solver's doubles and tolerances resolve no more."""


def solve(problem: AssignmentProblem, time_limit: float | None, method: str) -> Claim:
    """Solve the LP relaxation, which has an integral optimum, by one of MathOpt's methods."""
    coarse = CoarseScores.of(problem, LARGEST_COST)
    return solve_model(assignment_model(problem, coarse), coarse, method, time_limit)


def assignment_model(problem: AssignmentProblem, coarse: CoarseScores) -> model_pb2.ModelProto:
    """Build the LP relaxation; variable ``t * E + e`` is x[t, e], rows are tokens, then experts."""
    tokens, experts = coarse.values.shape
    model = model_pb2.ModelProto()
    count = tokens * experts
    variable = np.arange(count)
    model.variables.ids.extend(variable.tolist())
    model.variables.lower_bounds.extend([0.0] * count)
    model.variables.upper_bounds.extend([1.0] * count)
    model.variables.integers.extend([False] * count)
    model.objective.maximize = True
    priced = np.flatnonzero(coarse.values.ravel())
    model.objective.linear_coefficients.ids.extend(priced.tolist())
    model.objective.linear_coefficients.values.extend(coarse.values.ravel()[priced].astype(float).tolist())
    rows = model.linear_constraints
    rows.ids.extend(range(tokens + experts))
    rows.lower_bounds.extend([-np.inf if problem.drop else problem.top_k] * tokens + [-np.inf] * experts)
    rows.upper_bounds.extend([problem.top_k] * tokens + np.minimum(problem.capacity, tokens).tolist())
    matrix = model.linear_constraint_matrix
    by_expert = variable.reshape(tokens, experts).T.ravel()
    matrix.row_ids.extend(np.concatenate([variable // experts, tokens + by_expert % experts]).tolist())
    matrix.column_ids.extend(np.concatenate([variable, by_expert]).tolist())
    matrix.coefficients.extend([1.0] * (2 * count))
    return model


def solve_model(proto: model_pb2.ModelProto, coarse: CoarseScores, method: str, time_limit: float | None) -> Claim:
    """Solve a model whose first variables and rows are those of :func:`assignment_model`; read x and the prices."""
    model = mathopt.Model.from_model_proto(proto)
    result, status, message = run(model, method, time_limit)
    if not result.has_primal_feasible_solution():
        return Claim(status, message=message)
    variables = list(model.variables())[: coarse.values.size]
    weights = np.array(result.variable_values(variables)).reshape(coarse.values.shape)
    prices = None
    if result.has_dual_feasible_solution():
        capacities = list(model.linear_constraints())[len(coarse.values) :]
        with np.errstate(over="ignore"):  # beyond the floats there are no prices to be had
            prices = np.array(result.dual_values(capacities)) * float(coarse.unit)
    return Claim(status, Fraction(result.objective_value()) * coarse.unit, weights, prices, message)
