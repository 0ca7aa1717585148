"""One layer: the best map that a search finds, its proof, and how it compares with the map that is deployed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.audits.cluster import Cluster, Integers, certified_schedule, word_of
from equipoise.audits.measures import balancedness
from equipoise.audits.replanning import experts_moved
from equipoise.problems import PlacementProblem
from equipoise.solution import Solution
from equipoise.solvers.claim import Claim
from equipoise.solvers.judge import judge
from equipoise.solvers.migration.relabel import relabel
from equipoise.solvers.placement.bounds import best_bound
from equipoise.solvers.placement.certify import slots_of
from equipoise.solvers.placement.greedy import greedy_counts
from equipoise.solvers.placement.search import improved, near


@dataclass(frozen=True)
class Question:
    """What is asked of every layer.

    Attributes
    ----------
    cluster
        Slots, devices, nodes and groups.
    split
        "even" or "free".
    distinct
        Whether no device may hold an expert twice.
    seconds
        To search one layer.
    worth
        Share of the peak below which a gain is not worth copying experts.
    """

    cluster: Cluster
    split: str
    distinct: bool
    seconds: float
    worth: Fraction = Fraction(0)

    def problem(self, load: Integers) -> PlacementProblem:
        """Return the placement problem of one layer."""
        one = self.cluster
        return PlacementProblem(load, one.slots, one.devices, self.split, one.groups, one.nodes, self.distinct)


KEPT = "the current map"
"""What is said of an answer that moves nothing."""


@dataclass(frozen=True, eq=False)
class MapPeaks:
    """One map on the loads of one layer.

    Attributes
    ----------
    slots
        ``[P]``: the expert in every slot, -1 for an empty one.
    peak
        Of the fullest device, in tokens, with the split that was asked for.
    even_peak, free_peak
        With replicas that share evenly, and with the certified best split of the same map.
    balancedness
        Mean over ``peak``.
    """

    slots: Integers
    peak: Fraction
    even_peak: Fraction
    free_peak: Fraction
    balancedness: float


@dataclass(frozen=True, eq=False)
class Layer:
    """The answer for one layer.

    Attributes
    ----------
    layer
        Its number in the record.
    load
        Tokens of all its experts.
    bound
        Proved: no map has a peak below it.
    best, current
        The best map found, and the one that is deployed; None without one.
    moved
        Experts to copy to a device that does not hold them, to get from ``current`` to ``best``; the least number over
        all ways to number the devices of a node.
    evidence
        Words for "best" ("certified": proved optimal, "bounded": ``bound`` is proved, not met), "schedules" and
        "copies".
    stopped
        Whether the time limit ended the search.
    solution
        What the search found, with the proof of ``bound``.
    """

    layer: int
    load: int
    bound: Fraction
    best: MapPeaks
    current: MapPeaks | None
    moved: int | None
    evidence: dict[str, str]
    stopped: bool
    solution: Solution


def answered(question: Question, unit: tuple[int, Integers, Integers | None]) -> Layer:
    """Search the best map of a layer, given with its loads, and judge it beside the ``current[P]``."""
    layer, load, current = unit
    problem, cluster = question.problem(load), question.cluster
    solution, stopped = found(problem, question.seconds, current, question.worth)
    slots, moved = _slots(solution), None
    evidence = {"best": word_of(solution)}
    now, schedules = None, []
    if current is not None:
        now, word = _peaks(problem, current)
        schedules.append(word)
        slots, evidence["copies"] = relabelled(slots, current, cluster)
        moved = experts_moved(current, slots, cluster.devices)
    best, word = _peaks(problem, slots)
    evidence["schedules"] = word if all(one == word for one in schedules) else "claimed"
    if solution.lower is None:
        raise AssertionError("a bound is always proved")
    total = int(load.sum())
    return Layer(layer, total, solution.lower, best, now, moved, evidence, stopped, solution)


def found(
    problem: PlacementProblem, limit: float, current: Integers | None = None, worth: Fraction = Fraction(0)
) -> tuple[Solution, bool]:
    """Return the best map, with its proof, and whether the time limit of so many seconds struck.

    What is farther from ``current`` must be better by ``worth``, a share of the peak: first comes the current map, then
    one that single steps lead to, then one made from scratch. None of them is worse than the one before.
    """
    began = time.monotonic()
    searches: list[Callable[[], Claim]] = []
    if current is not None:
        counts, half = problem.counts(current), began + limit / 2
        enough = best_bound(problem).value * (1 + worth)
        searches.append(lambda: Claim("feasible", peak_of(problem, current), counts, message=KEPT))
        searches.append(lambda: near(problem, counts, enough, half))
    searches.append(lambda: improved(problem, greedy_counts(problem), began + limit))
    best = searches[0]()
    for search in searches[1:]:
        if _peak(best) <= enough:
            break
        claim = search()
        if _peak(claim) < _peak(best) * (1 - worth):
            best = claim
    stopped = time.monotonic() >= began + limit
    if best.answer is None:
        raise AssertionError("a search returns what it started from, or better")
    answer = best.answer if best.message == KEPT else filled(problem, best.answer)
    return judge(problem, Claim("feasible", answer=answer, message=best.message), "placement-search"), stopped


def filled(problem: PlacementProblem, counts: Integers) -> Integers:
    """Fill empty slots of ``[E, G]`` counts without raising the peak: some frameworks know no empty slots.

    Each gets the expert, of those that the device does not hold, with which the even peak is least; with an even split
    it stays empty if all of them raise the peak, which they never do with a free one.
    """
    counts = counts.copy()
    nodes = problem.num_nodes
    for device in np.repeat(np.arange(problem.num_devices), problem.slots_per_device - counts.sum(axis=0)).tolist():
        first = problem.node_of(device) * problem.num_devices // nodes
        allowed: npt.NDArray[np.bool_] = counts[:, first : first + problem.num_devices // nodes].sum(axis=1) > 0
        if nodes == 1:
            allowed[:] = True
        allowed &= counts[:, device] == 0
        if not allowed.any():
            continue
        replicas = counts.sum(axis=1)
        before, share = problem.load / replicas, problem.load / (replicas + 1)
        held = before @ counts + counts * (share - before)[:, None]
        held[:, device] += share
        after = counts.copy()
        after[int(np.where(allowed, held.max(axis=1), np.inf).argmin()), device] += 1
        if problem.split == "free" or _even(problem, after) <= _even(problem, counts):
            counts = after
    return counts


def relabelled(slots: Integers, current: Integers, cluster: Cluster) -> tuple[Integers, str]:
    """Number the devices of each node so that as few experts as can be have to be copied; peaks stay the same.

    What stays on a device stays in its slot.
    """
    size, nodes = cluster.devices // cluster.nodes, cluster.nodes
    parts = zip(slots.reshape(nodes, -1), current.reshape(nodes, -1), strict=True)
    found = [relabel(placed, old, size) for placed, old in parts]
    words = {word_of(one.solutions[0]) for one in found}
    return np.concatenate([one.physical_to_logical for one in found]), words.pop() if len(words) == 1 else "claimed"


def peak_of(problem: PlacementProblem, slots: Integers) -> Fraction:
    """Return the exact peak of a map ``[P]`` with the problem's split."""
    if problem.split == "even":
        return problem.even_peak(slots)
    return _free(problem, slots)[0]


def _peaks(problem: PlacementProblem, slots: Integers) -> tuple[MapPeaks, str]:
    even = problem.even_peak(slots)
    free, word = _free(problem, slots)
    peak = even if problem.split == "even" else free
    mean = Fraction(int(problem.load.sum()), problem.num_devices)
    return MapPeaks(slots, peak, even, free, balancedness(mean, peak)), word


def _free(problem: PlacementProblem, slots: Integers) -> tuple[Fraction, str]:
    solution = certified_schedule(problem.schedule(slots))
    if solution.objective is None:
        raise AssertionError("every expert is placed, so there is a schedule")
    return solution.objective, word_of(solution)


def _slots(solution: Solution) -> Integers:
    if solution.physical_to_logical is None:
        raise AssertionError("the search starts from a map")
    return solution.physical_to_logical


def _even(problem: PlacementProblem, counts: Integers) -> Fraction:
    return problem.even_peak(slots_of(problem, counts))


def _peak(claim: Claim) -> Fraction:
    if claim.objective is None:
        raise AssertionError("the peak of a map that was found is known")
    return claim.objective
