"""How often to place anew: peaks and migrations under a fixed interval, and the best schedule in hindsight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from equipoise.audits.cluster import Cluster, Integers
from equipoise.audits.forecast_value import least_peak
from equipoise.errors import InvalidProblem, OracleError
from equipoise.problems import MigrationProblem, PlacementProblem
from equipoise.solvers.migration.relabel import relabel
from equipoise.solvers.migration.tables import experts_moved
from equipoise.solvers.solve import solve

__all__ = [
    "Plan",
    "Study",
    "best_plan",
    "experts_moved",
    "fewest_moved",
    "hindsight_plan",
    "interval_plan",
    "nearby",
    "plan_of",
]

Placing = Callable[[int, int], Integers]
"""``placing(now, until)``: the load ``[E]`` seen by one who places before block ``now`` for the blocks to ``until``."""

Moved = Callable[[Integers, Integers, int], int]
"""``moved(old, new, devices)``: what it takes to get from one placement to another."""


@dataclass(frozen=True)
class Plan:
    """Which placement serves each block, and what that costs, in tokens.

    Attributes
    ----------
    placements
        ``[N]`` indices, one a block.
    peaks
        Sum over blocks of the peak load.
    moved
        Experts copied to a device that did not hold them.
    cost
        ``peaks + price * moved``.
    """

    placements: tuple[int, ...]
    peaks: int
    moved: int
    cost: int


def best_plan(peaks: Integers, moves: Integers, price: int) -> Plan:
    r"""Return a plan of least cost, by dynamic programming; exact over the placements given.

    .. math:: V_0(j) = c_{0j} + \text{price} \cdot d_{0j}, \quad
              V_t(j) = c_{tj} + \min_i \bigl( V_{t-1}(i) + \text{price} \cdot d_{ij} \bigr)

    Parameters
    ----------
    peaks
        ``[N, M]``: c, the peak of every block on each of M placements, of which the first is there at the start.
    moves
        ``[M, M]``: d, experts that are copied to go from one placement to another.
    price
        Tokens of peak load that copying one expert is worth.

    Raises
    ------
    InvalidProblem
        If the shapes do not fit, or there is no block.
    """
    peaks, moves = np.asarray(peaks, np.int64), np.asarray(moves, np.int64)
    if peaks.ndim != 2 or not peaks.size or moves.shape != (peaks.shape[1],) * 2:
        raise InvalidProblem("peaks", f"of shape {peaks.shape} with moves {moves.shape}", "[N, M] with [M, M], N >= 1")
    value, came = peaks[0] + price * moves[0], []
    for row in peaks[1:]:
        through = value[:, None] + price * moves
        came.append(through.argmin(axis=0))
        value = row + through.min(axis=0)
    chosen = [int(value.argmin())]
    for step in reversed(came):
        chosen.append(int(step[chosen[-1]]))
    return plan_of(peaks, moves, price, chosen[::-1])


def plan_of(peaks: Integers, moves: Integers, price: int, placements: Sequence[int]) -> Plan:
    """Return what it costs to serve each block on the placement named, starting from the first."""
    total = int(peaks[np.arange(len(peaks)), list(placements)].sum())
    moved = int(sum(moves[old, new] for old, new in pairwise([0, *placements])))
    return Plan(tuple(placements), total, moved, total + price * moved)


def fewest_moved(old: Integers, new: Integers, devices: int) -> int:
    """Return the same after relabelling: the devices of ``new[P]`` are numbered so that fewest experts move, proved.

    Peaks do not change, and a plan can renumber at every step: only what a device holds counts.
    """
    found = relabel(new, old, devices)
    if not found.fewest:
        raise OracleError("no certificate proves that another numbering moves no fewer experts")
    return found.moved


def nearby(blocks: Integers, start: Integers, devices: int, most_moves: int) -> list[Integers]:
    """Return, for every block, the best placement found that moves at most so many experts from ``start[P]``.

    Certified or bounded solutions of :class:`equipoise.MigrationProblem`, in the free form that plans are scored in:
    what a placer that starts from nothing leaves out.
    """
    found = []
    for load in blocks:
        placement = PlacementProblem(load, len(start), devices, "free", distinct=False)
        answer = solve(MigrationProblem(placement, start, most_moves), "move-search").physical_to_logical
        assert answer is not None, "the start is an answer"
        found.append(np.asarray(answer, np.int64))
    return found


@dataclass(frozen=True, eq=False)
class Study:
    """Blocks of one series, placements for them, and exact peaks of all pairs.

    Attributes
    ----------
    peaks, moves
        As :func:`best_plan` takes them.
    uncertified
        Peaks without an accepted certificate.
    """

    peaks: Integers
    moves: Integers
    uncertified: int

    @classmethod
    def of(cls, blocks: Integers, placements: Sequence[Integers], devices: int, moved: Moved = experts_moved) -> Study:
        """Schedule every block ``[N, E]`` exactly on each of the placements ``[P]``; count moves by ``moved``."""
        answers = [[least_peak(load, placed, devices) for placed in placements] for load in blocks]
        moves = [[moved(old, new, devices) for new in placements] for old in placements]
        peaks = np.array([[peak for peak, _ in row] for row in answers], np.int64)
        return cls(peaks, np.array(moves), sum(evidence != "certified" for row in answers for _, evidence in row))


def at_interval(blocks: int, interval: int) -> list[tuple[int, int]]:
    """Return ``(now, until)`` of every placement that is made anew each ``interval`` blocks."""
    if interval < 1:
        raise InvalidProblem("interval", str(interval), "1 or more blocks")
    return [(now, min(now + interval, blocks)) for now in range(0, blocks, interval)]


def interval_plan(
    blocks: Integers,
    start: Integers,
    interval: int,
    placing: Placing,
    place: Callable[[Integers], Integers],
    cluster: Cluster,
    price: int,
) -> Plan:
    """Return the plan of one who places anew every ``interval`` blocks on what ``placing`` says is to come."""
    spans = at_interval(len(blocks), interval)
    placements = [start, *(place(placing(now, until)) for now, until in spans)]
    serving = [1 + block // interval for block in range(len(blocks))]
    peaks = np.zeros((len(blocks), len(placements)), np.int64)
    for block, index in enumerate(serving):
        peaks[block, index], _ = least_peak(blocks[block], placements[index], cluster.devices)
    moves = np.array([[experts_moved(old, new, cluster.devices) for new in placements] for old in placements])
    return plan_of(peaks, moves, price, serving)


def hindsight_plan(
    blocks: Integers,
    start: Integers,
    place: Callable[[Integers], Integers],
    cluster: Cluster,
    price: int,
    *,
    also: Sequence[Integers] = (),
    moved: Moved = experts_moved,
) -> Plan:
    """Return the best plan over the start and the placer's placements for every run of blocks, truth known.

    Exact for these placements; a placer that is not optimal leaves others out, such as those of :func:`nearby`, which
    ``also`` adds. ``moved`` counts moves: :func:`fewest_moved` is for one who relabels devices.
    """
    spans = [(a, b) for a in range(len(blocks)) for b in range(a + 1, len(blocks) + 1)]
    made = [start, *(place(blocks[a:b].sum(axis=0)) for a, b in spans), *also]
    placements = {tuple(placed.tolist()): placed for placed in made}
    study = Study.of(blocks, list(placements.values()), cluster.devices, moved)
    return best_plan(study.peaks, study.moves, price)
