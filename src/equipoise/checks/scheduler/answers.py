"""A scheduler serves every token once, as a whole, on a device that hosts its expert, whatever the load."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import SchedulerCase
from equipoise.checks.registry import check, family
from equipoise.checks.scheduler.view import examine, no_schedule, serve
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject
from equipoise.roles import Fault


def _case(instance: tuple[strategies.Integers, strategies.Booleans]) -> SchedulerCase:
    return SchedulerCase((instance[0],), instance[1])


def plain(case: SchedulerCase) -> bool:
    """Whether no load is by source device."""
    return all(load.ndim == 1 for load in case.loads)


@family(plain)
def instances() -> st.SearchStrategy[SchedulerCase]:
    """One load of any kind, any hosts."""
    return strategies.scheduling_instances().map(_case)


@family(lambda case: plain(case) and not case.load.any())
def idle() -> st.SearchStrategy[SchedulerCase]:
    """No tokens at all."""
    return strategies.scheduling_instances(kind="zero").map(_case)


@family(lambda case: plain(case) and bool((case.hosts.sum(axis=1) == 1).all()))
def single_hosts() -> st.SearchStrategy[SchedulerCase]:
    """One host per expert: nothing to choose."""
    return strategies.scheduling_instances(hosts=strategies.host_matrices(replicas=st.just(1))).map(_case)


@family(lambda case: plain(case) and bool(case.hosts.all()))
def everywhere() -> st.SearchStrategy[SchedulerCase]:
    """Every device hosts every expert."""
    return strategies.scheduling_instances(hosts=strategies.host_matrices(replicas=st.just(99))).map(_case)


@family(lambda case: plain(case) and case.hosts.shape[1] == 1)
def one_device() -> st.SearchStrategy[SchedulerCase]:
    """G = 1."""
    return strategies.scheduling_instances(hosts=strategies.host_matrices(devices=st.just(1))).map(_case)


@family(lambda case: plain(case) and bool((case.load % case.hosts.sum(axis=1) > 0).any()))
def indivisible() -> st.SearchStrategy[SchedulerCase]:
    """Some load is no multiple of the number of its expert's replicas."""
    return strategies.scheduling_instances().map(_case).filter(indivisible.admits)


@family(lambda case: plain(case) and int(case.load.sum(dtype=np.int64)) >= 2**31)
def huge() -> st.SearchStrategy[SchedulerCase]:
    """Loads just below 2^31, in 32 or 64 bits."""
    hosts = strategies.host_matrices(experts=st.integers(2, 5))
    instance = strategies.scheduling_instances(hosts=hosts, kind="huge")
    types = st.sampled_from((np.int64, np.int32))
    return st.builds(lambda pair, dtype: SchedulerCase((pair[0].astype(dtype),), pair[1]), instance, types)


def _never(fault: Fault, subject: Subject, case: SchedulerCase) -> None:
    subject.fresh()
    for load in case.loads:
        _, _, found = examine(subject, load, case.hosts)
        if found is not None and found[0] == fault:
            raise no_schedule(found[1], load, case.hosts)


def _serves(subject: Subject, case: SchedulerCase) -> None:
    subject.fresh()
    for load in case.loads:
        serve(subject, load, case.hosts)


@check("scheduler", instances)
def scheduler_answers(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Every valid load gets an answer of numbers, one for each expert and device.

    vLLM's maps came back with the wrong type (PR 18343); serving systems refuse by assertion what does not divide
    (sglang issue 8253, vllm issue 52435).
    """
    subject.fresh()
    examine(subject, case.load, case.hosts)


@check("scheduler", instances)
def scheduler_gives_whole_tokens(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Tokens are not divided: a linear program's shares must be rounded, and to numbers (not NaN).

    LPLB and SGLang return probabilities, which no device can serve.
    """
    _never("parts of tokens", subject, case)


@check("scheduler", instances)
def scheduler_serves_no_negative_tokens(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """No device serves less than nothing; a remainder taken off the last replica can get there."""
    _never("negative", subject, case)


@check("scheduler", instances)
def scheduler_serves_only_on_hosts(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """An expert is served only where it is hosted (vllm-ascend PR 4793 used places that do not exist)."""
    _never("not hosted", subject, case)


@check("scheduler", instances)
def scheduler_serves_every_token_once(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """What the devices serve of an expert sums to its load.

    Loads of one rank only, or multiplied by the ranks (vllm PR 22167, SGLang's recorder); not conserved (vllm-ascend).
    """
    _never("lost or made up", subject, case)


@check("scheduler", indivisible)
def scheduler_keeps_the_remainder(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Loads that do not divide by the number of replicas are served to the last token, and none twice.

    TensorRT-LLM's fallback for such sizes dropped some and duplicated others (PR 13888).
    """
    _serves(subject, case)


@check("scheduler", idle)
def scheduler_works_without_load(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """No tokens, nothing to serve: a peak of zero divides nothing (EPLB gives all spare replicas to expert 0)."""
    _serves(subject, case)


@check("scheduler", single_hosts)
def scheduler_works_with_single_hosts(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Where every expert has one host, that host serves all of it; LPLB knows replicated experts only."""
    _serves(subject, case)


@check("scheduler", everywhere)
def scheduler_works_with_replicas_everywhere(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Every expert on every device is a placement like any other; LPLB is written for two hosts per expert."""
    _serves(subject, case)


@check("scheduler", one_device)
def scheduler_works_with_one_device(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """One device serves everything."""
    _serves(subject, case)


@check("scheduler", huge)
def scheduler_survives_huge_loads(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Loads near 2^31 are counted to the token: neither 32-bit sums nor float32 hold them (LPLB solves in float32)."""
    _serves(subject, case)
