"""Balancers of the toy role: the answers that the kinds of miniatures are made of, a faulty and a correct one."""

import numpy as np

from miniatures import into, onto

FAULTY: dict[str, str] = {}
CORRECT: list[str] = []
faulty, correct = into(FAULTY), onto(CORRECT)


@correct
def largest(load, count):
    return np.argsort(-load, kind="stable")[:count]


@faulty("toy_picks_the_largest")
def smallest(load, count):
    return np.argsort(load, kind="stable")[:count]


ANSWERS = largest, lambda load, count: np.argsort(-load, kind="stable")[::-1][-count:]
