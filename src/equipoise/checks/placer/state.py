"""Placing again and again: the placement follows the load."""

from __future__ import annotations

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.placer import families
from equipoise.checks.placer.quality import hold_to_bound, settled
from equipoise.roles.placer import PlacerCase


@check("placer", families.sequences, unless=("ignores the load",))
def placer_follows_the_load(balancer: Balancer, case: PlacerCase, settings: Settings) -> None:
    """After the hot expert has moved, the placement is again within twice the bound of the new load.

    A placer with ``reset()`` remembers, and may take ten calls to get there.
    """
    balancer.fresh()
    for load in case.loads:
        hold_to_bound(balancer, case, settled(balancer, case, load), load)
