"""`express`: levelling, then shortest relieving paths, with the bound raised by every stuck set; compiled by numba."""

from __future__ import annotations

from equipoise.problems import SchedulingProblem
from equipoise.solvers.scheduling.claim import Claim
from equipoise.solvers.scheduling.express.batch import scheduled
from equipoise.solvers.scheduling.express.network import Network


def solve(problem: SchedulingProblem, time_limit: float | None) -> Claim:
    """Solve exactly, in both forms; :func:`equipoise.solve` runs it in a child process when a limit is set."""
    del time_limit
    best = scheduled(problem.load[None, :], problem, Network.of(problem.hosts))
    return Claim("optimal", best.peaks[0], best.split(0), int(best.denominators[0]), "OPTIMAL", best.devices[0])
