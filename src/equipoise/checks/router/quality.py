"""How good a routing is: against the certified optimum at its own peak, and against capacity."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from hypothesis import currently_in_test_context
from hypothesis import strategies as st
from hypothesis import target as steer

from equipoise import metrics, strategies
from equipoise.checks.cases import RouterCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.router.view import Routed, from_a_gate, route, shown
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject
from equipoise.problems import AssignmentProblem
from equipoise.solution import Solution
from equipoise.solvers.assignment.frontier import expert_choice_optimum
from equipoise.solvers.solve import solve

SETTLING_CALLS = 100


APART = 2.0**-13
"""Scores closer than this are ties to a router that works with a step of its own or in a float type of a gate."""


def distinct(case: RouterCase) -> bool:
    """Whether all scores of the batch differ, by more than :data:`APART`."""
    levels = np.sort(case.scores, axis=None).astype(np.float64)
    return bool((np.diff(levels) > APART).all())


def _tie_free(case: RouterCase) -> bool:
    tokens, experts = case.scores.shape
    return tokens >= 4 and tokens * case.top_k >= experts and distinct(case) and from_a_gate(case)


def _skewed(case: RouterCase) -> bool:
    tokens, experts = case.scores.shape
    if tokens < 8 or case.top_k >= experts or not distinct(case) or not from_a_gate(case):
        return False
    load = plain_top_k(case).sum(axis=0)
    return bool(2 * load.max() >= 3 * load.mean())


def _balanced(case: RouterCase) -> bool:
    if not from_a_gate(case):
        return False
    load = plain_top_k(case).sum(axis=0)
    ranked = np.sort(case.scores.astype(np.float64), axis=1)[:, ::-1]
    apart = case.top_k == ranked.shape[1] or (ranked[:, case.top_k - 1] - ranked[:, case.top_k]).min() > 0.01
    return bool(load.max() == load.min() and apart)


def plain_top_k(case: RouterCase) -> npt.NDArray[np.bool_]:
    """Return the mask ``[T, E]`` of every token's K best experts, the first of equals."""
    mask = np.zeros(case.scores.shape, bool)
    np.put_along_axis(mask, np.argsort(-case.scores, axis=1, kind="stable")[:, : case.top_k], True, axis=1)
    return mask


@family(_tie_free)
def tie_free() -> st.SearchStrategy[RouterCase]:
    """One tie-free batch, at least as many assignments as experts."""
    scores = strategies.distinct_scores(tokens=st.integers(4, 24))
    return scores.flatmap(lambda batch: st.integers(1, batch.shape[1]).map(lambda k: RouterCase((batch,), k)))


@family(_skewed)
def skewed() -> st.SearchStrategy[RouterCase]:
    """One tie-free batch that strongly prefers some experts; K < E."""
    scores = strategies.distinct_scores(tokens=st.integers(8, 24), skew=st.integers(2, 3))
    return scores.flatmap(lambda batch: st.integers(1, batch.shape[1] - 1).map(lambda k: RouterCase((batch,), k)))


@family(_balanced)
def balanced_already() -> st.SearchStrategy[RouterCase]:
    """Batches whose plain top-K is perfectly balanced, with a clear margin."""

    def build(experts: int, rounds: int, top_k: int) -> RouterCase:
        tokens = experts * rounds
        distance = (np.arange(experts) - np.arange(tokens)[:, None]) % experts
        return RouterCase((((experts - distance) / (2 * experts)).astype(np.float32),), min(top_k, experts))

    return st.builds(build, st.integers(2, 6), st.integers(1, 4), st.integers(1, 6))


def settled(subject: Subject, case: RouterCase, calls: int = SETTLING_CALLS) -> Routed:
    """Return the routing after a stateful router has seen the batch often enough to settle; one call otherwise."""
    subject.fresh()
    for _ in range(calls - 1 if "has reset" in subject.capabilities or "has bias" in subject.capabilities else 0):
        route(subject, case.scores, case.top_k)
    return route(subject, case.scores, case.top_k)


def optimum_at_peak(case: RouterCase, routed: Routed) -> tuple[AssignmentProblem, Solution | None, Fraction]:
    """Return the problem, its certified optimum at the routing's peak (None: closed form), and that optimum's score."""
    problem = AssignmentProblem(case.scores, case.top_k)
    taken = routed.mask.sum(axis=1)
    if (taken > case.top_k).any():
        return problem, None, expert_choice_optimum(problem, metrics.peak(routed.load))
    if (taken < case.top_k).any():
        problem = problem.with_capacity(problem.capacity, drop=True)
    solution = solve(metrics.at_peak_of(problem, routed.load))
    assert solution.objective is not None
    return problem, solution, solution.objective


@check("router", tie_free)
def router_is_near_the_optimum(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """The score lost against the certified optimum with the same peak load stays within --max-gap.

    Without --max-gap a router must still score at least what a random balanced routing scores in expectation. Stateful
    routers are judged after 100 calls on the batch.
    """
    routed = settled(subject, case)
    problem, solution, best = optimum_at_peak(case, routed)
    reached = metrics.score(problem, routed.mask)
    lost = metrics.relative_regret(problem, best, reached)
    if currently_in_test_context():
        steer(min(lost, 10.0), label="relative regret")
    allowed = 1.0 if settings.max_gap is None else settings.max_gap
    if lost > allowed:
        better = None if solution is None or solution.experts is None else solution.experts.tolist()
        peak = metrics.peak(routed.load)
        gain = float(best - reached)
        words = "random balanced routing scores more" if settings.max_gap is None else f"more than {allowed:.2%}"
        raise Failure(
            f"at its own peak load of {peak} the optimum scores {float(best):.6g}, it scores {float(reached):.6g}: "
            f"{gain:.3g} lost, {lost:.2%} of the possible gain ({words})",
            better,
        )


@check("router", skewed, needs=("respects capacity",))
def router_respects_capacity(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """No expert takes more than ceil(T * K / E) tokens, for routers that declare "respects capacity".

    DeepSpeed ignored the capacity without dropping tokens (issue 5353).
    """
    routed = settled(subject, case)
    problem = AssignmentProblem(case.scores, case.top_k)
    limit = int(problem.capacity[0])
    if metrics.peak(routed.load) > limit:
        expert = int(np.argmax(routed.load))
        better = solve(problem).experts
        raise Failure(
            f"expert {expert} takes {int(routed.load[expert])} tokens, the capacity is {limit}",
            None if better is None else better.tolist(),
        )


@check("router", skewed, needs=("has bias|respects capacity|balances",))
def router_balances_a_skewed_batch(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Shown the same skewed batch again and again, a balancer does not end with a higher peak than plain top-K.

    A public summary of Loss-Free had the sign of its update reversed; Megatron-LM PR 6802 added beta in one path and
    subtracted it in the other.
    """
    plain = plain_top_k(case)
    routed = settled(subject, case)
    before, after = metrics.peak(plain.sum(axis=0)), metrics.peak(routed.load)
    if after > before:
        raise Failure(f"the peak load is {after} tokens, plain top-K has {before}", shown(plain))


@check("router", balanced_already, unless=("any number", "random"))
def router_keeps_a_balanced_top_k(subject: Subject, case: RouterCase, settings: Settings) -> None:
    """Where plain top-K is perfectly balanced it is the optimum, and there is nothing to change (vmoe PR 218: NaN)."""
    subject.fresh()
    routed = route(subject, case.scores, case.top_k)
    best = plain_top_k(case)
    if not np.array_equal(routed.mask, best):
        raise Failure("it gives up the unique, perfectly balanced optimum", shown(best))
