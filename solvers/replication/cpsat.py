"""`ortools-cpsat`: the integer program of a replication problem, by CP-SAT; `copy-search` is its hint."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model

from equipoise.problems import ReplicationProblem
from equipoise.solvers.by_cpsat import run
from equipoise.solvers.claim import Claim
from equipoise.solvers.replication.bounds import best_bound
from equipoise.solvers.replication.certify import split_over
from equipoise.solvers.replication.relaxation import best_weights
from equipoise.solvers.replication.search import best_copies


def solve(problem: ReplicationProblem, time_limit: float | None) -> Claim:
    """Solve with one worker, hence deterministically."""
    start = best_copies(problem)
    split = split_over(problem, start)
    assert split is not None, "every move is of at least the floor"
    reached = int(split.sum(axis=0).max())
    weights = best_weights(problem, reached)
    model = cp_model.CpModel()
    peak = model.new_int_var(best_bound(problem, reached, weights).value, reached, "")
    held: list[list[cp_model.LinearExprT]] = [[] for _ in problem.slots]
    copies: dict[tuple[int, int], cp_model.IntVar] = {}
    for expert, (load, home) in enumerate(zip(problem.load.tolist(), problem.home.tolist(), strict=True)):
        served = []
        for device in [home, *np.flatnonzero(problem.domain[expert]).tolist()]:
            most = load if device == home else min(load, reached)
            tokens = model.new_int_var(0, most, "")
            model.add_hint(tokens, int(split[expert, device]))
            served.append(tokens)
            held[device].append(tokens)
            if device != home:
                copy = copies[expert, device] = model.new_bool_var("")
                model.add_hint(copy, bool(start[expert, device]))
                model.add(tokens <= most * copy)
                model.add(tokens >= problem.floor * copy)
        model.add(sum(served) == load)
        model.add(sum(copy for (one, _), copy in copies.items() if one == expert) <= problem.copies_per_expert)
    for device, most in enumerate(problem.slots.tolist()):
        model.add(sum(copy for (_, one), copy in copies.items() if one == device) <= most)
        model.add(sum(held[device]) <= peak)
    model.add(sum(copies.values()) <= problem.most_copies)
    model.minimize(peak)
    solver, status, outcome = run(model, time_limit)
    if status not in ("optimal", "feasible"):
        return Claim(status, None, start, weights, outcome)
    found = np.zeros(problem.domain.shape, bool)
    for (expert, device), copy in copies.items():
        found[expert, device] = bool(solver.value(copy))
    return Claim(status, Fraction(solver.value(peak)), found, weights, outcome)
