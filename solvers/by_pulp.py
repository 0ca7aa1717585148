"""Running PuLP models with CBC; shared by the engines that do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pulp

from equipoise.solvers.claim import ClaimStatus

STATUS: dict[int, ClaimStatus] = {
    pulp.LpSolutionOptimal: "optimal",
    pulp.LpSolutionIntegerFeasible: "feasible",
    pulp.LpSolutionInfeasible: "infeasible",
    pulp.LpSolutionNoSolutionFound: "time limit",
}


@contextmanager
def quiet() -> Iterator[None]:
    """Silence PuLP 3 where it announces the API of PuLP 4; around a block, or a function as a decorator."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        yield


def run_cbc(model: pulp.LpProblem, time_limit: float | None) -> tuple[ClaimStatus, str]:
    """Solve on one thread, without gaps; ``sol_status`` is read: PuLP's ``status`` calls any incumbent optimal."""
    model.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=time_limit, gapRel=0, gapAbs=0))
    return STATUS.get(model.sol_status, "failed"), pulp.LpSolution[model.sol_status]
