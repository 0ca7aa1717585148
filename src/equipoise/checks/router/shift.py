"""Logits say the same wherever their zero lies: a softmax does not see a constant that all of them have in common."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check, family
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import domains
from equipoise.checks.router.families import shown
from equipoise.checks.router.weights import SIGMOID, close
from equipoise.roles.router import UNIT, Routed, RouterCase

SHIFTS = (-15.0, 88.0)
"""What is added to all logits of a batch: exponentials are then all but the epsilon of a division, or infinite."""

HOME, NEAR = 2.0, 3.0
"""Where logits lie at first, above what a gate gives; a router whose weights change already from one to the other
weighs by something else than their differences, and is not asked."""


def _several(case: RouterCase) -> bool:
    return domains.eighths.admits(case) and len(case.scores) > 1 and 1 < case.top_k < case.scores.shape[1]


@family(_several)
def several_eighths() -> st.SearchStrategy[RouterCase]:
    """Two tokens or more, 1 < K < E, multiples of 1/8: with any of the constants exact in float32."""
    drawn: st.SearchStrategy[RouterCase] = domains.eighths()
    return drawn.filter(_several)


@check("router", several_eighths, needs=("returns weights",), unless=("random", "half precision", SIGMOID, UNIT))
def router_ignores_what_is_added_to_all_logits(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A router that weighs by differences of logits routes a batch alike where -15 or 88 is added to all of them.

    Megatron-LM's Sinkhorn router exponentiates logits as they are: at -15 it takes 2,000 times as long, at 88 all
    tokens go to expert 0. Asked are routers whose weights stay where 1 is added, as those of a softmax do and those of
    a sigmoid do not.
    """
    first, near = (_routed(balancer, case, at) for at in (HOME, NEAR))
    if first.weights is None or near.weights is None:
        return
    alike = np.array_equal(first.mask, near.mask) and close(first.weights, near.weights).all()
    if not alike or np.ptp(first.weights[first.mask]) < 2.0**-6:  # constant weights tell nothing of the gate
        return
    for shift in SHIFTS:
        moved = _routed(balancer, case, shift)
        if not np.array_equal(moved.mask, first.mask):
            raise Failure(
                f"with logits near {HOME:g} the tokens go to {shown(first.mask)}, "
                f"with the same ones near {shift:g} to {shown(moved.mask)}",
                shown(first.mask),
            )


def _routed(balancer: Balancer, case: RouterCase, shift: float) -> Routed:
    balancer.fresh()
    routed: Routed = balancer.ask(case.scores + np.float32(shift), case.top_k)
    return routed
