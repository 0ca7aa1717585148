"""A scheduler beside what it planned: the shares that it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler import families
from equipoise.checks.scheduler.quality import serve
from equipoise.roles.scheduler import SchedulerCase


@check("scheduler", families.instances, needs=("has shares",))
def scheduler_serves_what_it_plans(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """An attribute ``shares[E, G]``, what each host is to serve of each expert, is what is served, within one token.

    LPLB spreads tokens by a hash modulo 499; where that divides their number, the planned ratio is ignored.
    """
    split = serve(balancer, replace(case, loads=case.loads[:1]))[0].split
    shares = balancer.attribute("shares")
    if not isinstance(shares, np.ndarray) or shares.shape != case.hosts.shape:
        raise Failure(
            f"its shares are {'no array' if not isinstance(shares, np.ndarray) else shares.shape}, not [E, G]"
        )
    sums = shares.sum(axis=1, keepdims=True, dtype=np.float64)
    planned = np.divide(shares, sums, out=np.zeros(shares.shape), where=sums > 0) * case.load[:, None]
    off = np.abs(split - planned) > 1 + 1e-6 * planned
    if off.any():
        expert, device = np.argwhere(off)[0].tolist()
        raise Failure(
            f"it plans {planned[expert, device]:.6g} of the {case.load[expert]} tokens of expert {expert} "
            f"for device {device} and serves {split[expert, device]}"
        )
