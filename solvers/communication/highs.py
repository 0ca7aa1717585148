r"""`ortools-highs`: the communication-aware program by HiGHS, through OR-Tools.

    min m + alpha c   s.t.  sum_g x[e,g] = load[e],  l[e,g] <= x[e,g],  l[e,g] <= source[g,e],  sum_e x[e,g] <= m,
                            may_send[g] - sum_e l[e,g] <= c,  sum_e (x[e,g] - l[e,g]) <= c

The linear program is solved in either form, for its dual values; whole tokens take a second, integer solve.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from ortools.math_opt.python import mathopt

from equipoise.problems import CommunicationProblem
from equipoise.solvers.by_mathopt import run
from equipoise.solvers.claim import Claim


def solve(problem: CommunicationProblem, time_limit: float | None) -> Claim:
    """Solve in the problem's own form."""
    relaxed = _solve(problem, False, time_limit)
    if problem.fractional or relaxed.answer is None:
        return relaxed
    whole = _solve(problem, True, time_limit)
    return Claim(whole.status, whole.objective, whole.answer, relaxed.duals, whole.message)


def _solve(problem: CommunicationProblem, integral: bool, time_limit: float | None) -> Claim:
    devices = range(problem.hosts.shape[1])
    model = mathopt.Model()
    peak, busiest = model.add_variable(lb=0.0), model.add_variable(lb=0.0)
    pairs = [(e, g) for e, g in np.argwhere(problem.hosts).tolist()]
    x = {(e, g): model.add_variable(lb=0.0, is_integer=integral) for e, g in pairs}
    stays = {(e, g): model.add_variable(lb=0.0, ub=float(problem.source_load[g, e])) for e, g in pairs}
    for expert, load in enumerate(problem.load.tolist()):
        held = [x[expert, g] for g in np.flatnonzero(problem.hosts[expert]).tolist()]
        model.add_linear_constraint(mathopt.fast_sum(held) == load)
    for pair in pairs:
        model.add_linear_constraint(stays[pair] <= x[pair])
    here = [[(e, g) for e, h in pairs if h == g] for g in devices]
    rows = []
    for g in devices:
        held, local = mathopt.fast_sum(x[p] for p in here[g]), mathopt.fast_sum(stays[p] for p in here[g])
        rows.append(model.add_linear_constraint(held - peak <= 0))
        rows.append(model.add_linear_constraint(-local - busiest <= -problem.may_send[g]))
        rows.append(model.add_linear_constraint(held - local - busiest <= 0))
    model.minimize(peak + float(problem.alpha) * busiest)
    result, status, message = run(model, "HIGHS", None if time_limit is None else time_limit / 2, integral=integral)
    if not result.has_primal_feasible_solution():
        return Claim(status, message=message)
    split = np.zeros(problem.hosts.shape)
    values = result.variable_values()
    for pair, variable in x.items():
        split[pair] = values[variable]
    duals = None
    if not integral and result.has_dual_feasible_solution():
        duals = -np.array(result.dual_values(rows)).reshape(-1, 3).T
    return Claim(status, Fraction(result.objective_value()), split, duals, message)
