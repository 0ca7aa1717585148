"""`pulp-cbc`: the 0/1 integer program in PuLP, by CBC."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pulp

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.coarse import CoarseScores
from equipoise.solvers.by_pulp import quiet, run_cbc
from equipoise.solvers.claim import Claim

Variables = list[list[Any]]

LARGEST_COST = 10**12 - 1
"""PuLP writes 13 significant digits; a longer coefficient would be another problem."""


@quiet()
def solve(problem: AssignmentProblem, time_limit: float | None) -> Claim:
    """Solve as a 0/1 program."""
    coarse = CoarseScores.of(problem, LARGEST_COST)
    model, x = assignment_model(problem, coarse)
    return run_model(model, x, coarse, time_limit)


def assignment_model(problem: AssignmentProblem, coarse: CoarseScores) -> tuple[pulp.LpProblem, Variables]:
    """Build the model and its variables ``x[T][E]``."""
    tokens, experts = coarse.values.shape
    model = pulp.LpProblem("assignment", pulp.LpMaximize)
    x = [[pulp.LpVariable(f"x_{t}_{e}", cat=pulp.LpBinary) for e in range(experts)] for t in range(tokens)]
    model += pulp.LpAffineExpression(
        [(x[t][e], int(coarse.values[t, e])) for t in range(tokens) for e in range(experts)]
    )
    for row in x:
        total = pulp.lpSum(row)
        model += total <= problem.top_k if problem.drop else total == problem.top_k
    for e, column in enumerate(zip(*x, strict=True)):
        model += pulp.lpSum(column) <= min(int(problem.capacity[e]), tokens)
    return model, x


def run_model(model: pulp.LpProblem, x: Variables, coarse: CoarseScores, time_limit: float | None) -> Claim:
    """Solve; ``sol_status`` is read, because PuLP's ``status`` calls any incumbent optimal."""
    status, message = run_cbc(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    values = np.array([[variable.varValue or 0.0 for variable in row] for row in x])
    if np.abs(values - np.round(values)).max() > 1e-6:
        return Claim("failed", message=f"{message}, but not integral")
    objective = Fraction(pulp.value(model.objective)) * coarse.unit
    return Claim(status, objective, np.round(values).astype(bool), message=message)
