"""A scheduler beside what it was told and what it planned: loads by source device, and shares it shows."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import SchedulerCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.scheduler.answers import instances
from equipoise.checks.scheduler.view import serve
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@family(lambda case: case.load.ndim == 2)
def by_source() -> st.SearchStrategy[SchedulerCase]:
    """One load by the device on which its tokens start, any hosts."""

    def start(pair: tuple[strategies.Integers, strategies.Booleans]) -> st.SearchStrategy[SchedulerCase]:
        load, hosts = pair
        return strategies.source_loads(load, hosts.shape[1]).map(lambda drawn: SchedulerCase((drawn,), hosts))

    return strategies.scheduling_instances().flatmap(start)


@check("scheduler", by_source, needs=("by source|only by source",))
def scheduler_serves_what_every_device_sends(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Of loads by source device, flows serve every device's tokens, and a split their sum.

    vLLM counted the loads of one rank only (PR 22167).
    """
    subject.fresh()
    serve(subject, case.load, case.hosts)


@check("scheduler", instances, needs=("has shares",))
def scheduler_serves_what_it_plans(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """An attribute ``shares[E, G]``, what each host is to serve of each expert, is what is served, within one token.

    LPLB spreads tokens by a hash modulo 499; where that divides their number, the planned ratio is ignored.
    """
    subject.fresh()
    split = serve(subject, case.load, case.hosts).split
    shares = subject.attribute("shares")
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
