"""Slow, obvious answers to device problems, and strategies for small ones; nothing here uses the solvers."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import numpy as np
from hypothesis import strategies as st

from equipoise import SchedulingProblem


@st.composite
def schedules(draw, max_experts=3, max_devices=3, max_load=4, unit_speeds=False, bases=True):
    experts = draw(st.integers(1, max_experts))
    devices = draw(st.integers(1, max_devices))
    load = draw(st.lists(st.integers(0, max_load), min_size=experts, max_size=experts))
    sets = st.sets(st.integers(0, devices - 1), min_size=1)
    hosts = np.zeros((experts, devices), bool)
    for expert in range(experts):
        hosts[expert, list(draw(sets))] = True
    base = draw(st.lists(st.integers(0, 3), min_size=devices, max_size=devices)) if bases else None
    speed = None if unit_speeds else draw(st.lists(st.integers(1, 3), min_size=devices, max_size=devices))
    return SchedulingProblem(load, hosts, base_load=base, speed=speed)


def peak(problem, split):
    """Largest (base + tokens) / speed of a split, in Fractions, one number at a time."""
    worst = Fraction(-1)
    for g in range(problem.num_devices):
        held = Fraction(int(problem.base_load[g]))
        for e in range(problem.num_experts):
            held += Fraction(split[e][g])
        worst = max(worst, held / int(problem.speed[g]))
    return worst


def all_splits(problem):
    """Every integral split, as nested tuples."""
    rows = []
    for e in range(problem.num_experts):
        options = [range(int(problem.load[e]) + 1) if host else range(1) for host in problem.hosts[e]]
        rows.append([row for row in product(*options) if sum(row) == problem.load[e]])
    return product(*rows)


def least_integral_peak(problem):
    return min(peak(problem, split) for split in all_splits(problem))


def least_rational_peak(problem):
    """max over device sets S of (load only S can serve + base(S)) / speed(S)."""
    best = Fraction(0)
    for size in range(1, problem.num_devices + 1):
        for chosen in combinations(range(problem.num_devices), size):
            demand = sum(int(problem.base_load[g]) for g in chosen)
            for e in range(problem.num_experts):
                if all(g in chosen for g in np.flatnonzero(problem.hosts[e])):
                    demand += int(problem.load[e])
            best = max(best, Fraction(demand, sum(int(problem.speed[g]) for g in chosen)))
    return best


def is_optimal_schedule(problem, split, denominator):
    """Naive: feasible, and no integral (or, if tokens may be divided, no rational) split has a lower peak."""
    shares = [[Fraction(int(x), denominator) for x in row] for row in split]
    for e, row in enumerate(shares):
        if sum(row) != int(problem.load[e]) or min(row) < 0:
            return False
        if any(x != 0 and not problem.hosts[e, g] for g, x in enumerate(row)):
            return False
    best = least_rational_peak(problem) if problem.fractional else least_integral_peak(problem)
    return peak(problem, shares) == best
