"""What must not matter to a scheduler: the width of the integers, the rank that asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler import families
from equipoise.checks.scheduler.quality import serve
from equipoise.roles.scheduler import SchedulerCase


@check("scheduler", families.instances, unless=("random",))
def scheduler_ignores_the_integer_type(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """The same tokens in 32 and in 64 bits are scheduled alike (vllm PR 18343: a wrong type came back)."""
    wide, narrow = (
        serve(balancer, replace(case, loads=(case.load.astype(dtype),)))[0].split for dtype in (np.int64, np.int32)
    )
    if not np.array_equal(wide, narrow):
        raise Failure(f"for int64 it answers {wide.tolist()}, for int32 {narrow.tolist()}")


@check("scheduler", families.sequences, needs=("takes rank",), unless=("decides by rank",))
def scheduler_decides_alike_on_every_rank(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Asked as on rank r by the keyword ``rank``, it gives the same schedules on every rank, unless "decides by rank".

    Where every rank runs the same tokens on its own experts, a token of which two ranks decide differently is served
    twice or never (sglang PR 32962). Not even a scheduler that is "random" may differ here: ranks share its seed.
    """
    first: list[list[list[int]]] = []
    for rank in range(case.hosts.shape[1]):
        balancer.fresh()
        calls = balancer.calls(case)
        splits = [balancer.ask(*call, rank=rank).split.tolist() for call in calls]
        first = first or splits
        for call, (wanted, given) in enumerate(zip(first, splits, strict=True), 1):
            if wanted != given:
                raise Failure(f"in call {call} rank {rank} decides for {given}, rank 0 for {wanted}", wanted)
