"""Running models with OR-Tools' MathOpt; shared by the engines that do."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.solvers.claim import ClaimStatus

Array = npt.NDArray[Any]

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


class Rows:
    """Constraint rows in blocks: row numbers start at 0 in every block."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Array, Array, Array]] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(self, row: Array, column: Array, value: Array, low: Array, high: Array) -> None:
        """Append rows ``low <= A x <= high``."""
        self.blocks.append((row + len(self.lower), column, value))
        self.lower.extend(low.tolist())
        self.upper.extend(high.tolist())

    def write(self, model: model_pb2.ModelProto) -> None:
        """Hand the rows over, sorted as MathOpt wants them."""
        row, column, value = (np.concatenate(parts) for parts in zip(*self.blocks, strict=True))
        order = np.lexsort((column, row))
        model.linear_constraints.ids.extend(range(len(self.lower)))
        model.linear_constraints.lower_bounds.extend(self.lower)
        model.linear_constraints.upper_bounds.extend(self.upper)
        model.linear_constraint_matrix.row_ids.extend(row[order].tolist())
        model.linear_constraint_matrix.column_ids.extend(column[order].tolist())
        model.linear_constraint_matrix.coefficients.extend(value[order].tolist())
