"""The best lower bound on a placement's peak that a certificate can carry; see equipoise.certificates.check."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction

from equipoise.certificates.check.deals import STEPS
from equipoise.certificates.check.placement import is_lower_bound
from equipoise.certificates.kinds.placement import sizes_of
from equipoise.problems import PlacementProblem

MOST_CANDIDATES = 200_000


def solver_seconds(time_limit: float | None) -> float | None:
    """What a solver may use of a limit that includes starting its process and evaluating its answer."""
    return None if time_limit is None else 0.8 * time_limit


@dataclass(frozen=True)
class Bound:
    """A lower bound and the argument that proves it."""

    value: Fraction
    argument: str


def best_bound(problem: PlacementProblem, upper: Fraction | None = None) -> Bound:
    """Return the largest bound that some argument proves; none beyond ``upper``, a peak that was reached."""
    best = max((mean_bound(problem), replica_bound(problem)), key=lambda bound: bound.value)
    best = group_bound(problem, best) or best
    if upper is None or upper <= best.value:
        return best
    if problem.split == "even":
        if too_many_counts(problem, upper):
            return best
        return Bound(upper, "deal") if is_lower_bound(problem.load.tolist(), sizes_of(problem), upper, "deal") else best
    return component_bound(problem, best, upper) or best


def mean_bound(problem: PlacementProblem) -> Bound:
    """Total load over G."""
    return Bound(Fraction(sum(problem.load.tolist()), problem.num_devices), "mean")


def replica_bound(problem: PlacementProblem) -> Bound:
    """Least possible heaviest replica: slots go one by one to the largest ``w / r`` (Adams' apportionment)."""
    most = problem.num_devices if problem.distinct or problem.split == "free" else problem.num_slots
    heap = [(-Fraction(w), 1, w) for w in problem.load.tolist()]
    heapq.heapify(heap)
    for _ in range(problem.num_slots - problem.num_experts):
        _, replicas, load = heap[0]
        if replicas == most or load == 0:
            break
        heapq.heapreplace(heap, (-Fraction(load, replicas + 1), replicas + 1, load))
    return Bound(-heap[0][0], "replica")


def group_bound(problem: PlacementProblem, known: Bound) -> Bound | None:
    """Largest group bound above ``known``: a node's tokens over its devices, or an expert's over its replicas."""
    if problem.num_nodes == 1:
        return None
    statement, own = (problem.load.tolist(), sizes_of(problem)), problem.num_devices // problem.num_nodes

    def proves(value: Fraction) -> bool:
        return is_lower_bound(*statement, value, "groups")

    low = int(known.value * own)  # in units of 1 / own, here and below: proved, not proved
    if not proves(Fraction(low + 1, own)):
        return None
    high = sum(statement[0]) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if proves(Fraction(middle, own)) else (low, middle)
    floor = max(known.value, Fraction(low, own))
    most = problem.num_slots // problem.num_nodes
    shares = (Fraction(w, r) for w in statement[0] for r in range(int(w / (floor + 1)) or 1, most + 1) if w > floor * r)
    between = sorted({share for share in shares if share <= Fraction(high, own)})
    first, last = 0, len(between)
    while first < last:
        middle = (first + last) // 2
        first, last = (middle + 1, last) if proves(between[middle]) else (first, middle)
    best = max(floor, between[first - 1]) if first else floor
    return Bound(best, "groups") if best > known.value else None


def replica_ranges(problem: PlacementProblem, upper: Fraction) -> list[range]:
    """How many replicas each expert can have in an even placement with a peak of at most ``upper``.

    At least ``ceil(w / upper)``, so that none is too heavy, and at most what the others' least numbers leave.
    """
    least = [max(1, -(-w * upper.denominator // upper.numerator)) if upper else 1 for w in problem.load.tolist()]
    spare = problem.num_slots - sum(least)
    return [range(low, min(problem.most_replicas, low + spare) + 1) for low in least]


def too_many_counts(problem: PlacementProblem, upper: Fraction) -> bool:
    """Whether more replica counts allow a peak below ``upper`` than a deal has steps, so that it must give up."""
    if problem.num_nodes > 1:
        return False
    least = [int(w * upper.denominator // upper.numerator) + 1 for w in problem.load.tolist()]
    spare = problem.num_slots - sum(least)
    room = problem.num_devices if problem.distinct else problem.num_slots
    if spare < 0 or max(least) > room:
        return False
    ways = [1] + [0] * spare  # by the number of spare slots taken
    for low in least:
        ways = [sum(ways[max(0, taken + low - room) : taken + 1]) for taken in range(spare + 1)]
        if sum(ways) > STEPS:
            return True
    return False


def component_bound(problem: PlacementProblem, known: Bound, upper: Fraction) -> Bound | None:
    """Largest component bound in ``(known, upper]``; it is an integer load over some number of devices."""
    largest = min(problem.num_devices, problem.num_slots - problem.num_experts + 1)
    spread = sum(int((upper - known.value) * k) + 1 for k in range(1, largest + 1))
    if spread > MOST_CANDIDATES:
        return None
    values = {
        Fraction(load, k)
        for k in range(1, largest + 1)
        for load in range(int(known.value * k), int(upper * k) + 1)
        if known.value < Fraction(load, k) <= upper
    }
    candidates = sorted(values)
    statement = problem.load.tolist(), sizes_of(problem)
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if is_lower_bound(*statement, candidates[middle], "component"):
            low = middle + 1
        else:
            high = middle
    return Bound(candidates[low - 1], "component") if low else None
