"""Schedulers at production sizes: 256 experts on 64 devices, loads beyond 2^31 and 2^40."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.production import Sizes, production
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler import families
from equipoise.checks.scheduler.quality import fair_draws, trivial_peaks
from equipoise.roles.scheduler import Schedule, SchedulerCase

MACHINES = (
    (8, 4),
    (32, 8),
    (33, 33),
    (64, 8),
    (65, 65),
    (128, 16),
    (127, 31),
    (129, 33),
    (160, 40),
    (255, 63),
    (256, 32),
    (256, 64),
    (257, 64),
    (384, 48),
    (512, 72),
)
"""E and G: models on their machines, and the neighbours of what bit masks and bytes hold."""

LADDER = tuple((*machine, bits) for machine in MACHINES for bits in (8, 16, 25, 32, 41))
"""And the bits of the largest load."""


@production(LADDER, lambda sizes: sizes[0] * sizes[1], 1_500, families.plain, slow=5_000)
def machines(sizes: Sizes, random: np.random.RandomState) -> SchedulerCase:
    """Every expert on one to three devices; the last expert's load is the largest, and on three."""
    experts, devices, bits = sizes
    load = np.floor(2.0 ** (bits * random.random_sample(experts))).astype(np.int64)
    load[-1] = 2**bits - 1
    hosts = np.zeros((experts, devices), bool)
    for expert, copies in enumerate([*random.randint(1, 4, experts - 1), 3]):
        hosts[expert, (devices - 1 - expert + np.arange(copies) * (1 + expert // devices)) % devices] = True
    return SchedulerCase((load,), hosts)


def _served(balancer: Balancer, case: SchedulerCase) -> Schedule:
    """Return what a fresh scheduler does with the load of the case."""
    balancer.fresh()
    [call] = balancer.calls(case)
    served: Schedule = balancer.ask(*call)
    return served


@check("scheduler", machines)
def scheduler_serves_every_token_at_production_size(
    balancer: Balancer, case: SchedulerCase, settings: Settings
) -> None:
    """Hundreds of experts on dozens of devices are served to the last token of loads beyond 2^40, on their hosts.

    Neither 32 bits nor float32 counters hold such loads: the latter stop counting at 2^24.
    """
    _served(balancer, case)


@check("scheduler", machines, unless=("ignores loads",))
def scheduler_is_no_worse_than_trivial_at_production_size(
    balancer: Balancer, case: SchedulerCase, settings: Settings
) -> None:
    """On dozens of devices the fullest has no more than under an even split; an "approximate" one, or on first hosts.

    Draws and hashes may exceed it by what chance explains. Devices beyond the 32nd, which no mask of 32 bits holds, may
    not idle.
    """
    served, (even, first) = _served(balancer, case), trivial_peaks(case)
    allowed = max(even, first) if "approximate" in balancer.capabilities else even
    if served.peak > allowed and not fair_draws(balancer, case, served.split):
        device = int(served.split.sum(axis=0).argmax())
        raise Failure(f"device {device} gets {served.peak} tokens; an even split over the replicas needs {even}")
