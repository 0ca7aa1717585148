"""How even a schedule is: against the certified optimum, and against schedulers that do not think."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import currently_in_test_context
from hypothesis import strategies as st
from hypothesis import target as steer

from equipoise import strategies
from equipoise.checks.cases import SchedulerCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.scheduler.answers import instances, plain
from equipoise.checks.scheduler.view import Served, best, even_peak, first_host_peak, serve, shown
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


def _hot(case: SchedulerCase) -> bool:
    if not plain(case) or np.count_nonzero(case.load) != 1:
        return False
    expert = int(np.argmax(case.load))
    return 2 <= int(case.hosts[expert].sum()) <= int(case.load[expert])


def _chain(case: SchedulerCase) -> bool:
    experts, devices = case.hosts.shape
    links = np.eye(experts, devices, dtype=bool) | np.eye(experts, devices, 1, dtype=bool)
    return plain(case) and devices == experts + 1 and np.array_equal(case.hosts, links)


@family(_hot)
def one_hot_expert() -> st.SearchStrategy[SchedulerCase]:
    """The last expert has all tokens, at least one for each of its two or more replicas."""

    def build(more: int, hosts: strategies.Booleans) -> SchedulerCase:
        load = np.zeros(len(hosts), np.int64)
        load[-1] = hosts[-1].sum() + more
        return SchedulerCase((load,), hosts)

    hosts = strategies.host_matrices(devices=st.integers(2, 5), replicas=st.integers(2, 5))
    return st.builds(build, st.integers(0, 99), hosts)


@family(_chain)
def chains() -> st.SearchStrategy[SchedulerCase]:
    """Expert e on devices e and e + 1, the first with twice the load: all devices can be equal if all experts move."""

    def build(experts: int, tokens: int, reverse: bool) -> SchedulerCase:
        load = np.full(experts, tokens)
        load[-1 if reverse else 0] *= 2
        hosts = np.eye(experts, experts + 1, dtype=bool) | np.eye(experts, experts + 1, 1, dtype=bool)
        return SchedulerCase((load,), hosts)

    return st.builds(build, st.integers(1, 8), st.integers(1, 50), st.booleans())


@check("scheduler", instances, unless=("ignores loads",))
def scheduler_is_near_the_optimum(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """The fullest device stays within --max-gap of the certified optimum; at the optimum if "exact" is declared.

    Without --max-gap it must still be no fuller than under one of two trivial schedulers: the even split, and the first
    host alone. LPLB's and SGLang's solver accepts schedules far above the optimum.
    """
    _judge(subject, case, settings)


@check("scheduler", chains, unless=("ignores loads",))
def scheduler_relieves_a_device_through_a_chain(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """A device is relieved although its neighbours are as full, by moving tokens all along a chain of devices.

    Local repair, and a bounded number of rounds, stop short of it; judged as nearness to the optimum is.
    """
    _judge(subject, case, settings)


@check("scheduler", instances, unless=("approximate", "ignores loads"))
def scheduler_is_no_worse_than_an_even_split(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """The fullest device has no more tokens than if every replica served the same, rounded up.

    Greedy and low-precision methods can fall behind it ("approximate"); LPLB therefore falls back to the even split.
    """
    subject.fresh()
    served, even = serve(subject, case.load, case.hosts), even_peak(case)
    if served.peak > even:
        raise Failure(
            f"{_fullest(served)}; an even split over the replicas needs {even}", shown(best(case.load, case.hosts))
        )


@check("scheduler", one_hot_expert, unless=("ignores loads", "only by source"))
def scheduler_uses_idle_replicas(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Where one expert has all tokens, none of its replicas stays idle while another serves more than an equal part.

    SGLang's choice of replicas left some without work (PR 13423). Devices that each
    know their own tokens alone ("only by source") cannot avoid it.
    """
    subject.fresh()
    served = serve(subject, case.load, case.hosts)
    expert = int(np.argmax(case.load))
    equal = -(-int(case.load[expert]) // int(case.hosts[expert].sum()))
    idle = np.flatnonzero(case.hosts[expert] & (served.split[expert] == 0))
    if len(idle) and served.peak > equal:
        full = int(np.argmax(served.split[expert]))
        raise Failure(
            f"device {full} serves {served.peak} of the {case.load[expert]} tokens of expert {expert}, "
            f"device {idle[0]}, which hosts it too, none",
            shown(best(case.load, case.hosts)),
        )


def _judge(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    subject.fresh()
    served, solution = serve(subject, case.load, case.hosts), best(case.load, case.hosts)
    assert solution.objective is not None
    optimum = int(solution.objective)
    excess = (served.peak - optimum) / optimum if optimum else 0.0
    if currently_in_test_context():
        steer(min(excess, 10.0), label="relative excess")
    if "exact" in subject.capabilities:
        allowed, words = Fraction(optimum), ', and "exact" is declared'
    elif settings.max_gap is not None:
        allowed = optimum * (1 + Fraction(settings.max_gap).limit_denominator(10**9))
        words = f": {excess:.1%} too many, allowed is {settings.max_gap:.1%}"
    else:
        even, first = even_peak(case), first_host_peak(case)
        allowed, words = (
            Fraction(max(even, first)),
            f", an even split {even}, the first host of every expert alone {first}",
        )
    if served.peak > allowed:
        raise Failure(f"{_fullest(served)}; the optimum needs {optimum}{words}", shown(solution))


def _fullest(served: Served) -> str:
    return f"device {int(np.argmax(served.split.sum(axis=0)))} gets {served.peak} tokens"
