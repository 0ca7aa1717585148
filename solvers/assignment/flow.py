"""`ortools-flow`: min-cost flow, token -> expert -> sink, by OR-Tools' cost-scaling push-relabel."""

from __future__ import annotations

import numpy as np
from ortools.graph.python import min_cost_flow

from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.claim import Claim, CoarseScores
from equipoise.solvers.status import ClaimStatus

STATUS: dict[object, ClaimStatus] = {
    min_cost_flow.SimpleMinCostFlow.OPTIMAL: "optimal",
    min_cost_flow.SimpleMinCostFlow.FEASIBLE: "feasible",
    min_cost_flow.SimpleMinCostFlow.INFEASIBLE: "infeasible",
}


def solve(problem: AssignmentProblem, time_limit: float | None) -> Claim:
    """Solve on a grid small enough for the solver's scaled costs and for the 63 bits of its total.

    The solver has no time limit of its own; :func:`equipoise.solve` runs it in a child process when one is set.
    """
    del time_limit
    tokens, experts = problem.real_values.shape
    largest = 2**62 // max((tokens + experts + 3) * 2, problem.demand)
    coarse = CoarseScores.of(problem, largest)
    sink = tokens + experts
    token, expert = np.divmod(np.arange(tokens * experts), experts)
    flow = min_cost_flow.SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        token, tokens + expert, np.ones(tokens * experts, np.int64), -coarse.values.ravel()
    )
    room = np.minimum(problem.capacity, tokens)
    flow.add_arcs_with_capacity_and_unit_cost(tokens + np.arange(experts), np.full(experts, sink), room, room * 0)
    if problem.drop:
        each = np.arange(tokens)
        unused = np.full(tokens, problem.top_k)
        flow.add_arcs_with_capacity_and_unit_cost(each, np.full(tokens, sink), unused, unused * 0)
    supply = np.append(np.full(tokens, problem.top_k), -problem.demand)
    flow.set_nodes_supplies(np.append(np.arange(tokens), sink), supply)
    outcome = flow.solve()
    status = STATUS.get(outcome, "failed")
    if status != "optimal":
        return Claim(status, message=str(outcome).rpartition(".")[2])
    weights = flow.flows(arcs).reshape(tokens, experts).astype(bool)
    return Claim("optimal", -flow.optimal_cost() * coarse.unit, weights, message="OPTIMAL")
