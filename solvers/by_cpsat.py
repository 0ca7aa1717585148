"""Running models with CP-SAT; shared by the engines that do."""

from __future__ import annotations

from ortools.sat.python import cp_model

from equipoise.solvers.claim import ClaimStatus

STATUS: dict[int, ClaimStatus] = {
    int(cp_model.OPTIMAL): "optimal",
    int(cp_model.FEASIBLE): "feasible",
    int(cp_model.INFEASIBLE): "infeasible",
    int(cp_model.UNKNOWN): "time limit",
}


def run(
    model: cp_model.CpModel, time_limit: float | None, **parameters: object
) -> tuple[cp_model.CpSolver, ClaimStatus, str]:
    """Solve with one worker, hence deterministically; return the solver with its values, the status and its name."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    for name, value in parameters.items():
        setattr(solver.parameters, name, value)
    if time_limit is not None:
        solver.parameters.max_time_in_seconds = time_limit
    outcome = solver.solve(model)
    return solver, STATUS.get(int(outcome), "failed"), outcome.name
