"""`ortools-flow`: min-cost flow, (source, expert) -> device -> sink, by OR-Tools' cost-scaling push-relabel."""

from __future__ import annotations

import numpy as np
from ortools.graph.python import min_cost_flow

from equipoise.problems import TrafficProblem
from equipoise.solvers.status import ClaimStatus
from equipoise.solvers.traffic.certify import total_cost
from equipoise.solvers.traffic.claim import Claim

STATUS: dict[object, ClaimStatus] = {
    min_cost_flow.SimpleMinCostFlow.OPTIMAL: "optimal",
    min_cost_flow.SimpleMinCostFlow.FEASIBLE: "feasible",
    min_cost_flow.SimpleMinCostFlow.INFEASIBLE: "infeasible",
}


def solve(problem: TrafficProblem, time_limit: float | None) -> Claim:
    """Solve exactly; the total is recomputed in integers, because OR-Tools saturates its own at 2^63 - 1."""
    del time_limit
    devices, experts = problem.source_load.shape
    source, expert = np.nonzero(problem.source_load)
    supply = problem.source_load[source, expert]
    arc, device = np.nonzero(problem.hosts[expert])
    sink = len(source) + devices
    flow = min_cost_flow.SimpleMinCostFlow()
    moved = flow.add_arcs_with_capacity_and_unit_cost(
        arc, len(source) + device, supply[arc], problem.cost[source[arc], device]
    )
    each = np.arange(devices)
    flow.add_arcs_with_capacity_and_unit_cost(len(source) + each, np.full(devices, sink), problem.limit, each * 0)
    flow.set_nodes_supplies(np.append(np.arange(len(source)), sink), np.append(supply, -supply.sum()))
    outcome = flow.solve()
    status = STATUS.get(outcome, "failed")
    if status != "optimal":
        return Claim(status, message=str(outcome).rpartition(".")[2])
    flows = np.zeros((devices, experts, devices), np.int64)
    flows[source[arc], expert[arc], device] = flow.flows(moved)
    return Claim(status, total_cost(problem, flows), flows, "OPTIMAL")
