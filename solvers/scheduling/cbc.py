"""`pulp-cbc`: the linear or integer program in PuLP, by CBC; a witness for small sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pulp

from equipoise.problems import SchedulingProblem
from equipoise.solvers.by_pulp import quiet, run_cbc
from equipoise.solvers.claim import Claim

LARGEST = 10**9
"""Larger totals leave the range in which CBC's tolerance (1e-6 relative) still separates two integers."""


@quiet()
def solve(problem: SchedulingProblem, time_limit: float | None) -> Claim:
    """Solve in the problem's own form; ``sol_status`` is read: PuLP's ``status`` calls any incumbent optimal."""
    if problem.total > LARGEST:
        return Claim("failed", message=f"{problem.total} tokens are more than CBC resolves ({LARGEST})")
    category = pulp.LpContinuous if problem.fractional else pulp.LpInteger
    model = pulp.LpProblem("scheduling", pulp.LpMinimize)
    peak = pulp.LpVariable("peak", 0)
    hosted = np.argwhere(problem.hosts).tolist()
    x = {(e, g): pulp.LpVariable(f"x_{e}_{g}", 0, None, category) for e, g in hosted}
    model += peak
    for expert, load in enumerate(problem.load.tolist()):
        model += pulp.lpSum(x[e, g] for e, g in hosted if e == expert) == load
    for device in range(problem.num_devices):
        held = pulp.lpSum(x[e, g] for e, g in hosted if g == device) + int(problem.base_load[device])
        model += held <= int(problem.speed[device]) * peak
    status, message = run_cbc(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    split = np.zeros(problem.hosts.shape)
    for (e, g), variable in x.items():
        split[e, g] = variable.varValue or 0.0
    objective = Fraction(peak.varValue)
    if problem.fractional:
        return Claim(status, objective, split, message=message)
    if np.abs(split - np.round(split)).max() > 1e-6:
        return Claim("failed", message=f"{message}, but not integral")
    return Claim(status, objective, np.round(split).astype(np.int64), message=message)
