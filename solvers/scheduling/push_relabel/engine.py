"""`push-relabel`: levelling, then pushes towards room, the bound raised by every set that is stuck; in numba."""

from __future__ import annotations

from equipoise.problems import SchedulingProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.scheduling.push_relabel.batch import scheduled
from equipoise.solvers.scheduling.push_relabel.network import Network


def solve(problem: SchedulingProblem, time_limit: float | None) -> Claim:
    """Solve exactly, in both forms; :func:`equipoise.solve` runs it in a child process when a limit is set."""
    del time_limit
    best = scheduled(problem.load[None, :], problem, Network.of(problem.hosts))
    return Claim("optimal", best.peaks[0], best.split(0), best.devices[0], "OPTIMAL", int(best.denominators[0]))
