"""`ortools-highs`, `ortools-glop`: the linear program with limits, by HiGHS or simplex, through MathOpt."""

from __future__ import annotations

import numpy as np
from ortools.math_opt import model_pb2

from equipoise.problems import LimitedProblem
from equipoise.solvers.assignment.coarse import CoarseScores
from equipoise.solvers.assignment.linear import LARGEST_COST, assignment_model, solve_model
from equipoise.solvers.claim import Claim


def solve(problem: LimitedProblem, time_limit: float | None, method: str) -> Claim:
    """Solve the LP relaxation, which has an integral optimum, by one of MathOpt's methods."""
    coarse = CoarseScores.of(problem, LARGEST_COST)
    return solve_model(limited_model(problem, coarse), coarse, method, time_limit)


def limited_model(problem: LimitedProblem, coarse: CoarseScores) -> model_pb2.ModelProto:
    """Add a row per limit, after those of tokens and experts."""
    model = assignment_model(problem.assignment, coarse)
    tokens, experts = coarse.values.shape
    count = len(problem.limits)
    rows, matrix = model.linear_constraints, model.linear_constraint_matrix
    rows.ids.extend(range(tokens + experts, tokens + experts + count))
    rows.lower_bounds.extend([-np.inf] * count)
    rows.upper_bounds.extend(problem.limit_capacity.tolist())
    for number, (of_tokens, of_experts) in enumerate(zip(problem.limit_tokens, problem.limit_experts, strict=True)):
        inside = np.outer(of_tokens[problem.assignment.tokens], of_experts)
        variables = np.flatnonzero(inside)
        matrix.row_ids.extend([tokens + experts + number] * len(variables))
        matrix.column_ids.extend(variables.tolist())
        matrix.coefficients.extend([1.0] * len(variables))
    return model
