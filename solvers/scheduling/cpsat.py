"""`ortools-cpsat`: the integer program, by CP-SAT; a witness for small sizes.

The rational form is solved as an integral one: with V the sum of the speeds, ``m*`` is a fraction whose denominator is
at most V, so tokens cut into lcm(1..V) pieces have an integral optimum at the same peak.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model

from equipoise.problems import SchedulingProblem
from equipoise.solvers.by_cpsat import run
from equipoise.solvers.claim import Claim

LARGEST = 2**50


def solve(problem: SchedulingProblem, time_limit: float | None) -> Claim:
    """Solve with one worker, hence deterministically."""
    speeds = problem.speed.tolist()
    unit = math.lcm(*range(1, sum(speeds) + 1)) if problem.fractional and sum(speeds) <= 40 else 1
    common = math.lcm(*speeds) if not problem.fractional else 1
    if (problem.fractional and sum(speeds) > 40) or problem.total * unit * common * max(speeds) > LARGEST:
        return Claim("failed", message="the numbers are too large for this witness")
    model = cp_model.CpModel()
    hosted = np.argwhere(problem.hosts).tolist()
    loads = (problem.load * unit).tolist()
    x = {(e, g): model.new_int_var(0, loads[e], "") for e, g in hosted}
    peak = model.new_int_var(0, problem.total * unit * common, "")
    for expert, load in enumerate(loads):
        model.add(sum(x[e, g] for e, g in hosted if e == expert) == load)
    for device, (base, speed) in enumerate(zip(problem.base_load.tolist(), speeds, strict=True)):
        held = sum(x[e, g] for e, g in hosted if g == device) + base * unit
        model.add(held * common <= peak * speed)
    model.minimize(peak)
    solver, status, message = run(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, message=message)
    split = np.zeros(problem.hosts.shape, np.int64)
    for (e, g), variable in x.items():
        split[e, g] = solver.value(variable)
    return Claim(status, Fraction(solver.value(peak), unit * common), split, message=message, denominator=unit)
