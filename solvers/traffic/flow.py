"""`ortools-flow`: min-cost flow, (source, expert) -> device -> sink, by OR-Tools' cost-scaling push-relabel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from equipoise.problems import TrafficProblem
from equipoise.solvers.by_flow import Integers, run
from equipoise.solvers.claim import Claim


def solve(problem: TrafficProblem, time_limit: float | None) -> Claim:
    """Solve exactly; the total is recomputed in integers, because OR-Tools saturates its own at 2^63 - 1."""
    del time_limit
    devices, experts = problem.source_load.shape
    source, expert = np.nonzero(problem.source_load)
    supply = problem.source_load[source, expert]
    arc, device = np.nonzero(problem.hosts[expert])
    sink = len(source) + devices
    each = np.arange(devices)
    found, _, status, message = run(
        np.concatenate([supply, each * 0, [-supply.sum()]]),
        (arc, len(source) + device, supply[arc], problem.cost[source[arc], device]),
        (len(source) + each, np.full(devices, sink), problem.limit, each * 0),
    )
    if found is None:
        return Claim(status, message=message)
    flows = np.zeros((devices, experts, devices), np.int64)
    flows[source[arc], expert[arc], device] = found
    return Claim(status, total_cost(problem, flows), flows, message=message)


def total_cost(problem: TrafficProblem, flows: Integers) -> Fraction:
    """``sum c[s, g] f[s, e, g]``, exactly."""
    moved = flows.astype(object).sum(axis=1)
    return Fraction(int((problem.cost.astype(object) * moved).sum()))
