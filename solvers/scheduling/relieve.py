"""From any split to an optimal one, with the device set that proves it: relieve full devices until a set is stuck.

Tokens move from a device above the limit to one below it along fewest hops; a hop moves tokens of an expert that both
its devices host (shortest augmenting paths of the expert-device network, Edmonds and Karp 1972, seen from the
devices). The devices that can be reached where no relief exists hold experts that live nowhere else: they are a cut,
and raise the limit at once to what that cut proves (Newton's method on the peak; Dinkelbach 1967).
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.certificates.check.scheduling import bottleneck
from equipoise.problems import SchedulingProblem

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass
class Relieved:
    """A feasible split (in units of ``1 / denominator``) and the best device set known; optimal unless time ran out."""

    split: Integers
    denominator: int
    devices: Booleans


def relieve(problem: SchedulingProblem, start: Integers, deadline: float | None = None) -> Relieved:
    """Level the feasible integral split ``start[E, G]`` until its peak is proved optimal."""
    devices, peak = first_cut(problem)
    split, denominator = start.copy(), 1
    while True:
        limit, unit = limits(problem, peak)
        if unit != denominator:
            split, denominator = start * unit, unit
        stuck = _level(problem, split, limit, unit, deadline)
        if stuck is None:
            return Relieved(split, denominator, devices)
        devices, peak = stuck, bound(problem, stuck)


def bound(problem: SchedulingProblem, devices: Booleans) -> Fraction:
    """Peak that ``devices`` prove; see :func:`equipoise.certificates.check.scheduling.bottleneck`."""
    return bottleneck(problem.load, problem.hosts, problem.base_load, problem.speed, problem.fractional, devices)


def first_cut(problem: SchedulingProblem) -> tuple[Booleans, Fraction]:
    """Return the best of the obvious cuts, all devices or one alone, and what it proves."""
    everything = np.ones(problem.num_devices, bool)
    tied = problem.hosts.sum(axis=1) == 1
    own = (problem.base_load + problem.load[tied] @ problem.hosts[tied]).tolist()
    alone = [Fraction(held, speed) for held, speed in zip(own, problem.speed.tolist(), strict=True)]
    fullest = max(range(len(alone)), key=alone.__getitem__)
    if alone[fullest] > (proved := bound(problem, everything)):
        return np.arange(problem.num_devices) == fullest, alone[fullest]
    return everything, proved


def limits(problem: SchedulingProblem, peak: Fraction) -> tuple[Integers, int]:
    """Tokens each device may hold at ``peak``, base load included, and the denominator they are counted in."""
    unit = peak.denominator if problem.fractional else 1
    return np.array([peak * unit * speed // 1 for speed in problem.speed.tolist()], np.int64), unit


def rounded(problem: SchedulingProblem, split: npt.NDArray[Any]) -> Integers:
    """Return an integral feasible split near ``split[E, G]``; the rest goes to the largest fractions."""
    whole = np.zeros(problem.hosts.shape, np.int64)
    for expert, load in enumerate(problem.load.tolist()):
        hosts = np.flatnonzero(problem.hosts[expert])
        if not load:
            continue
        shares = np.nan_to_num(np.maximum(split[expert, hosts].astype(float), 0), posinf=0)
        shares = shares * (load / shares.sum()) if shares.sum() > 0 else np.full(len(hosts), load / len(hosts))
        kept = np.floor(shares).astype(np.int64)
        rest, extra = divmod(load - int(kept.sum()), len(hosts))
        kept += rest
        kept[np.argsort(kept - shares, kind="stable")[:extra]] += 1
        while kept.min() < 0:
            low, high = int(kept.argmin()), int(kept.argmax())
            kept[low], kept[high] = 0, kept[high] + kept[low]
        whole[expert, hosts] = kept
    return whole


def _level(
    problem: SchedulingProblem, split: Integers, limit: Integers, unit: int, deadline: float | None
) -> Booleans | None:
    """Move tokens in place until no device is above its limit, or time is up; else return the stuck devices."""
    room = limit - problem.base_load * unit - split.sum(axis=0)
    while (room < 0).any():
        if deadline is not None and time.monotonic() > deadline:
            return None
        path, reached = _way_out(problem.hosts, split, room)
        if path is None:
            return reached
        hops = [(int(np.argmax(np.where(problem.hosts[:, h], split[:, g], 0))), g, h) for g, h in pairwise(path)]
        amount = min(-int(room[path[0]]), int(room[path[-1]]), *(int(split[e, g]) for e, g, _ in hops))
        for expert, source, target in hops:
            split[expert, source] -= amount
            split[expert, target] += amount
        room[path[0]] += amount
        room[path[-1]] -= amount
    return None


def _way_out(hosts: Booleans, split: Integers, room: Integers) -> tuple[list[int] | None, Booleans]:
    """Fewest hops from a device above its limit to one below it; without one, the devices that can be reached."""
    movable = (split > 0).T.astype(np.float32) @ hosts.astype(np.float32) > 0
    came_from = dict.fromkeys(np.flatnonzero(room < 0).tolist(), -1)
    queue = deque(came_from)
    while queue:
        device = queue.popleft()
        if room[device] > 0:
            path = [device]
            while came_from[path[-1]] >= 0:
                path.append(came_from[path[-1]])
            return path[::-1], np.zeros(len(room), bool)
        for target in np.flatnonzero(movable[device]).tolist():
            if target not in came_from:
                came_from[target] = device
                queue.append(target)
    reached = np.zeros(len(room), bool)
    reached[list(came_from)] = True
    return None, reached
