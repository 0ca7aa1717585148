"""`pulp-cbc`: the communication-aware program in PuLP, by CBC; a witness for small sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pulp

from equipoise.problems import CommunicationProblem
from equipoise.solvers.by_pulp import quiet, run_cbc
from equipoise.solvers.claim import Claim


@quiet()
def solve(problem: CommunicationProblem, time_limit: float | None) -> Claim:
    """Solve in the problem's own form; ``sol_status`` is read: PuLP's ``status`` calls any incumbent optimal."""
    model = pulp.LpProblem("communication", pulp.LpMinimize)
    category = pulp.LpContinuous if problem.fractional else pulp.LpInteger
    peak, busiest = pulp.LpVariable("peak", 0), pulp.LpVariable("busiest", 0)
    model += peak + float(problem.alpha) * busiest
    pairs = [(e, g) for e, g in np.argwhere(problem.hosts).tolist()]
    x = {(e, g): pulp.LpVariable(f"x_{e}_{g}", 0, None, category) for e, g in pairs}
    stays = {(e, g): pulp.LpVariable(f"l_{e}_{g}", 0, int(problem.source_load[g, e])) for e, g in pairs}
    for expert, load in enumerate(problem.load.tolist()):
        model += pulp.lpSum(x[e, g] for e, g in pairs if e == expert) == load
    for pair in pairs:
        model += stays[pair] <= x[pair]
    for device, most in enumerate(problem.may_send):
        held = pulp.lpSum(x[e, g] for e, g in pairs if g == device)
        local = pulp.lpSum(stays[e, g] for e, g in pairs if g == device)
        model += held <= peak
        model += most - local <= busiest
        model += held - local <= busiest
    status, message = run_cbc(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    split = np.zeros(problem.hosts.shape)
    for pair, variable in x.items():
        split[pair] = variable.varValue or 0.0
    return Claim(status, Fraction(pulp.value(model.objective)), split, message=message)
