"""`pulp-cbc`: the transportation problem as an integer program in PuLP, by CBC; a witness for small sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pulp

from equipoise.problems import TrafficProblem
from equipoise.solvers.by_pulp import quiet, run_cbc
from equipoise.solvers.claim import Claim


@quiet()
def solve(problem: TrafficProblem, time_limit: float | None) -> Claim:
    """Solve with integral flows; ``sol_status`` is read, because PuLP's ``status`` calls any incumbent optimal."""
    devices, experts = problem.source_load.shape
    model = pulp.LpProblem("traffic", pulp.LpMinimize)
    starts = np.argwhere(problem.source_load).tolist()
    f = {
        (s, e, g): pulp.LpVariable(f"f_{s}_{e}_{g}", 0, None, pulp.LpInteger)
        for s, e in starts
        for g in np.flatnonzero(problem.hosts[e]).tolist()
    }
    model += pulp.lpSum(int(problem.cost[s, g]) * variable for (s, _, g), variable in f.items())
    for s, e in starts:
        served = pulp.lpSum(variable for (a, b, _), variable in f.items() if (a, b) == (s, e))
        model += served == int(problem.source_load[s, e])
    for device, limit in enumerate(problem.limit.tolist()):
        model += pulp.lpSum(variable for (_, _, g), variable in f.items() if g == device) <= limit
    status, message = run_cbc(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    flows = np.zeros((devices, experts, devices), np.int64)
    for index, variable in f.items():
        flows[index] = round(variable.varValue or 0.0)
    return Claim(status, Fraction(pulp.value(model.objective) or 0), flows, message=message)
