"""A planner serves every token once, at home or where a copy is, and keeps to homes and slots."""

from __future__ import annotations

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.planner import families
from equipoise.problems import ReplicationProblem
from equipoise.roles.planner import Integers, Plan, PlannerCase


def problem_of(balancer: Balancer, case: PlannerCase, load: Integers) -> ReplicationProblem:
    """Return the problem of a batch ``load[E]``, without limits of slots for a planner that ignores them."""
    slots = len(case.home) if "ignores slots" in balancer.capabilities else case.slots
    return ReplicationProblem(load, case.home, len(case.slots), slots)


def plans(balancer: Balancer, case: PlannerCase) -> list[tuple[Integers, Plan]]:
    """Return the total load of every batch and what a fresh planner plans for it."""
    balancer.fresh()
    totals = [load if load.ndim == 1 else load.sum(axis=0) for load in case.loads]
    return [(total, balancer.ask(*call)) for total, call in zip(totals, case.calls(), strict=True)]


def allowed(balancer: Balancer, case: PlannerCase) -> None:
    """Fail at whatever a plan breaks."""
    for load, plan in plans(balancer, case):
        if (fault := problem_of(balancer, case, load).violation(plan.copies, plan.split)) is not None:
            raise Failure(fault)


@check("planner", families.instances)
def planner_serves_no_negative_tokens(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """No device serves less than nothing: what is moved away from home is there (MoonEP's contract, invariant 1)."""
    for _, plan in plans(balancer, case):
        if (plan.split < 0).any():
            expert, device = np.argwhere(plan.split < 0)[0].tolist()
            raise Failure(f"device {device} serves {plan.split[expert, device]} tokens of expert {expert}")


@check("planner", families.instances)
def planner_serves_every_token_once(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """What the devices serve of an expert sums to its load (MoonEP's contract, invariant 2)."""
    for load, plan in plans(balancer, case):
        served = plan.split.sum(axis=1)
        if (served != load).any():
            expert = int(np.argmax(served != load))
            raise Failure(f"{served[expert]} of the {load[expert]} tokens of expert {expert} are served")


@check("planner", families.instances)
def planner_serves_only_at_home_or_where_a_copy_is(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """A device serves an expert that lives there or of which it holds a copy, as the planner itself says."""
    for _, plan in plans(balancer, case):
        hosts = plan.copies.copy()
        hosts[np.arange(len(case.home)), case.home] = True
        if (plan.split[~hosts] != 0).any():
            expert, device = np.argwhere(~hosts & (plan.split != 0))[0].tolist()
            raise Failure(f"device {device} serves expert {expert} and holds no copy of it")


@check("planner", families.sequences, unless=("ignores slots",))
def planner_keeps_to_the_slots(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """No device holds more copies than it has slots, however often it was asked before."""
    for number, (_, plan) in enumerate(plans(balancer, case), 1):
        held = plan.copies.sum(axis=0)
        if (held > case.slots).any():
            device = int(np.argmax(held > case.slots))
            raise Failure(f"in batch {number} device {device} holds {held[device]} copies, it has {case.slots[device]}")


@check("planner", families.scattered)
def planner_reads_where_experts_live(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Homes are as they are given, after a re-placement anywhere: not in blocks, and not equally many on a device.

    One that knows blocks alone declares "equal homes".
    """
    allowed(balancer, case)


@check("planner", families.no_slots, unless=("ignores slots",))
def planner_works_without_slots(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Without slots every token is served at home (UltraEP's planner returns early there)."""
    allowed(balancer, case)


@check("planner", families.idle)
def planner_works_without_load(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """No tokens, nothing to serve: a mean of zero divides nothing."""
    allowed(balancer, case)


@check("planner", families.one_device)
def planner_works_with_one_device(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """One device serves everything, without copies."""
    allowed(balancer, case)


@check("planner", families.huge)
def planner_survives_huge_loads(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Totals beyond 2^31 are counted to the token: 32-bit sums do not hold them (MoonEP and UltraEP count in int32)."""
    allowed(balancer, case)


@check("planner", families.by_source, needs=("by source",))
def planner_serves_what_every_device_sends(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Of loads by source device the sum is served, not one rank's share."""
    allowed(balancer, case)
