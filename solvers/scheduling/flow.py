"""`ortools-flow`: max flow, source -> expert -> device -> sink, with Newton's method on the peak, by OR-Tools.

The devices on the source side of a minimum cut prove a higher peak whenever the flow falls short (Dinkelbach 1967), so
the method ends at the exact optimum, rational or integral, after a few flows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from ortools.graph.python import max_flow

from equipoise.problems import SchedulingProblem
from equipoise.solvers.claim import Claim
from equipoise.solvers.scheduling.relieve import bound, first_cut, limits


def solve(problem: SchedulingProblem, time_limit: float | None) -> Claim:
    """Solve exactly; :func:`equipoise.solve` runs it in a child process when a limit is set."""
    del time_limit
    devices, peak = first_cut(problem)
    while True:
        limit, unit = limits(problem, peak)
        split, cut = _served(problem, limit - problem.base_load * unit, unit)
        if cut is None:
            return Claim("optimal", peak, split, devices, "OPTIMAL", unit)
        if not cut.any() or (higher := bound(problem, cut)) <= peak:
            return Claim("failed", message="the cut of a flow that falls short proves nothing")
        devices, peak = cut, higher


def _served(
    problem: SchedulingProblem, room: npt.NDArray[np.int64], unit: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
    """Maximum flow into devices of size ``room``: the split, and a minimum cut if it falls short."""
    experts, devices = problem.hosts.shape
    source, sink = experts + devices, experts + devices + 1
    expert, device = np.nonzero(problem.hosts)
    demand = problem.load * unit
    flow = max_flow.SimpleMaxFlow()
    flow.add_arcs_with_capacity(np.full(experts, source), np.arange(experts), demand)
    hosted = flow.add_arcs_with_capacity(expert, experts + device, demand[expert])
    flow.add_arcs_with_capacity(experts + np.arange(devices), np.full(devices, sink), room)
    if flow.solve(source, sink) != flow.OPTIMAL:
        return np.zeros((experts, devices), np.int64), np.zeros(devices, bool)
    split = np.zeros((experts, devices), np.int64)
    split[expert, device] = flow.flows(hosted)
    if flow.optimal_flow() == int(demand.sum()):
        return split, None
    side = np.array([node - experts for node in flow.get_source_side_min_cut() if experts <= node < source], np.int64)
    return split, np.isin(np.arange(devices), side)
