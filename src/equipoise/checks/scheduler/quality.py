"""How even a schedule is: compared with the certified optimum, and with schedulers that do not think."""

from __future__ import annotations

import math
from dataclasses import replace
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

ERROR = 1e-12
"""Chance with which fair draws may be flagged in one case: below 1e-9 in a thousand cases."""


def best(load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> Solution:
    """Return the certified schedule with the least peak."""
    if load.ndim == 1:
        return solve(SchedulingProblem(load, hosts))
    return solve(SchedulingProblem(source_load=load, hosts=hosts))


def shown(solution: Solution) -> list[list[int]]:
    """Return the split of a solution, for a message."""
    assert solution.split is not None
    split: list[list[int]] = solution.split.tolist()
    return split


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
    """Return the peak of the even split, every share rounded up, and that of the first host of every expert alone.

    Of loads by source device every device's tokens are split, and rounded up, on their own.
    """
    starts = np.atleast_2d(case.load)
    shares = (-(-starts // case.hosts.sum(axis=1))).sum(axis=0)
    even = int((shares[:, None] * case.hosts).sum(axis=0).max())
    return even, int(np.bincount((case.hosts > 0).argmax(axis=1), starts.sum(axis=0)).max())


def draws(balancer: Balancer) -> bool:
    """Whether it may choose replicas by draws or hashes, and does not say that it is at the optimum all the same."""
    return bool(balancer.capabilities & {"hashes", "random"}) and "exact" not in balancer.capabilities


def unlikely(count: int, tokens: int, mean: float, counts: int) -> bool:
    """Whether a count is so far off its mean that draws are no excuse, among as many counts of one case.

    Of n tokens that are sent independently, with whatever probabilities, more than x (or fewer, below the mean) arrive
    with a chance of at most ``exp(-n D)``, where D is the relative entropy of x / n to mean / n, two coins (Hoeffding
    1963, theorem 1). It is unlikely where that is below :data:`ERROR` over twice the counts.
    """
    entropy = 0.0
    for seen, expected in ((count, mean), (tokens - count, tokens - mean)):
        entropy += seen * math.log(seen / expected) if seen else 0.0
    return entropy > math.log(2 * counts / ERROR)


def fair_draws(balancer: Balancer, case: SchedulerCase, split: npt.NDArray[np.int64]) -> bool:
    """Whether it draws replicas, and no device has more tokens than fair draws put there by chance."""
    if not draws(balancer):
        return False
    load, hosts = np.atleast_2d(case.load).sum(axis=0), case.hosts > 0
    tokens, means, counts = load @ hosts, (load / hosts.sum(axis=1)) @ hosts, split.sum(axis=0)
    rows = zip(counts.tolist(), tokens.tolist(), means.tolist(), strict=True)
    return not any(count > mean and unlikely(count, all_there, mean, len(means)) for count, all_there, mean in rows)


@check("scheduler", families.instances, unless=("ignores loads",))
def scheduler_is_near_the_optimum(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """The fullest device stays within --max-gap of the certified optimum; at the optimum if "exact" is declared.

    Without --max-gap it must still be no fuller than under one of two trivial schedulers: the even split, and the first
    host alone; one that declares "hashes" or "random" no fuller than fair draws make it, but for a chance of 1e-12.
    LPLB's and SGLang's solver accepts schedules far above the optimum.
    """
    excess = judge(balancer, case, serve(balancer, case)[0], settings.max_gap)
    if currently_in_test_context():
        steer(min(excess, 10.0), label="relative excess")


@check("scheduler", families.chains, unless=("ignores loads",))
def scheduler_relieves_a_device_through_a_chain(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """A device is relieved although its neighbours are as full, by moving tokens all along a chain of devices.

    Local repair, and a bounded number of rounds, stop short of it; judged as nearness to the optimum is.
    """
    judge(balancer, case, serve(balancer, case)[0], settings.max_gap)


@check("scheduler", families.uneven_sources, needs=("by source|only by source",), unless=("ignores loads",))
def scheduler_balances_uneven_starts(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Where all tokens start on one device, they are spread as well as any; judged as nearness to the optimum is.

    A replica picked by the number of the source device is even only while all devices send as much: with padding on the
    last ranks one replica of each expert got all that counted (vllm-ascend issue 9244).
    """
    judge(balancer, case, serve(balancer, case)[0], settings.max_gap)


@check("scheduler", families.instances, unless=("approximate", "ignores loads"))
def scheduler_is_no_worse_than_an_even_split(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """The fullest device has no more tokens than if every replica served the same, rounded up (draws: by chance).

    Greedy and low-precision methods can fall behind it ("approximate"); LPLB therefore falls back to the even split.
    """
    served, (even, _) = serve(balancer, case)[0], trivial_peaks(case)
    if served.peak > even and not fair_draws(balancer, case, served.split):
        raise Failure(
            f"{_fullest(served)}; an even split over the replicas needs {even}", shown(best(case.load, case.hosts))
        )


@check("scheduler", families.one_hot_expert, unless=("ignores loads", "only by source"))
def scheduler_uses_idle_replicas(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Where one expert has all tokens, none of its replicas stays idle while another serves more than an equal part.

    SGLang's choice of replicas left some without work (PR 13423). Devices that each
    know their own tokens alone ("only by source") cannot avoid it.
    """
    expert = int(np.argmax(case.load))
    served, hosts, tokens = serve(balancer, case)[0].split[expert], case.hosts[expert], int(case.load[expert])
    replicas = int(hosts.sum())
    if draws(balancer) and not unlikely(0, tokens, tokens / replicas, replicas):
        return
    idle, beyond = (hosts > 0) & (served == 0), served > -(-tokens // replicas) * hosts
    if idle.any() and beyond.any():
        full = int(np.argmax(beyond))
        raise Failure(
            f"device {full} serves {served[full]} of the {tokens} tokens of expert {expert}, "
            f"device {int(np.argmax(idle))}, which hosts it too, none",
            shown(best(case.load, case.hosts)),
        )


@check("scheduler", families.many_tokens, needs=("hashes|random",))
def scheduler_draws_replicas_fairly(balancer: Balancer, case: SchedulerCase, settings: Settings) -> None:
    """Of thousands of tokens every replica of an expert gets its equal part, up to what fair draws show by chance.

    A fair draw or hash is flagged with a chance of at most 1e-12 in a case (1e-9 in a thousand), by Hoeffding's bound
    for every count and the union bound over them. One that declares "random" alone may choose by the loads: it is
    judged by devices, where all of them host all experts. A hash that fits neither the number of replicas nor the rows
    that an expert gets sends them uneven parts (vllm PR 40810: up to 90 %).
    """
    served, load = serve(balancer, case)[0], case.load
    replicas = case.hosts.sum(axis=1)
    counts = int(replicas.sum()) + case.hosts.shape[1]
    if "hashes" in balancer.capabilities:
        for expert, device in np.argwhere(case.hosts).tolist():
            tokens, count = int(load[expert]), int(served.split[expert, device])
            if unlikely(count, tokens, tokens / replicas[expert], counts):
                raise Failure(
                    f"device {device} serves {count} of the {tokens} tokens of expert {expert}, which has "
                    f"{replicas[expert]} replicas; fair draws are as uneven with a chance below {ERROR:g} only",
                    shown(best(load, case.hosts)),
                )
    total = int(load.sum())
    for device, count in enumerate(served.split.sum(axis=0).tolist() if case.hosts.all() else ()):
        if unlikely(count, total, total / case.hosts.shape[1], counts):
            raise Failure(
                f"device {device} serves {count} of {total} tokens, which all {case.hosts.shape[1]} devices could "
                f"serve; fair draws are as uneven with a chance below {ERROR:g} only",
                shown(best(load, case.hosts)),
            )


def judge(balancer: Balancer, case: SchedulerCase, served: Schedule, max_gap: float | None) -> float:
    """Return by how much the fullest device is above the optimum, relative.

    Fail if that is more than the gap, or without one more than under trivial schedulers.
    """
    solution = best(case.load, case.hosts)
    assert solution.objective is not None
    optimum = int(solution.objective)
    excess = (served.peak - optimum) / optimum if optimum else 0.0
    if "exact" in balancer.capabilities:
        allowed, words = Fraction(optimum), ', and "exact" is declared'
    elif max_gap is not None:
        allowed = optimum * (1 + Fraction(str(max_gap)))  # the decimal that was written
        words = f": {excess:.2%} too many, allowed is {max_gap:.2%}"
    elif fair_draws(balancer, case, served.split):
        return excess
    else:
        given, _ = balancer.calls(case)[0]
        even, first = trivial_peaks(replace(case, loads=(given,)))
        allowed, words = (
            Fraction(max(even, first)),
            f", an even split {even}, the first host of every expert alone {first}",
        )
    if served.peak > allowed:
        raise Failure(f"{_fullest(served)}; the optimum needs {optimum}{words}", shown(solution))
    return excess


def _fullest(served: Schedule) -> str:
    return f"device {int(np.argmax(served.split.sum(axis=0)))} gets {served.peak} tokens"
