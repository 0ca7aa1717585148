"""Borders of the families of cases that checks of values and weights are tried on."""

import numpy as np

from edges import Border
from edges_router_values import BANDS, BFLOAT16, SHIFT, TINY
from edges_router_weights import APART, CONSTANT, FINITE
from routings import batches, case

IN_GROUPS = "router_takes_the_best_of_its_groups_at_production_size"
SMALL = np.float32(2.0**-24)
ORDINARY = np.array([[0.5, 0.25, 0.125]], np.float32)


def again(ordinary, factor=SMALL, top_k=2):
    ordinary = np.array(ordinary, np.float32)
    return batches(ordinary, ordinary * np.float32(factor), top_k=top_k)


def turns(high, low, top_k=1):
    return case([[high, low], [low, high]], top_k)


EDGES = []
BORDERS = [
    Border(BANDS, turns(200, 0), turns(1, 0)),  # not in [0, 1]
    Border(BANDS, turns(2, -6), turns(200, 0, top_k=2)),  # K < E
    Border(BANDS, turns(200, -32_000), turns(200, -(2**15))),
    Border(BANDS, None, turns(200, -33_000)),
    Border(BANDS, None, case([[200, 0], [200, 0]])),  # balanced
    Border(BANDS, turns(5, 3), turns(50, 30)),  # no longer apart behind a sigmoid
    Border(BANDS, None, case([[200, 100, 0], [0, 200, 100], [100, 0, 200]], 2)),  # nor behind a softmax
    Border(BANDS, None, case([[200, 0], [0, 200], [200, 199], [0, 200]])),  # every token's
    Border(TINY, again(ORDINARY), batches(ORDINARY, top_k=2)),
    Border(TINY, None, batches(ORDINARY, ORDINARY * SMALL, ORDINARY * SMALL, top_k=2)),
    Border(TINY, again([[0.9, 0.25, 0.125]], 2.0**-16), again(ORDINARY, 2.0**-15)),
    Border(TINY, None, again(ORDINARY, top_k=1)),
    Border(TINY, None, again(ORDINARY, top_k=3)),
    Border(TINY, None, again([[2, 0.25, 0.125]])),
    Border(TINY, None, batches(ORDINARY, ORDINARY[:, ::-1] * SMALL, top_k=2)),
    Border(TINY, again([[0.5, 0.25, 0.24]]), again([[0.5, 0.25, 0.25 - 2.0**-8]])),
    Border(TINY, None, again([[0.5, 0.25, 0]])),
    Border(BFLOAT16, case([[0.125, 0.25], [1, 0]]), case([[0.125, 0.3]])),
    Border(BFLOAT16, None, case([[0.125, 0.25], [0.5, 0.5]])),
    Border(BFLOAT16, None, case([[1.125, 0.25]])),
    Border(SHIFT, case([[0.5, 0.25, 0.125]] * 2, 2), case([[0.5, 0.25, 0.125]], 2)),
    Border(SHIFT, None, case([[0.5, 0.25, 0.125]] * 2, 1)),
    Border(SHIFT, None, case([[0.5, 0.25, 0.125]] * 2, 3)),
    Border(SHIFT, None, case([[0.5, 0.25, 0.3]] * 2, 2)),
    Border(FINITE, case([[-16, -1]]), case([[-17, -1]])),
    Border(FINITE, batches([[-3, -1]], [[-1, -3]]), batches([[-3, -1]], [[-1, 0]])),
    Border(FINITE, None, case([[0, -1]])),
    Border(APART, case([[20, -2]], 2), case([[20, -2]], 1)),
    Border(APART, case([[20, -2, -3], [-2, 30, -2]], 2), case([[20, -2, -3], [20, 20, -2]], 2)),
    Border(APART, None, case([[20, -1.9]], 2)),
    Border(APART, None, case([[19, -2]], 2)),
    Border(APART, case([[1, 2.0**-6]], 2), case([[1, 0.02]], 2)),
    Border(CONSTANT, case([[0.125, 0.5], [0.125, 0.75]]), case([[0.25, 0.5], [0.5, 0.75]])),
    Border(CONSTANT, None, case([[0.25, 0.5], [0, 0.5]])),
    Border(CONSTANT, None, case([[0.125, 0.5], [0.125, 0.75]], 2)),
    Border(CONSTANT, None, case([[0.125, 0.5], [0.125, 1.75]])),
    Border(CONSTANT, case([[0.125, 0.5, 0.2], [0.125, 0.75, 0.2]]), case([[0.5], [0.75]])),
    Border(IN_GROUPS, case(np.ones((1, 8)), 4), case(np.ones((1, 8)), 5)),
    Border(IN_GROUPS, case(np.ones((1, 16)), 8), case(np.ones((1, 12)), 1)),
    Border(IN_GROUPS, None, case(np.ones((1, 16)), 9)),
    Border(CONSTANT, None, case(np.zeros((0, 2)))),
]
