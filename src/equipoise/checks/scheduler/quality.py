"""How even a schedule is: compared with the certified optimum, and with schedulers that do not think."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import currently_in_test_context
from hypothesis import target as steer

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.scheduler import families
from equipoise.errors import TargetError
from equipoise.problems import SchedulingProblem
from equipoise.roles.scheduler import NO_SCHEDULE, Schedule, SchedulerCase
from equipoise.solution import Solution
from equipoise.solvers.solve import solve


def best(load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> Solution:
    """Return the certified schedule with the least peak."""
    if load.ndim == 1:
        return solve(SchedulingProblem(load, hosts))
    return solve(SchedulingProblem(source_load=load, hosts=hosts))


def shown(solution: Solution) -> list[list[int]] | None:
    """Return the split of a solution, for a message."""
    return None if solution.split is None else solution.split.tolist()


def serve(balancer: Balancer, case: SchedulerCase) -> list[Schedule]:
    """Return what a fresh scheduler does with every load of the case.

    Raises
    ------
    TargetError
        With a better answer, if it does not serve exactly these tokens on their hosts.
    """
    balancer.fresh()
    schedules = []
    for call in balancer.calls(case):
        try:
            schedules.append(balancer.ask(*call))
        except TargetError as error:
            if error.kind != NO_SCHEDULE:
                raise
            raise TargetError(str(error), error.kind, shown(best(*call))) from error
    return schedules


def trivial_peaks(case: SchedulerCase) -> tuple[int, int]:
    """Return the peak of the even split, every share rounded up, and that of the first host of every expert alone."""
    shares = -(-case.load // case.hosts.sum(axis=1))
    even = int((shares[:, None] * case.hosts).sum(axis=0).max())
    return even, int(np.bincount(case.hosts.argmax(axis=1), case.load).max())


@check("scheduler", families.instances, unless=("ignores loads",))
def scheduler_is_near_the_optimum(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """The fullest device stays within --max-gap of the certified optimum; at the optimum if "exact" is declared.

    Without --max-gap it must still be no fuller than under one of two trivial schedulers: the even split, and the first
    host alone. LPLB's and SGLang's solver accepts schedules far above the optimum.
    """
    _judge(balancer, case, settings)


@check("scheduler", families.chains, unless=("ignores loads",))
def scheduler_relieves_a_device_through_a_chain(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """A device is relieved although its neighbours are as full, by moving tokens all along a chain of devices.

    Local repair, and a bounded number of rounds, stop short of it; judged as nearness to the optimum is.
    """
    _judge(balancer, case, settings)


@check("scheduler", families.instances, unless=("approximate", "ignores loads"))
def scheduler_is_no_worse_than_an_even_split(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """The fullest device has no more tokens than if every replica served the same, rounded up.

    Greedy and low-precision methods can fall behind it ("approximate"); LPLB therefore falls back to the even split.
    """
    served, (even, _) = serve(balancer, case)[0], trivial_peaks(case)
    if served.peak > even:
        raise Failure(
            f"{_fullest(served)}; an even split over the replicas needs {even}", shown(best(case.load, case.hosts))
        )


@check("scheduler", families.one_hot_expert, unless=("ignores loads", "only by source"))
def scheduler_uses_idle_replicas(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Where one expert has all tokens, none of its replicas stays idle while another serves more than an equal part.

    SGLang's choice of replicas left some without work (PR 13423). Devices that each
    know their own tokens alone ("only by source") cannot avoid it.
    """
    served = serve(balancer, case)[0]
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


def _judge(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    served, solution = serve(balancer, case)[0], best(case.load, case.hosts)
    assert solution.objective is not None
    optimum = int(solution.objective)
    excess = (served.peak - optimum) / optimum if optimum else 0.0
    if currently_in_test_context():
        steer(min(excess, 10.0), label="relative excess")
    if "exact" in balancer.capabilities:
        allowed, words = Fraction(optimum), ', and "exact" is declared'
    elif settings.max_gap is not None:
        allowed = optimum * (1 + Fraction(settings.max_gap).limit_denominator(10**9))
        words = f": {excess:.2%} too many, allowed is {settings.max_gap:.2%}"
    else:
        even, first = trivial_peaks(case)
        allowed, words = (
            Fraction(max(even, first)),
            f", an even split {even}, the first host of every expert alone {first}",
        )
    if served.peak > allowed:
        raise Failure(f"{_fullest(served)}; the optimum needs {optimum}{words}", shown(solution))


def _fullest(served: Schedule) -> str:
    return f"device {int(np.argmax(served.split.sum(axis=0)))} gets {served.peak} tokens"
