"""Even split: single steps away from the fullest device that lower the peak and keep the limit of moves.

A step exchanges an expert of the fullest device for one of another device, or for an empty slot; gives it one more
replica, in an empty slot or in place of a spare replica; or drops one of its replicas. Of all that the limit allows,
the one that leaves the lowest peak is taken, then the least sum of squares, then the fewest moves.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.problems import MigrationProblem

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

ROUNDS = 2_000


def stepped(problem: MigrationProblem, start: Integers, floor: Fraction) -> Integers:
    """Return ``[E, G]`` counts that no allowed step improves, or whose peak is ``floor``."""
    counts = start.copy()
    for _ in range(ROUNDS):
        share = problem.placement.load / counts.sum(axis=1)
        held = share @ counts
        if held.max() <= float(floor):
            break
        after = _best(problem, counts, held)
        if after is None:
            break
        counts = after
    return counts


def _best(problem: MigrationProblem, counts: Integers, held: Reals) -> Integers | None:
    """Return the best allowed step from the fullest device; None if none lowers the peak, or else the squares."""
    load, elsewhere = problem.placement.load, ~problem.held
    one, other, first, second = _steps(problem, counts, int(held.argmax()))
    if not len(one):
        return None
    share = load / counts.sum(axis=1)
    after = np.tile(held, (len(one), 1))
    moves = np.full(len(one), problem.moves(counts))
    for expert, row in ((one, first), (other, second)):
        replicas = np.maximum(1, row.sum(axis=1))  # where there is no other expert, the row is not counted
        real = (expert >= 0)[:, None]
        after += real * (row * (load[expert] / replicas)[:, None] - counts[expert] * share[expert][:, None])
        moves += (real * (((row > 0) & elsewhere[expert]) * 1 - ((counts[expert] > 0) & elsewhere[expert]))).sum(axis=1)
    peak, squares = after.max(axis=1), (after**2).sum(axis=1)
    allowed = np.flatnonzero(moves <= problem.most_moves)
    if not len(allowed):
        return None
    chosen = allowed[np.lexsort((moves[allowed], squares[allowed], peak[allowed]))[0]]
    top, least = held.max(), (held**2).sum()
    if not (peak[chosen] < top * (1 - 1e-12) or (peak[chosen] <= top and squares[chosen] < least * (1 - 1e-12))):
        return None
    result = counts.copy()
    result[one[chosen]] = first[chosen]
    if other[chosen] >= 0:
        result[other[chosen]] = second[chosen]
    return result


def _steps(problem: MigrationProblem, counts: Integers, full: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the experts of every step (the other is -1 where there is none), and their rows of counts after it."""
    placement = problem.placement
    devices, size = placement.num_devices, placement.num_devices // placement.num_nodes
    near = [g for g in range(devices) if placement.node_of(g) == full // size and g != full]
    free = counts.sum(axis=0) < placement.slots_per_device
    total, mine = counts.sum(axis=1), np.flatnonzero(counts[:, full])
    steps: list[tuple[int, int, int, str]] = [(int(e), full, -1, "drop") for e in mine if total[e] > 1]
    for device in near:
        theirs = np.flatnonzero(counts[:, device])
        for e in mine:
            if placement.distinct and counts[e, device]:
                continue
            if free[device]:
                steps += [(int(e), device, -1, "go"), (int(e), device, -1, "copy")]
            for o in theirs:
                if o == e:
                    continue
                if not (placement.distinct and counts[o, full]):
                    steps.append((int(e), device, int(o), "go"))
                if total[o] > 1:
                    steps.append((int(e), device, int(o), "copy"))
    one, where, other = (np.array([step[k] for step in steps], np.int64) for k in range(3))
    kind, each = np.array([step[3] for step in steps], dtype="U4"), np.arange(len(steps))
    first, second = counts[one].copy(), counts[other].copy()
    leaves, arrives, comes = kind != "copy", kind != "drop", (kind == "go") & (other >= 0)
    first[each[leaves], full] -= 1
    first[each[arrives], where[arrives]] += 1
    second[each, where] -= 1
    second[each[comes], full] += 1
    return one, other, first, second
