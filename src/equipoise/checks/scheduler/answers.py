"""A scheduler serves every token once, as a whole, on a device that hosts its expert, whatever the load."""

from __future__ import annotations

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler import families
from equipoise.checks.scheduler.quality import best, serve, shown
from equipoise.errors import TargetError
from equipoise.roles.scheduler import COUNTS, NO_SCHEDULE, Fault, SchedulerCase, schedule_fault, served_tokens


def _never(fault: Fault, balancer: Balancer, case: SchedulerCase) -> None:
    """Fail at this fault alone: each has a check of its own."""
    balancer.fresh()
    for load, hosts in balancer.calls(case):
        served = served_tokens(balancer.call(load, hosts).value, load, hosts)
        found = schedule_fault(served, load, hosts)
        if found is not None and found[0] == fault:
            raise TargetError(f"it {found[1]}", NO_SCHEDULE, shown(best(load, hosts)))


@check("scheduler", families.instances)
def scheduler_gives_whole_tokens(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Tokens are not divided: a linear program's shares must be rounded, and to numbers (not NaN).

    LPLB and SGLang return probabilities, which no device can serve.
    """
    _never("fractional tokens", balancer, case)


@check("scheduler", families.instances)
def scheduler_serves_no_negative_tokens(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """No device serves less than nothing; a remainder taken off the last replica can get there."""
    _never("negative", balancer, case)


@check("scheduler", families.instances)
def scheduler_serves_only_on_hosts(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """An expert is served only where it is hosted (vllm-ascend PR 4793 used places that do not exist)."""
    _never("not hosted", balancer, case)


@check("scheduler", families.instances)
def scheduler_serves_every_token_once(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """What the devices serve of an expert sums to its load.

    Loads of one rank only, or multiplied by the ranks (vllm PR 22167, SGLang's recorder); not conserved (vllm-ascend).
    """
    _never("lost or made up", balancer, case)


@check("scheduler", families.indivisible)
def scheduler_keeps_the_remainder(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Loads that do not divide by the number of replicas are served to the last token, and none twice.

    TensorRT-LLM's fallback for such sizes dropped some and duplicated others (PR 13888).
    """
    serve(balancer, case)


@check("scheduler", families.idle)
def scheduler_works_without_load(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """No tokens, nothing to serve: a peak of zero divides nothing (EPLB gives all spare replicas to expert 0)."""
    serve(balancer, case)


@check("scheduler", families.single_hosts)
def scheduler_works_with_single_hosts(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Where every expert has one host, that host serves all of it; LPLB knows replicated experts only."""
    serve(balancer, case)


@check("scheduler", families.everywhere)
def scheduler_works_with_replicas_everywhere(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Every expert on every device is a placement like any other; LPLB is written for two hosts per expert."""
    serve(balancer, case)


@check("scheduler", families.counted, needs=(COUNTS,))
def scheduler_takes_numbers_of_replicas(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Where ``hosts`` counts replicas and a device holds two of an expert, every token is still served once.

    For schedulers that declare "counts replicas". EPLB puts two on a device (issue 22); numbers are no mask.
    """
    serve(balancer, case)


@check("scheduler", families.one_device)
def scheduler_works_with_one_device(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """One device serves everything."""
    serve(balancer, case)


@check("scheduler", families.huge)
def scheduler_survives_huge_loads(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Loads near 2^31 are counted to the token: neither 32-bit sums nor float32 hold them (LPLB solves in float32)."""
    serve(balancer, case)


@check("scheduler", families.by_source, needs=("by source|only by source",))
def scheduler_serves_what_every_device_sends(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Of loads by source device, flows serve every device's tokens, and a split their sum.

    vLLM counted the loads of one rank only (PR 22167).
    """
    serve(balancer, case)
