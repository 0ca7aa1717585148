"""`ortools-cpsat`: the 0/1 integer program, by CP-SAT."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.coarse import CoarseScores, Scored
from equipoise.solvers.by_cpsat import run
from equipoise.solvers.claim import Claim

Variables = npt.NDArray[Any]


def solve(problem: AssignmentProblem, time_limit: float | None) -> Claim:
    """Solve with one worker, hence deterministically."""
    coarse = coarse_scores(problem)
    model, x = assignment_model(problem, coarse)
    return run_model(model, x, coarse, time_limit)


def coarse_scores(problem: Scored) -> CoarseScores:
    """Return scores on a grid whose sum over all T*E fits CP-SAT's range."""
    return CoarseScores.of(problem, min(2**44, 2**60 // problem.real_values.size))


def assignment_model(problem: AssignmentProblem, coarse: CoarseScores) -> tuple[cp_model.CpModel, Variables]:
    """Build the model and its variables ``x[T, E]``."""
    tokens, experts = coarse.values.shape
    model = cp_model.CpModel()
    x = np.array([[model.new_bool_var("") for _ in range(experts)] for _ in range(tokens)], object)
    for row in x:
        total = cp_model.LinearExpr.sum(row.tolist())
        model.add(total <= problem.top_k if problem.drop else total == problem.top_k)
    for expert in range(experts):
        model.add(cp_model.LinearExpr.sum(x[:, expert].tolist()) <= min(int(problem.capacity[expert]), tokens))
    model.maximize(cp_model.LinearExpr.weighted_sum(x.ravel().tolist(), coarse.values.ravel().tolist()))
    return model, x


def run_model(
    model: cp_model.CpModel, x: Variables, coarse: CoarseScores, time_limit: float | None, presolve: bool = True
) -> Claim:
    """Solve; an objective that is not that of the solution makes the claim a failure."""
    # The relaxation is integral; with less linearization 21 x 7 took minutes.
    solver, status, message = run(model, time_limit, linearization_level=2, cp_model_presolve=presolve)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    chosen = [solver.boolean_value(variable) for variable in x.ravel()]
    weights = np.array(chosen, bool).reshape(x.shape)
    objective = int((weights * coarse.values).astype(object).sum()) * coarse.unit
    reported = solver.objective_value
    if abs(reported - float(objective / coarse.unit)) > 1e-9 * max(1.0, abs(reported)):
        return Claim("failed", message=f"{message}, but objective {reported} is not its solution's")
    return Claim(status, objective, weights, message=message)
