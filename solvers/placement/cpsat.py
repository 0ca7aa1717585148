"""`ortools-cpsat`: the even form with replica counts as choices, by CP-SAT.

``u[e, r, g]`` says that expert e has r replicas and how many of them are on device g; ``z[e, r]`` chooses r, among the
numbers that a placement at least as good as the start can have. Loads are counted in 1/lcm of those numbers where that
fits, else in ``total / 2^50``, rounded up.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from equipoise.problems import MigrationProblem, PlacementProblem
from equipoise.solvers.by_cpsat import run
from equipoise.solvers.claim import Claim
from equipoise.solvers.placement.bounds import best_bound, replica_ranges, solver_seconds
from equipoise.solvers.placement.certify import slots_of
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.placement.swaps import swapped

LARGEST = 2**50


def solve(problem: PlacementProblem, time_limit: float | None) -> Claim:
    """Solve with one worker, hence deterministically; the start, greedy with swaps, is the hint."""
    return solve_from(problem, swapped(problem, greedy_counts(problem)), None, time_limit)


def solve_from(
    problem: PlacementProblem,
    start: npt.NDArray[np.int64],
    within: MigrationProblem | None,
    time_limit: float | None,
) -> Claim:
    """Solve from ``start``, ``[E, G]`` counts, and with a migration problem within its moves."""
    experts, devices = problem.num_experts, problem.num_devices
    upper = problem.even_peak(slots_of(problem, start))
    ranges = replica_ranges(problem, upper)
    total = max(1, sum(problem.load.tolist()))
    unit = Fraction(math.lcm(*{r for replicas in ranges for r in replicas}))
    if unit * total > LARGEST:
        unit = Fraction(LARGEST, total)
    model = cp_model.CpModel()
    u: list[dict[tuple[int, int], cp_model.IntVar]] = []
    held: list[list[cp_model.LinearExprT]] = [[] for _ in range(devices)]
    used: list[list[cp_model.IntVar]] = [[] for _ in range(devices)]
    for expert, load in enumerate(problem.load.tolist()):
        z = {r: model.new_bool_var("") for r in ranges[expert]}
        model.add_exactly_one(z.values())
        u.append({})
        for r, device in product(ranges[expert], range(devices)):
            variable = model.new_int_var(0, 1 if problem.distinct else r, "")
            u[expert][r, device] = variable
            held[device].append(variable * math.ceil(unit * load / r))
            used[device].append(variable)
            model.add_hint(variable, int(start[expert, device]) if start[expert].sum() == r else 0)
        for r in ranges[expert]:
            model.add(sum(u[expert][r, device] for device in range(devices)) == r * z[r])
    peak = model.new_int_var(math.ceil(best_bound(problem).value * unit), math.ceil(upper * unit) + experts, "")
    for device in range(devices):
        model.add(sum(used[device]) <= problem.slots_per_device)
        model.add(sum(held[device]) <= peak)
    if within is None:
        _break_symmetry(model, problem, held)
    else:
        _limit_moves(model, within, u)
    _keep_groups(model, problem, u)
    model.minimize(peak)
    solver, status, outcome = run(model, solver_seconds(time_limit))
    message = f"{outcome}, bound {float(Fraction(solver.best_objective_bound) / unit):.6f}"
    if status not in ("optimal", "feasible"):
        return Claim(status, None, start, message=message)
    counts = np.zeros((experts, devices), np.int64)
    for expert, choices in enumerate(u):
        for (_, device), variable in choices.items():
            counts[expert, device] += solver.value(variable)
    return Claim(status, Fraction(solver.value(peak)) / unit, counts, message=message)


def _break_symmetry(model: cp_model.CpModel, problem: PlacementProblem, held: list[list[cp_model.LinearExprT]]) -> None:
    """Devices of a node are alike: the fuller ones first."""
    for device in range(1, problem.num_devices):
        if problem.node_of(device) == problem.node_of(device - 1):
            model.add(sum(held[device - 1]) >= sum(held[device]))


def _limit_moves(
    model: cp_model.CpModel, within: MigrationProblem, u: list[dict[tuple[int, int], cp_model.IntVar]]
) -> None:
    moved = []
    for expert, device in np.argwhere(~within.held).tolist():
        moved.append(model.new_bool_var(""))
        for (_, place), variable in u[expert].items():
            if place == device:
                model.add(variable == 0).only_enforce_if(~moved[-1])
    model.add(sum(moved) <= within.most_moves)


def _keep_groups(
    model: cp_model.CpModel, problem: PlacementProblem, u: list[dict[tuple[int, int], cp_model.IntVar]]
) -> None:
    if problem.num_nodes == 1:
        return
    on = [[model.new_bool_var("") for _ in range(problem.num_nodes)] for _ in range(problem.num_groups)]
    for group in on:
        model.add_exactly_one(group)
    for node in range(problem.num_nodes):
        model.add(sum(group[node] for group in on) == problem.num_groups // problem.num_nodes)
    for expert, choices in enumerate(u):
        for (_, device), variable in choices.items():
            stays = on[problem.group_of(expert)][problem.node_of(device)]
            model.add(variable == 0).only_enforce_if(~stays)
