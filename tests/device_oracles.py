"""Slow, obvious answers to device problems, and strategies for small ones; nothing here uses the solvers."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product

import numpy as np
from hypothesis import strategies as st

from equipoise import PlacementProblem, SchedulingProblem


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


@st.composite
def placements(draw, splits=("even", "free"), max_experts=4, max_devices=3, max_width=2, max_load=9, nodes=False):
    """Small placement problems, some hierarchical, some with replicas that may share a device."""
    devices = draw(st.integers(1, max_devices))
    width = draw(st.integers(1, max_width))
    split, distinct = draw(st.sampled_from(splits)), draw(st.booleans())
    if nodes:
        devices, groups = 2 * draw(st.integers(1, 2)), 2
        experts = 2 * draw(st.integers(1, min(2, devices * width // 2)))
    else:
        groups, experts = 1, draw(st.integers(1, min(max_experts, devices * width)))
    load = draw(st.lists(st.integers(0, max_load), min_size=experts, max_size=experts))
    hierarchy = {"num_groups": groups, "num_nodes": 2} if nodes else {}
    return PlacementProblem(load, devices * width, devices, split, distinct=distinct, **hierarchy)


def all_placements(problem):
    """Every feasible placement, as slots [P]; devices that are alike in sorted order only, unless there are nodes."""
    width = problem.num_slots // problem.num_devices
    contents = list(combinations_with_replacement(range(-1, problem.num_experts), width))
    if problem.distinct:
        contents = [c for c in contents if all(e == -1 or c.count(e) == 1 for e in c)]
    several = problem.num_nodes > 1
    choose = product(contents, repeat=problem.num_devices)
    if not several:
        choose = combinations_with_replacement(contents, problem.num_devices)
    for devices in choose:
        slots = [e for device in devices for e in device]
        if set(range(problem.num_experts)) <= set(slots) and (not several or keeps_groups(problem, devices)):
            yield slots


def keeps_groups(problem, devices):
    group_size = problem.num_experts // problem.num_groups
    node_size = problem.num_devices // problem.num_nodes
    nodes = [set() for _ in range(problem.num_nodes)]
    for g, device in enumerate(devices):
        nodes[g // node_size] |= {e // group_size for e in device if e >= 0}
    apart = sum(map(len, nodes)) == len(set().union(*nodes))
    return apart and all(len(node) <= problem.num_groups // problem.num_nodes for node in nodes)


def placement_peak(problem, slots):
    """Peak of a placement: replicas share evenly, or the subset formula of the rational split."""
    width = problem.num_slots // problem.num_devices
    devices = [slots[g * width : (g + 1) * width] for g in range(problem.num_devices)]
    if problem.split == "even":
        share = {e: Fraction(int(problem.load[e]), slots.count(e)) for e in slots if e >= 0}
        return max(sum((share[e] for e in device if e >= 0), Fraction(0)) for device in devices)
    hosts = [[e in device for device in devices] for e in range(problem.num_experts)]
    return least_rational_peak(SchedulingProblem(problem.load, hosts))


def least_placement_peak(problem):
    return min(placement_peak(problem, slots) for slots in all_placements(problem))
