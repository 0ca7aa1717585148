"""Rounds of transfer: in one round a device sends at most one expert and receives at most one.

Every move needs a source, a device that held the expert before. For given sources, moves are edges from senders to
receivers, and rounds are their colours: a bipartite multigraph needs exactly as many as its largest degree (König
1916). The largest in-degree is fixed by the placements; sources that make the largest out-degree least are a scheduling
problem, experts with a load of one for each receiver on the devices that hold them. What arrives is not sent on before
the placement is complete. Our definition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.arrays import whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems import SchedulingProblem
from equipoise.problems.scheduling import hosts_of
from equipoise.solution import Solution
from equipoise.solvers.solve import solve

Integers = npt.NDArray[np.int64]
Move = tuple[int, int, int]
"""Source device, receiving device, expert."""


@dataclass(frozen=True, eq=False)
class Transfers:
    """How to get from one placement to another.

    Attributes
    ----------
    rounds
        Moves ``(source, receiver, expert)`` of each round, in which no device sends twice or receives twice.
    most_received, most_sent
        Fewest rounds are the larger of these two: what some device receives in any case, and what some device sends at
        least, however sources are chosen.
    solution
        Of the scheduling problem, whose certificate proves ``most_sent``; None if nothing moves.
    """

    rounds: tuple[tuple[Move, ...], ...]
    most_received: int
    most_sent: int
    solution: Solution | None


def transfers(old: npt.ArrayLike, new: npt.ArrayLike, num_devices: int) -> Transfers:
    """Return the fewest rounds in which the devices of ``old[P]`` become those of ``new[P]``.

    Raises
    ------
    InvalidProblem
        If the placements have different sizes, the devices do not divide them, or an expert that moves was nowhere.
    """
    before = whole_numbers(old, "old", (None,), -1, 2**31)
    after = whole_numbers(new, "new", (len(before),), -1, 2**31)
    experts = max(int(before.max(initial=0)), int(after.max(initial=0))) + 1
    held, wanted = (hosts_of(slots, experts, num_devices) for slots in (before, after))
    needed = wanted & ~held
    lost = needed.any(axis=1) & ~held.any(axis=1)
    if lost.any():
        raise InvalidProblem("old", f"without expert {int(lost.argmax())}", "a source for every expert that moves")
    if not needed.any():
        return Transfers((), 0, 0, None)
    solution = solve(SchedulingProblem(needed.sum(axis=1), held))
    if solution.split is None or solution.objective is None:
        raise AssertionError("every expert that moves has a source")
    moves = _moves(needed, np.asarray(solution.split, np.int64))
    received, sent = int(needed.sum(axis=0).max()), int(solution.objective)
    return Transfers(_coloured(moves, max(received, sent), num_devices), received, sent, solution)


def _moves(needed: npt.NDArray[np.bool_], split: Integers) -> list[Move]:
    """Give every receiver of an expert one of its sources; which one makes no difference to the degrees."""
    moves = []
    for expert, (receivers, sources) in enumerate(zip(needed, split, strict=True)):
        pairs = zip(
            np.repeat(np.arange(len(sources)), sources).tolist(), np.flatnonzero(receivers).tolist(), strict=True
        )
        moves += [(source, receiver, expert) for source, receiver in pairs]
    return moves


def _coloured(moves: list[Move], rounds: int, devices: int) -> tuple[tuple[Move, ...], ...]:
    """Put every move into a round that is free at both ends; alternating paths make room, as in König's proof."""
    sends: list[list[Move | None]] = [[None] * rounds for _ in range(devices)]
    takes: list[list[Move | None]] = [[None] * rounds for _ in range(devices)]
    for move in moves:
        first, second = sends[move[0]].index(None), takes[move[1]].index(None)
        if takes[move[1]][first] is not None:
            _swap(takes, sends, move[1], first, second)
        sends[move[0]][first] = takes[move[1]][first] = move
    return tuple(tuple(m for own in sends if (m := own[number]) is not None) for number in range(rounds))


def _swap(takes: list[list[Move | None]], sends: list[list[Move | None]], device: int, first: int, second: int) -> None:
    """Exchange two rounds along the path that leaves a receiver by ``first``; afterwards it is free in ``first``."""
    path: list[tuple[Move, int]] = []
    receiving, number = True, first
    while (move := (takes if receiving else sends)[device][number]) is not None:
        path.append((move, number))
        receiving, device = not receiving, move[0] if receiving else move[1]
        number = first + second - number
    for move, number in path:
        sends[move[0]][number] = takes[move[1]][number] = None
    for move, number in path:
        sends[move[0]][first + second - number] = takes[move[1]][first + second - number] = move
