"""What must not matter to a scheduler: the width of the integers."""

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
