"""What MathOpt's termination reasons mean; shared by the engines that use it."""

from __future__ import annotations

from ortools.math_opt.python import mathopt

from equipoise.solvers.status import ClaimStatus

STATUS: dict[mathopt.TerminationReason, ClaimStatus] = {
    mathopt.TerminationReason.OPTIMAL: "optimal",
    mathopt.TerminationReason.FEASIBLE: "feasible",
    mathopt.TerminationReason.INFEASIBLE: "infeasible",
    mathopt.TerminationReason.NO_SOLUTION_FOUND: "time limit",
}
