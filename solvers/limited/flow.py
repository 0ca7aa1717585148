"""`ortools-flow`: min-cost flow, token -> smallest set -> larger sets -> sink, by OR-Tools' push-relabel."""

from __future__ import annotations

import numpy as np
from ortools.graph.python import min_cost_flow

from equipoise.problems import LimitedProblem
from equipoise.solvers.assignment.claim import Claim, CoarseScores
from equipoise.solvers.assignment.flow import STATUS


def solve(problem: LimitedProblem, time_limit: float | None) -> Claim:
    """Solve on a grid small enough for the solver's scaled costs and for the 63 bits of its total."""
    del time_limit
    plain, tree = problem.assignment, problem.tree
    tokens, experts = problem.real_values.shape
    sets = len(tree.parent)
    sink = tokens + sets
    coarse = CoarseScores.of(problem, 2**62 // max((sink + 2) * 2, plain.demand))
    token = np.repeat(np.arange(tokens), experts)
    flow = min_cost_flow.SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        token, tokens + tree.leaf.ravel(), np.ones(tokens * experts, np.int64), -coarse.values.ravel()
    )
    room = np.minimum(problem.capacities[tree.source], plain.demand)
    flow.add_arcs_with_capacity_and_unit_cost(tokens + np.arange(sets), tokens + tree.parent, room, room * 0)
    if plain.drop:
        each = np.arange(tokens)
        unused = np.full(tokens, plain.top_k)
        flow.add_arcs_with_capacity_and_unit_cost(each, np.full(tokens, sink), unused, unused * 0)
    supply = np.append(np.full(tokens, plain.top_k), -plain.demand)
    flow.set_nodes_supplies(np.append(np.arange(tokens), sink), supply)
    outcome = flow.solve()
    status = STATUS.get(outcome, "failed")
    if status != "optimal":
        return Claim(status, message=str(outcome).rpartition(".")[2])
    weights = flow.flows(arcs).reshape(tokens, experts).astype(bool)
    return Claim("optimal", -flow.optimal_cost() * coarse.unit, weights, message="OPTIMAL")
