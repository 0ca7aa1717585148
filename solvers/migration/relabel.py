"""Relabelling: which device takes which part of a new placement, so that fewest experts have to be copied.

Devices of a node are alike, and so are nodes: exchanging them changes no peak. Which device of the new placement
becomes which of the old one is a linear assignment problem of experts in common, certified by prices. With several
nodes, it is solved for every pair of nodes, and again for the nodes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.arrays import whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.problems import AssignmentProblem
from equipoise.solution import Solution
from equipoise.solvers.migration.tables import experts_moved, in_common, in_place
from equipoise.solvers.solve import solve

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Relabelling:
    """A placement, its devices renumbered.

    Attributes
    ----------
    physical_to_logical
        ``[P]``: what stays on a device stays in its slot.
    moved, before
        Experts on devices that did not hold them: after relabelling, and without it.
    fewest
        Whether certificates prove that no numbering of devices within nodes, and of nodes, moves fewer.
    solutions
        Of the assignment problems, the one of nodes last.
    """

    physical_to_logical: Integers
    moved: int
    before: int
    fewest: bool
    solutions: tuple[Solution, ...]


def relabel(new: npt.ArrayLike, old: npt.ArrayLike, num_devices: int, num_nodes: int = 1) -> Relabelling:
    """Renumber the devices of ``new[P]`` so that as few experts as can be move from ``old[P]``.

    Slot p lies on device ``p // (P / G)``; -1 is an empty slot; replicas of an expert on one device count once.

    Raises
    ------
    InvalidProblem
        If the placements have different sizes, or devices or nodes do not divide them.
    """
    before = whole_numbers(old, "old", (None,), -1, 2**31)
    after = whole_numbers(new, "new", (len(before),), -1, 2**31)
    if num_devices < 1 or not len(before) or len(before) % num_devices:
        raise InvalidProblem("num_devices", repr(num_devices), f"a divisor of the {len(before)} slots")
    if num_nodes < 1 or num_devices % num_nodes:
        raise InvalidProblem("num_nodes", repr(num_nodes), f"a divisor of the {num_devices} devices")
    size = num_devices // num_nodes
    common = in_common(after, before, num_devices)
    solutions: dict[tuple[int, int], Solution] = {}
    for one in range(num_nodes):
        for other in range(num_nodes):
            part = common[one * size : (one + 1) * size, other * size : (other + 1) * size]
            solutions[one, other] = _matched(part)
    kept = [[int(solutions[one, other].objective or 0) for other in range(num_nodes)] for one in range(num_nodes)]
    nodes = _matched(np.array(kept))
    target = np.empty(num_devices, np.int64)
    for one, other in enumerate(_partner(nodes)):
        target[one * size : (one + 1) * size] = other * size + np.array(_partner(solutions[one, other]))
    parts = np.empty_like(after).reshape(num_devices, -1)
    parts[target] = after.reshape(num_devices, -1)
    every = (*solutions.values(), nodes)
    return Relabelling(
        in_place(parts.ravel(), before, num_devices),
        experts_moved(before, parts.ravel(), num_devices),
        experts_moved(before, after, num_devices),
        all(one.evidence == "certified" for one in every),
        every,
    )


def _matched(common: Integers) -> Solution:
    return solve(AssignmentProblem(common, top_k=1, capacity=1))


def _partner(solution: Solution) -> list[int]:
    if solution.experts is None:
        raise AssertionError("as many places as devices: there is a matching")
    partner: list[int] = solution.experts[:, 0].tolist()
    return partner
