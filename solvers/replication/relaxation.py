"""Weights for the argument "dual": dual values of the linear relaxation, by GLOP, made integers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from equipoise.problems import ReplicationProblem
from equipoise.solvers.by_mathopt import Rows, run
from equipoise.solvers.replication.bounds import best_bound, proves

Integers = npt.NDArray[np.int64]

UNIT = 1 << 30
"""Weights of the devices add up to about this, where others stay below :data:`LARGEST`."""

LARGEST = 1 << 60
"""Of any weight."""


def best_weights(problem: ReplicationProblem, reached: int) -> Integers | None:
    """Return the weights ``[2 G + E + 1]`` that prove the largest bound up to ``reached``; None if none beats the rest.

    The relaxation at a limit caps what a copy serves, so that its value falls as the limit grows: a limit is refuted
    where the value exceeds it.
    """
    best, found = best_bound(problem, reached).value, None
    low, high = best, reached - 1  # the limits that are left to refute
    while low <= high:
        limit = high if high == reached - 1 else (low + high) // 2
        value, weights = relaxation(problem, limit)
        for bound in (limit + 1, math.ceil(value - 1e-6), math.ceil(value - 1e-6) - 1):
            if best < bound <= reached and proves(problem, "dual", weights, bound):
                best, found = bound, weights
                break
        if problem.load.max() <= best:
            break  # no cap binds at any limit that is left: the value stays
        if value > limit:
            low = limit + 1
        else:
            low, high = max(low, best), limit - 1
    return found


def relaxation(problem: ReplicationProblem, limit: int) -> tuple[float, Integers]:
    """Return the lowest peak of the linear relaxation in which a copy serves at most ``limit``, and its weights."""
    model, places = relaxed_model(problem, limit)
    result, _, _ = run(mathopt.Model.from_model_proto(model), "GLOP", None)
    if not result.has_dual_feasible_solution():
        return 0.0, np.zeros(2 * problem.num_devices + problem.num_experts + 1, np.int64)
    values, unit = result.dual_values(), _unit(problem)
    duals = np.maximum(0, -np.array([values[row] for row in sorted(values, key=lambda row: row.id)]))
    peaks, copies = duals[places[0]], unit * np.concatenate([duals[place] for place in places[1:]])
    scale = min(UNIT / max(1e-9, peaks.sum()), LARGEST / max(1e-9, copies.max()))
    weights = np.rint(np.concatenate([peaks, copies]) * scale).astype(np.int64)
    return float(result.objective_value()) * unit, weights


def relaxed_model(problem: ReplicationProblem, limit: int) -> tuple[model_pb2.ModelProto, list[slice]]:
    """State the relaxation in shares of the mean; return the model and where each kind of row is.

    Variables: tokens of every expert at home and on the devices of its domain, then the peak. Rows: the tokens of each
    expert, then what each device serves, its slots, each expert's copies, all copies.
    """
    experts, devices = problem.num_experts, problem.num_devices
    at_home = np.zeros(problem.domain.shape, bool)
    at_home[np.arange(experts), problem.home] = True
    expert, device = np.nonzero(problem.domain | at_home)
    x, copy = np.arange(len(expert)), ~at_home[expert, device]
    peak, unit = len(expert), float(_unit(problem))
    load = problem.load / unit
    each = 1 / np.maximum(1e-12, np.minimum(load, limit / unit))[expert[copy]]
    model, rows = model_pb2.ModelProto(), Rows()
    model.variables.ids.extend(range(peak + 1))
    model.variables.lower_bounds.extend([0.0] * (peak + 1))
    model.variables.upper_bounds.extend([*np.where(copy, load[expert], np.inf).tolist(), np.inf])
    model.variables.integers.extend([False] * (peak + 1))
    model.objective.linear_coefficients.ids.append(peak)
    model.objective.linear_coefficients.values.append(1.0)
    rows.add(expert, x, np.ones(peak), load, load)
    held = np.concatenate([device, np.arange(devices)]), np.concatenate([x, np.full(devices, peak)])
    signs = np.concatenate([np.ones(peak), -np.ones(devices)])
    rows.add(*held, signs, np.full(devices, -np.inf), np.zeros(devices))
    rows.add(device[copy], x[copy], each, np.full(devices, -np.inf), problem.slots.astype(float))
    most = np.full(experts, float(problem.copies_per_expert))
    rows.add(expert[copy], x[copy], each, np.full(experts, -np.inf), most)
    rows.add(np.zeros(int(copy.sum()), np.int64), x[copy], each, np.full(1, -np.inf), np.full(1, problem.most_copies))
    rows.write(model)
    ends = np.cumsum([experts, devices, devices, experts, 1]).tolist()
    return model, [slice(start, end) for start, end in pairwise(ends)]


def _unit(problem: ReplicationProblem) -> int:
    return max(1, problem.mean)
