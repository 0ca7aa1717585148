"""Running models with OR-Tools' MathOpt; shared by the engines that do."""

from __future__ import annotations

import datetime

from ortools.math_opt.python import mathopt

from equipoise.solvers.claim import ClaimStatus

STATUS: dict[mathopt.TerminationReason, ClaimStatus] = {
    mathopt.TerminationReason.OPTIMAL: "optimal",
    mathopt.TerminationReason.FEASIBLE: "feasible",
    mathopt.TerminationReason.INFEASIBLE: "infeasible",
    mathopt.TerminationReason.NO_SOLUTION_FOUND: "time limit",
}


def run(
    model: mathopt.Model, method: str, time_limit: float | None, *, integral: bool = False
) -> tuple[mathopt.SolveResult, ClaimStatus, str]:
    """Solve by the method of that name ("HIGHS", "GLOP", "PDLP"), without gaps if some variables are integral."""
    limit = None if time_limit is None else datetime.timedelta(seconds=time_limit)
    params = mathopt.SolveParameters(time_limit=limit)
    if integral:
        params.relative_gap_tolerance, params.absolute_gap_tolerance = 0.0, 1e-7
    result = mathopt.solve(model, mathopt.SolverType[method], params=params)
    reason, detail = result.termination.reason, result.termination.detail
    message = f"{reason.name}: {detail}" if detail else reason.name
    otherwise: ClaimStatus = "feasible" if result.has_primal_feasible_solution() else "failed"
    return result, STATUS.get(reason, otherwise), message
