"""Running OR-Tools' min-cost flow (cost-scaling push-relabel); shared by the engines that do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.graph.python import min_cost_flow

from equipoise.solvers.claim import ClaimStatus

Integers = npt.NDArray[np.int64]
Arcs = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
"""Tails, heads, capacities and costs."""

STATUS: dict[object, ClaimStatus] = {
    min_cost_flow.SimpleMinCostFlow.OPTIMAL: "optimal",
    min_cost_flow.SimpleMinCostFlow.FEASIBLE: "feasible",
    min_cost_flow.SimpleMinCostFlow.INFEASIBLE: "infeasible",
}


def run(supply: Integers, *arcs: Arcs) -> tuple[Integers | None, int, ClaimStatus, str]:
    """Solve for arcs (tail, head, capacity, cost) and a supply per node.

    Returns the flow on the first group of arcs (None unless optimal), the total cost as the solver says it (which
    saturates at 2^63 - 1), the status and its name. The solver has no time limit of its own: an engine that uses it
    runs in a child process when one is set.
    """
    flow = min_cost_flow.SimpleMinCostFlow()
    numbers = [flow.add_arcs_with_capacity_and_unit_cost(*each) for each in arcs]
    flow.set_nodes_supplies(np.arange(len(supply)), supply)
    outcome = flow.solve()
    status, message = STATUS.get(outcome, "failed"), str(outcome).rpartition(".")[2]
    return flow.flows(numbers[0]) if status == "optimal" else None, flow.optimal_cost(), status, message
