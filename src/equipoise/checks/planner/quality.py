"""How even a plan is: compared with proved bounds and with no copies at all, and what it copies for that."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import currently_in_test_context
from hypothesis import target as steer

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.planner import families
from equipoise.checks.planner.answers import plans, problem_of
from equipoise.problems import ReplicationProblem
from equipoise.roles.planner import PlannerCase
from equipoise.solvers.solve import solve

WORTH = 2048
"""Tokens for which a copy is worth its transfer."""


@check("planner", families.instances, unless=("ignores loads", "approximate"))
def planner_is_no_worse_than_no_copies(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """The fullest device has no more tokens than if every token stayed at home."""
    for load, plan in plans(balancer, case):
        no_worse_than_no_copies(problem_of(balancer, case, load), plan.peak)


def no_worse_than_no_copies(problem: ReplicationProblem, peak: int) -> None:
    """Fail if a peak is above that of no copies."""
    stay = int(problem.home_load.max())
    if peak > stay:
        raise Failure(f"the fullest device gets {peak} tokens; without any copy it would get {stay}")


@check("planner", families.single_slots, unless=("ignores loads",))
def planner_is_near_the_optimum(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """The fullest device stays within --max-gap of a proved bound; at the optimum if "exact" is declared.

    Without either it must still close some of the distance between no copies and the optimum where an export of one
    expert alone would: half of what the best single copy saves. Only copies for thousands of tokens count then, as a
    planner may think fewer not worth the transfer (UltraEP does below 1,024).
    """
    bounded = settings.max_gap is not None or "exact" in balancer.capabilities
    for load, plan in plans(balancer, case):
        problem = problem_of(balancer, case, load)
        if not bounded:
            closes_something(problem, plan.peak)
            continue
        solution = solve(problem)
        bound = int(solution.lower or 0)
        if currently_in_test_context():
            steer(min(10.0, plan.peak / bound - 1 if bound else 0.0), label="relative excess")
        gap = Fraction(0) if settings.max_gap is None else Fraction(str(settings.max_gap))
        highest = Fraction(int(solution.objective or 0)) if "exact" in balancer.capabilities else bound * (1 + gap)
        if plan.peak > highest:
            better = None if solution.split is None else solution.split.tolist()
            words = f"a proved bound is {bound}, {float(highest):g} is allowed"
            raise Failure(f"the fullest device gets {plan.peak} tokens; {words}", better)


def closes_something(problem: ReplicationProblem, peak: int) -> None:
    """Fail if a plan saves less than half of what the best single copy does, if that is worth a transfer."""
    held = problem.home_load
    source = int(held.argmax())
    others = np.delete(held, source)
    if not len(others) or int(problem.slots.sum()) == 0:
        return
    heaviest = int(problem.load[problem.home == source].max())
    room = np.where(np.delete(problem.slots, source) > 0, held[source] - others, 0)
    moved = min(heaviest, int(room.max()) // 2)
    if moved < WORTH:
        return
    single = max(int(held[source]) - moved, int(others.max()))
    if 2 * (int(held[source]) - peak) < int(held[source]) - single - 1:
        raise Failure(
            f"the fullest device gets {peak} tokens of {held[source]} without copies; one copy makes it {single}"
        )


@check("planner", families.one_hot_expert, unless=("ignores loads",))
def planner_spreads_a_hot_expert(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Where one expert has all tokens and every device a slot, the fullest device gets at most three fifths of them.

    An expert that is copied to all devices could be served evenly; two devices are asked for, with a slack as
    UltraEP's threshold has.
    """
    for load, plan in plans(balancer, case):
        most = -(-3 * int(load.sum()) // 5)
        if plan.peak > most:
            even = -(-int(load.sum()) // len(case.slots))
            raise Failure(
                f"the fullest device gets {plan.peak} of {load.sum()} tokens; copies everywhere make it {even}"
            )


@check("planner", families.balanced, unless=("ignores loads", "approximate"))
def planner_copies_nothing_without_need(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """Where all devices are equally full, no expert is moved: a copy costs its weights' transfer."""
    for _, plan in plans(balancer, case):
        if plan.copies.any():
            raise Failure(f"all devices are equally full, and it makes {int(plan.copies.sum())} copies")


@check("planner", families.instances, unless=("ignores loads", "approximate"))
def planner_makes_no_idle_copies(balancer: Balancer, case: PlannerCase, settings: Settings) -> None:
    """A copy serves at least one token: weights are not sent for nothing."""
    for _, plan in plans(balancer, case):
        idle = plan.copies & (plan.split == 0)
        if idle.any():
            expert, device = np.argwhere(idle)[0].tolist()
            raise Failure(f"the copy of expert {expert} on device {device} serves no token")
