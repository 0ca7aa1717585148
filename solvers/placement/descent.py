"""Free split at scale: local search over placements, each judged by the exact peak of its best split.

The compiled scheduler (:mod:`equipoise.solvers.scheduling.push_relabel`) gives the peak of a placement and the set of
devices that cannot get below it. Only an expert whose replicas all lie in that set can be to blame, so every move gives
such an expert a device outside it (on the same node): in an empty slot, in place of a spare replica, or in exchange
for another expert. A move that does not raise the peak is kept; after PATIENCE moves without gain the best placement is
shaken. Everything is drawn from one seed, and evaluations are counted, not seconds: the answer is the same everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import PlacementProblem, SchedulingProblem
from equipoise.solvers.scheduling.push_relabel.batch import scheduled
from equipoise.solvers.scheduling.push_relabel.network import Network

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

EVALUATIONS = 10_000
"""At most; and no more than 25 for every pair of an expert and a device."""

PATIENCE = 250
SHAKES = 3
"""Moves of a shake, kept whatever they do to the peak."""


class Judge:
    """Peak of the best split of a placement, and the devices that cannot get below it."""

    def __init__(self, problem: PlacementProblem) -> None:
        self._loads = problem.load[None, :]
        everywhere = np.ones((problem.num_experts, problem.num_devices), bool)
        self._form = SchedulingProblem(problem.load, everywhere, fractional=True)

    def __call__(self, hosts: Booleans) -> tuple[Fraction, Booleans]:
        """Judge ``hosts[E, G]``."""
        best = scheduled(self._loads, self._form, Network.of(hosts))
        return best.peaks[0], best.devices[0]


def descended(
    problem: PlacementProblem,
    start: Integers,
    floor: Fraction,
    evaluations: int = EVALUATIONS,
    deadline: float | None = None,
    allowed: Callable[[Booleans], bool] = lambda hosts: True,
) -> Integers:
    """Return ``[E, G]`` counts at least as good as ``start``; stops at ``floor``, a bound that no placement beats.

    At ``deadline``, of ``time.monotonic``, it returns the best so far. What is not ``allowed`` is passed by.
    """
    best = hosts = start > 0
    judge, random = Judge(problem), np.random.default_rng(0)
    peak, stuck = judge(hosts)
    least, failures = (peak, stuck), 0
    for _ in range(min(evaluations, 25 * hosts.size)):
        if least[0] <= floor or (deadline is not None and time.monotonic() >= deadline):
            break
        if failures >= PATIENCE:
            hosts, failures = best, 0
            for _ in range(SHAKES):
                moved = _move(problem, hosts, least[1], random)
                hosts = hosts if moved is None or not allowed(moved) else moved
            peak, stuck = judge(hosts)
        moved = _move(problem, hosts, stuck, random)
        failures += 1
        if moved is None or not allowed(moved):
            continue
        found = judge(moved)
        if found[0] <= peak:
            failures = failures if found[0] == peak else 0
            hosts, (peak, stuck) = moved, found
        if peak < least[0]:
            best, least = hosts, (peak, stuck)
    return best.astype(np.int64)


def _move(problem: PlacementProblem, hosts: Booleans, stuck: Booleans, random: np.random.Generator) -> Booleans | None:
    """Give a random expert that lives on ``stuck`` devices alone one outside; None if the draw allows no such move."""
    inside = np.flatnonzero((problem.load > 0) & ~hosts[:, ~stuck].any(axis=1))
    outside = np.flatnonzero(~stuck)
    if not len(inside) or not len(outside):
        return None
    expert, device = int(random.choice(inside)), int(random.choice(outside))
    homes = np.flatnonzero(hosts[expert])
    home = int(random.choice(homes))
    if problem.node_of(home) != problem.node_of(device):
        return None
    after = hosts.copy()
    after[expert, device] = True
    if hosts[:, device].sum() < problem.slots_per_device:
        return after
    other = int(random.choice(np.flatnonzero(hosts[:, device])))
    after[other, device] = False
    if hosts[other].sum() > 1 and random.random() < 0.5:
        return after
    if hosts[other, home]:
        return None
    after[expert, home], after[other, home] = False, True
    return after
