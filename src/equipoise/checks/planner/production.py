"""Planners at production sizes: up to 1,100 experts on 128 devices, loads beyond 2^31 and 2^40."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.production import Sizes, production
from equipoise.checks.engine.registry import check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.planner.answers import allowed, plans, problem_of
from equipoise.checks.planner.families import in_blocks, plain
from equipoise.checks.planner.quality import closes_something, no_worse_than_no_copies
from equipoise.roles.planner import PlannerCase

MACHINES = (
    (8, 4),
    (32, 8),
    (33, 33),
    (64, 8),
    (130, 65),
    (128, 16),
    (160, 40),
    (256, 32),
    (256, 64),
    (258, 129),
    (384, 48),
    (512, 128),
    (896, 64),
    (1100, 100),
)
"""E and G: models on their machines, and the neighbours of what bit masks and bytes hold."""

LADDER = tuple((*machine, slots, bits) for machine in MACHINES for slots in (1, 2, 4) for bits in (8, 16, 25, 32, 41))
"""And the slots of a device and the bits of the largest load."""


def _plain_blocks(case: PlannerCase) -> bool:
    return plain(case) and in_blocks(case)


@production(LADDER, lambda sizes: sizes[0] * sizes[1], 4_000, _plain_blocks, slow=5_000)
def machines(sizes: Sizes, random: np.random.RandomState) -> PlannerCase:
    """Skewed loads of experts that live on the devices in blocks; the last expert's is the largest."""
    experts, devices, slots, bits = sizes
    load = np.floor(2.0 ** (bits * random.random_sample(experts))).astype(np.int64)
    load[-1] = 2**bits - 1
    home = np.arange(experts) * devices // experts
    return PlannerCase((load,), home, np.full(devices, slots))


@check("planner", machines)
def planner_serves_every_token_at_production_size(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Hundreds of experts are served to the last token of loads beyond 2^40, at home or on a copy that has a slot.

    Neither 32 bits nor float32 counters hold such loads; masks of 32 or 64 bits do not hold the devices.
    """
    allowed(balancer, case)


@check("planner", machines, unless=("ignores loads", "approximate"))
def planner_relieves_the_fullest_at_production_size(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Of dozens of devices, the fullest gets no more tokens than without copies, and less where one copy would do.

    Half of what the best single copy saves is asked for, where it saves thousands of tokens.
    """
    for load, plan in plans(balancer, case):
        problem = problem_of(balancer, case, load)
        no_worse_than_no_copies(problem, plan.peak)
        closes_something(problem, plan.peak)
