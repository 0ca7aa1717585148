"""The edges of what a balancer may be asked, role by role: a short fixed list each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.checks.cases import Case, PlacerCase, PredictorCase, RouterCase, SchedulerCase


def _scores(tokens: int, experts: int) -> npt.NDArray[np.float32]:
    """Distinct multiples of 2^-12 in (0, 1) in random order; the generator is NumPy's frozen one."""
    levels = np.random.RandomState(tokens + 100 * experts).permutation(2**12 - 1)[: tokens * experts] + 1
    return (levels.reshape(tokens, experts) / 2**12).astype(np.float32)


def _router(scores: npt.NDArray[Any], top_k: int) -> RouterCase:
    return RouterCase((scores.astype(np.float32),), top_k)


def _scheduler(load: list[int], hosts: npt.NDArray[np.bool_]) -> SchedulerCase:
    return SchedulerCase((np.array(load),), hosts)


def _placer(load: list[int], slots: int, devices: int, groups: int = 1, nodes: int = 1) -> PlacerCase:
    return PlacerCase((np.array([load]),), slots, groups, nodes, devices)


_RING = np.eye(4, dtype=bool) | np.roll(np.eye(4, dtype=bool), 1, axis=1)

BOUNDARIES: dict[str, dict[str, Case]] = {
    "router": {
        "one token": _router(_scores(1, 4), 2),
        "one token, all experts": _router(_scores(1, 4), 4),
        "one expert": _router(_scores(5, 1), 1),
        "one token, one expert": _router(_scores(1, 1), 1),
        "all experts": _router(_scores(6, 3), 3),
        "all but one expert": _router(_scores(8, 4), 3),
        "fewer assignments than experts": _router(_scores(2, 6), 1),
        "nothing divides": _router(_scores(7, 4), 2),
        "capacity without slack": _router(_scores(8, 4), 1),
        "all zero": _router(np.zeros((4, 3)), 2),
        "all one": _router(np.ones((4, 3)), 1),
        "all equal": _router(np.full((5, 4), 0.25), 2),
        "all negative": _router(_scores(6, 4) - 2, 2),
        "everybody's favourite": _router(np.hstack([np.ones((8, 1)), _scores(8, 3) / 2]), 1),
    },
    "scheduler": {
        "one expert, one device": _scheduler([3], np.ones((1, 1), bool)),
        "one expert everywhere": _scheduler([7], np.ones((1, 4), bool)),
        "one device": _scheduler([3, 0, 5], np.ones((3, 1), bool)),
        "no load": _scheduler([0, 0, 0, 0], _RING),
        "one token": _scheduler([0, 1, 0, 0], _RING),
        "all equal": _scheduler([8, 8, 8, 8], _RING),
        "nothing divides": _scheduler([7, 5, 3, 2], _RING),
        "all load on one expert": _scheduler([0, 0, 9, 0], _RING),
        "no choice": _scheduler([4, 3, 2, 1], np.eye(4, dtype=bool)),
        "a device without experts": _scheduler([4, 3], np.array([[True, False, False], [True, True, False]])),
        "more devices than tokens": _scheduler([2], np.ones((1, 5), bool)),
    },
    "placer": {
        "one expert, one slot": _placer([5], 1, 1),
        "one expert in all slots": _placer([5], 4, 4),
        "one device": _placer([5, 3, 2], 4, 1),
        "no spare slot": _placer([9, 4, 3, 1], 4, 2),
        "one spare device": _placer([9, 4, 3, 1], 6, 2),
        "all zero": _placer([0, 0, 0, 0], 8, 4),
        "all equal": _placer([6, 6, 6, 6], 8, 4),
        "all load on one expert": _placer([0, 0, 8, 0], 8, 4),
        "one slot a device": _placer([5, 4, 3], 5, 5),
        "nothing divides": _placer([7, 5, 3, 2, 2], 9, 3),
        "groups on nodes": _placer([9, 1, 4, 4, 2, 8, 3, 5], 12, 4, groups=4, nodes=2),
        "two layers": PlacerCase((np.array([[4, 3, 2, 1], [0, 0, 0, 9]]),), 6, 1, 1, 3),
    },
    "predictor": {
        "one step, one expert": PredictorCase(np.array([[4]]), 1),
        "one step": PredictorCase(np.array([[4, 0, 2]]), 3),
        "one expert": PredictorCase(np.array([[4], [5], [6]]), 2),
        "no load": PredictorCase(np.zeros((4, 3), np.int64), 2),
        "constant": PredictorCase(np.tile([5, 3, 1], (6, 1)), 4),
        "all load on one expert": PredictorCase(np.tile([0, 9, 0], (4, 1)), 1),
        "horizon beyond the history": PredictorCase(np.array([[4, 2], [3, 3]]), 20),
        "a jump": PredictorCase(np.array([[8, 0], [8, 0], [0, 8], [0, 8]]), 2),
    },
}
"""Cases by role and name."""
