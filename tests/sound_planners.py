"""Correct planners in many styles; ``CORRECT`` names them, and no check may flag one."""

from __future__ import annotations

import numpy as np

from equipoise import ReplicationProblem, solve
from miniature_planners import at_home, levelled
from miniatures import onto

CORRECT: list[str] = []
correct = onto(CORRECT)


@correct
def moves_to_the_emptiest(load, home, slots):
    return levelled(load, home, slots)


@correct
def says_its_copies(load, home, slots):
    split = levelled(load, home, slots)
    copies = split > 0
    copies[np.arange(len(home)), home] = False
    return copies, split


@correct
class Exact:
    capabilities = frozenset({"exact"})

    def __call__(self, load, home, slots):
        load = np.asarray(load)
        total = load if load.ndim == 1 else load.sum(axis=0)
        solution = solve(ReplicationProblem(total, home, len(slots), slots))
        return solution.copies, solution.split


@correct
class StaysAtHome:
    capabilities = frozenset({"ignores loads"})

    def __call__(self, load, home, slots):
        return at_home(load, home, slots)
