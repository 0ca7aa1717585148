"""What CP-SAT's outcomes mean; shared by the engines that use it."""

from __future__ import annotations

from ortools.sat.python import cp_model

from equipoise.solvers.status import ClaimStatus

STATUS: dict[int, ClaimStatus] = {
    int(cp_model.OPTIMAL): "optimal",
    int(cp_model.FEASIBLE): "feasible",
    int(cp_model.INFEASIBLE): "infeasible",
    int(cp_model.UNKNOWN): "time limit",
}
