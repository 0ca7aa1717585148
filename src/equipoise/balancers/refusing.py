"""What it is to refuse an input, as opposed to breaking on it.

A balancer refuses the sizes of an input if a statement of its own code raises there, if it does so for other numbers in
an input of the same sizes too, and if it answers something at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.balancer import Balancer
from equipoise.errors import TargetError

KINDS = ("raises", "unable")
"""Kinds of errors that may be refusals."""


def is_refusal(balancer: Balancer, error: TargetError) -> bool:
    """Whether the balancer raised this on purpose, and does so for other numbers in an input of the same sizes too.

    It is made anew and asked for that.
    """
    if not error.on_purpose or error.kind not in KINDS or error.arguments is None:
        return False
    first, *others = error.arguments
    try:
        balancer.fresh()
        balancer.call(_plain(first), *others, **error.keywords)
    except TargetError as again:
        return again.on_purpose and again.kind == error.kind
    return False


def answers_something(balancer: Balancer) -> bool:
    """Whether the balancer, made anew, answers a boundary case of its role; they are tried in order of size."""
    for case in sorted(balancer.role.boundaries.values(), key=lambda case: case.size):
        if not (calls := balancer.calls(case)):
            continue
        arguments = calls[0]
        try:
            balancer.fresh()
            if balancer.takes(*arguments):
                balancer.call(*arguments)
                return True
        except TargetError as error:
            if error.kind not in KINDS:
                return False  # it hangs or crashes
    return False


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return as many distinct numbers of the same type: between 0 and 1, or 1, 2, ... for whole numbers."""
    ranks = np.random.RandomState(array.size % 1000).permutation(array.size).reshape(array.shape) + 1
    return (ranks / (array.size + 1) if array.dtype.kind == "f" else ranks).astype(array.dtype)
