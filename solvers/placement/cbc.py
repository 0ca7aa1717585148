"""`pulp-cbc`: placement in either form as an integer program in PuLP, by CBC; a witness for small sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pulp

from equipoise.problems import MigrationProblem, PlacementProblem
from equipoise.solvers.by_pulp import quiet, run_cbc
from equipoise.solvers.claim import Claim
from equipoise.solvers.placement.bounds import best_bound, replica_ranges, solver_seconds
from equipoise.solvers.placement.certify import slots_of
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.placement.swaps import swapped


def solve(problem: PlacementProblem, time_limit: float | None) -> Claim:
    """Solve in the problem's own form."""
    return solve_from(problem, swapped(problem, greedy_counts(problem)), None, time_limit)


@quiet()
def solve_from(
    problem: PlacementProblem,
    start: npt.NDArray[np.int64],
    within: MigrationProblem | None,
    time_limit: float | None,
) -> Claim:
    """Solve for what is no worse than ``start``, ``[E, G]`` counts, and with a migration problem within its moves.

    ``sol_status`` is read: PuLP's ``status`` calls any incumbent optimal.
    """
    experts, devices = range(problem.num_experts), range(problem.num_devices)
    unit = max(1.0, sum(problem.load.tolist()) / problem.num_devices)
    model = pulp.LpProblem("placement", pulp.LpMinimize)
    peak = pulp.LpVariable("peak", float(best_bound(problem).value) / unit)
    model += peak
    even = problem.split == "even"
    on = _even(problem, start, model, peak, unit) if even else _free(problem, model, peak, unit)
    for g in devices:
        model += pulp.lpSum(on[e][g] for e in experts) <= problem.slots_per_device
    if within is not None:
        pairs = np.argwhere(~within.held).tolist()
        moved = {(e, g): pulp.LpVariable(f"moved_{e}_{g}", cat=pulp.LpBinary) for e, g in pairs}
        for e, g in pairs:
            model += on[e][g] <= problem.slots_per_device * moved[e, g]
        model += pulp.lpSum(moved.values()) <= within.most_moves
    if problem.num_nodes > 1:
        _keep_groups(problem, model, on)
    status, message = run_cbc(model, solver_seconds(time_limit))
    message = "OPTIMAL" if status == "optimal" else message
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    counts = np.array([[round(pulp.value(on[e][g]) or 0.0) for g in devices] for e in experts])
    return Claim(status, Fraction(peak.varValue or 0.0) * Fraction(unit), counts, message=message)


def _even(
    problem: PlacementProblem,
    start: npt.NDArray[np.int64],
    model: pulp.LpProblem,
    peak: pulp.LpVariable,
    unit: float,
) -> list[list[pulp.LpAffineExpression]]:
    """Choose the number of replicas r by ``z[e, r]``; a replica among r weighs ``w / r``."""
    experts, devices = range(problem.num_experts), range(problem.num_devices)
    most = replica_ranges(problem, problem.even_peak(slots_of(problem, start)))
    z = {(e, r): pulp.LpVariable(f"z_{e}_{r}", cat=pulp.LpBinary) for e in experts for r in most[e]}
    u = {
        (e, r, g): pulp.LpVariable(f"u_{e}_{r}_{g}", 0, 1 if problem.distinct else r, pulp.LpInteger)
        for e, r in z
        for g in devices
    }
    for e in experts:
        model += pulp.lpSum(z[e, r] for r in most[e]) == 1
        for r in most[e]:
            model += pulp.lpSum(u[e, r, g] for g in devices) == r * z[e, r]
    for g in devices:
        model += pulp.lpSum(int(problem.load[e]) / unit / r * u[e, r, g] for e, r in z) <= peak
    return [[pulp.lpSum(u[e, r, g] for r in most[e]) for g in devices] for e in experts]


def _free(
    problem: PlacementProblem, model: pulp.LpProblem, peak: pulp.LpVariable, unit: float
) -> list[list[pulp.LpVariable]]:
    """Place by binaries ``y[e, g]``, split by ``x[e, g] <= w y``."""
    experts, devices = range(problem.num_experts), range(problem.num_devices)
    y = [[pulp.LpVariable(f"y_{e}_{g}", cat=pulp.LpBinary) for g in devices] for e in experts]
    x = [[pulp.LpVariable(f"x_{e}_{g}", 0) for g in devices] for e in experts]
    for e, load in enumerate(problem.load.tolist()):
        model += pulp.lpSum(x[e]) == load / unit
        model += pulp.lpSum(y[e]) >= 1
        for g in devices:
            model += x[e][g] <= load / unit * y[e][g]
    for g in devices:
        model += pulp.lpSum(x[e][g] for e in experts) <= peak
    return y


def _keep_groups(problem: PlacementProblem, model: pulp.LpProblem, on: list[list[pulp.LpAffineExpression]]) -> None:
    groups, nodes = range(problem.num_groups), range(problem.num_nodes)
    z = [[pulp.LpVariable(f"node_{group}_{node}", cat=pulp.LpBinary) for node in nodes] for group in groups]
    for group in groups:
        model += pulp.lpSum(z[group]) == 1
    for node in nodes:
        model += pulp.lpSum(z[group][node] for group in groups) == problem.num_groups // problem.num_nodes
    for e, row in enumerate(on):
        for g, placed in enumerate(row):
            model += placed <= problem.slots_per_device * z[problem.group_of(e)][problem.node_of(g)]
