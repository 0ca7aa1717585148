"""What must not matter to a planner: the width of the integers, names of devices, what batches came before."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.planner import families
from equipoise.checks.planner.answers import plans
from equipoise.roles.planner import PlannerCase


@check("planner", families.instances, unless=("random",))
def planner_ignores_the_integer_type(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """The same tokens in 32 and in 64 bits are planned alike."""
    first = case.loads[0]
    wide, narrow = (
        plans(balancer, PlannerCase((first.astype(dtype),), case.home, case.slots))[0][1].split
        for dtype in (np.int64, np.int32)
    )
    if not np.array_equal(wide, narrow):
        raise Failure(f"for int64 it answers {wide.tolist()}, for int32 {narrow.tolist()}")


@check("planner", families.distinct, unless=("random", "depends on expert order"))
def planner_treats_experts_of_a_device_alike(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """The order of the experts that live on a device does not change the peak (loads without ties)."""
    order = np.lexsort((-np.arange(len(case.home)), case.home))  # every device's experts in reverse
    plain = plans(balancer, case)[0][1].peak
    renamed = plans(balancer, PlannerCase((case.load[order],), case.home, case.slots))[0][1].peak
    if plain != renamed:
        raise Failure(f"with the experts of every device in reverse order the peak is {renamed}, not {plain}")
