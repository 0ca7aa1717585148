"""Free split at scale: devices in a chain, each passing its surplus to the next through one shared expert.

With ``E + G - 1 <= P`` every expert can have a home slot and every device but one an extra slot. Homes are dealt so
that device loads are nearly equal; the chain is ordered so that the surplus carried from one device to the next is
never negative, and the carrier is an expert at home on the passing device (or passed on to it) with that much load.
Then every device serves exactly the mean, which is optimal: McNaughton's wrap-around rule (1959), with the freedom to
choose the order. A chain that breaks is evaluated all the same; the best of a fixed number of tries is kept.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import PlacementProblem
from equipoise.solvers.placement.certify import peak_of_counts

Integers = npt.NDArray[np.int64]

TRIES = 24


def chained(problem: PlacementProblem, start: Integers) -> Integers:
    """Return ``[E, G]`` counts: the best of ``start`` and of up to ``TRIES`` chains (one node only)."""
    experts, devices = problem.num_experts, problem.num_devices
    best, least = start, peak_of_counts(problem, start)
    if problem.num_nodes > 1 or experts + devices - 1 > problem.num_slots:
        return best
    mean = Fraction(sum(problem.load.tolist()), devices)
    random = np.random.default_rng(0)
    for attempt in range(TRIES):
        if least == mean:
            break
        counts = _chain(problem, _homes(problem, random, attempt))
        peak = peak_of_counts(problem, counts)
        if peak is not None and least is not None and peak < least:
            best, least = counts, peak
    return best


def _homes(problem: PlacementProblem, random: np.random.Generator, attempt: int) -> Integers:
    """``[E]`` home device: heaviest expert first to the least loaded device with room; later attempts add noise."""
    devices, width = problem.num_devices, problem.slots_per_device
    room = np.full(devices, width - 1)
    room[0] += 1
    held = np.zeros(devices)
    home = np.zeros(problem.num_experts, np.int64)
    noise = 1 + 0.02 * attempt * random.standard_normal(problem.num_experts)
    for expert in np.argsort(-problem.load * noise, kind="stable"):
        device = int(np.where(room > 0, held, np.inf).argmin())
        home[expert] = device
        held[device] += problem.load[expert]
        room[device] -= 1
    return home


def _chain(problem: PlacementProblem, home: Integers) -> Integers:
    """Order the devices and share one expert across every link."""
    devices = problem.num_devices
    held = np.bincount(home, problem.load.astype(float), devices)
    surplus = held - held.mean()
    counts = np.zeros((problem.num_experts, devices), np.int64)
    counts[np.arange(problem.num_experts), home] = 1
    largest = np.zeros(devices)
    np.maximum.at(largest, home, problem.load)
    current, carried, left = int(surplus.argmax()), 0.0, set(range(devices))
    passed, passed_load = -1, 0.0
    while True:
        left.discard(current)
        carried = max(0.0, carried + surplus[current])
        if not left:
            return counts
        own = np.flatnonzero(home == current)
        heaviest = int(own[problem.load[own].argmax()]) if len(own) else -1
        load = float(problem.load[heaviest]) if heaviest >= 0 else -1.0
        expert, load = (heaviest, load) if load >= passed_load else (passed, passed_load)
        following = _next(surplus, largest, carried, left)
        if counts[:, following].sum() < problem.slots_per_device:
            counts[expert, following] = 1
        current, passed, passed_load = following, expert, min(load, carried)


def _next(surplus: npt.NDArray[np.float64], largest: npt.NDArray[np.float64], carried: float, left: set[int]) -> int:
    """Choose the device that leaves the least to carry without falling below zero, if there is one."""
    options = sorted(left)
    after = carried + surplus[options]
    if (after >= 0).any():
        return options[int(np.where(after >= 0, after, np.inf).argmin())]
    return options[int(after.argmax())]
