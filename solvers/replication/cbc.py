"""`pulp-cbc`: the integer program of a replication problem in PuLP, by CBC; a witness for small sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pulp

from equipoise.problems import ReplicationProblem
from equipoise.solvers.by_pulp import quiet, run_cbc
from equipoise.solvers.claim import Claim


@quiet()
def solve(problem: ReplicationProblem, time_limit: float | None) -> Claim:
    """Solve; tokens are continuous and the peak is whole."""
    experts, devices = range(problem.num_experts), range(problem.num_devices)
    places = [(e, g) for e, g in np.argwhere(problem.domain).tolist()]
    homes = dict(enumerate(problem.home.tolist()))
    model = pulp.LpProblem("replication", pulp.LpMinimize)
    peak = pulp.LpVariable("peak", problem.mean, int(problem.home_load.max()), pulp.LpInteger)
    model += peak
    x = {(e, g): pulp.LpVariable(f"x_{e}_{g}", 0) for e, g in [*places, *homes.items()]}
    y = {(e, g): pulp.LpVariable(f"y_{e}_{g}", cat=pulp.LpBinary) for e, g in places}
    for e, load in enumerate(problem.load.tolist()):
        model += pulp.lpSum(x[e, g] for g in devices if (e, g) in x) == load
        model += pulp.lpSum(y[e, g] for g in devices if (e, g) in y) <= problem.copies_per_expert
        for g in devices:
            if (e, g) in y:
                model += x[e, g] <= load * y[e, g]
                model += x[e, g] >= problem.floor * y[e, g]
    for g, slots in enumerate(problem.slots.tolist()):
        model += pulp.lpSum(y[e, g] for e in experts if (e, g) in y) <= slots
        model += pulp.lpSum(x[e, g] for e in experts if (e, g) in x) <= peak
    model += pulp.lpSum(y.values()) <= problem.most_copies
    status, message = run_cbc(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    copies = np.zeros(problem.domain.shape, bool)
    for (e, g), chosen in y.items():
        copies[e, g] = round(pulp.value(chosen) or 0.0) == 1
    return Claim(status, Fraction(round(peak.varValue or 0.0)), copies, message=message)
