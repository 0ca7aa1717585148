"""How good a routing is: against the certified optimum at its own peak, and against capacity."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import currently_in_test_context
from hypothesis import target as steer

from equipoise import metrics
from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Failure, check
from equipoise.checks.engine.settings import Settings
from equipoise.checks.router import families
from equipoise.checks.router.families import plain_top_k, shown
from equipoise.problems import AssignmentProblem
from equipoise.roles.router import Routed, RouterCase
from equipoise.solution import Solution
from equipoise.solvers.assignment.frontier import expert_choice_optimum
from equipoise.solvers.solve import solve

SETTLING_CALLS = 100


def settled(balancer: Balancer, case: RouterCase, calls: int = SETTLING_CALLS) -> Routed:
    """Return the routing after a stateful router has seen the batch often enough to settle; one call otherwise."""
    balancer.fresh()
    for _ in range(calls - 1 if balancer.capabilities & {"has reset", "has bias"} else 0):
        balancer.ask(case.scores, case.top_k)
    routed: Routed = balancer.ask(case.scores, case.top_k)
    return routed


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


@check("router", families.tie_free)
def router_is_near_the_optimum(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """The score lost against the certified optimum with the same peak load stays within --max-gap.

    Without --max-gap a router must still score at least what a random balanced routing scores in expectation; one that
    declares "random" may score less in a single call. Stateful routers are judged after 100 calls on the batch.
    """
    if settings.max_gap is None and "random" in balancer.capabilities:
        return
    routed = settled(balancer, case)
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


@check("router", families.skewed, needs=("respects capacity",))
def router_respects_capacity(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """No expert takes more than ceil(T * K / E) tokens, for routers that declare "respects capacity".

    DeepSpeed ignored the capacity without dropping tokens (issue 5353).
    """
    routed = settled(balancer, case)
    problem = AssignmentProblem(case.scores, case.top_k)
    limit = int(problem.capacity[0])
    if metrics.peak(routed.load) > limit:
        expert = int(np.argmax(routed.load))
        better = solve(problem).experts
        raise Failure(
            f"expert {expert} takes {int(routed.load[expert])} tokens, the capacity is {limit}",
            None if better is None else better.tolist(),
        )


@check("router", families.skewed, needs=("has bias|respects capacity|balances",))
def router_balances_a_skewed_batch(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Shown the same skewed batch again and again, a balancer ends at most one token above the peak of plain top-K.

    A public summary of Loss-Free had the sign of its update reversed; Megatron-LM PR 6802 added beta in one path and
    subtracted it in the other.
    """
    plain = plain_top_k(case)
    routed = settled(balancer, case)
    before, after = metrics.peak(plain.sum(axis=0)), metrics.peak(routed.load)
    if after > before + 1:  # one token more is how a tie falls
        raise Failure(f"the peak load is {after} tokens, plain top-K has {before}", shown(plain))


@check("router", families.balanced_already, unless=("any number", "random"))
def router_keeps_a_balanced_top_k(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Where plain top-K is perfectly balanced it is the optimum, and there is nothing to change (vmoe PR 218: NaN)."""
    balancer.fresh()
    routed = balancer.ask(case.scores, case.top_k)
    best = plain_top_k(case)
    if not np.array_equal(routed.mask, best):
        raise Failure("it gives up the unique, perfectly balanced optimum", shown(best))


@check("router", families.balanced_in_bfloat16, needs=("half precision",), unless=("any number", "random"))
def router_tells_apart_what_its_float_type_does(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """A gate in bfloat16 or float16 chooses by logits that differ there, not by a softmax rounded to that type.

    Rounded before top-K, distinct logits become ties (transformers 5.24.0, Mistral4: up to 7 % of tokens move).
    """
    balancer.fresh()
    routed = balancer.ask(case.scores, case.top_k)
    best = plain_top_k(case)
    if not np.array_equal(routed.mask, best):
        token = int(np.argmax((routed.mask != best).any(axis=1)))
        raise Failure(
            f"token {token} takes {np.flatnonzero(routed.mask[token]).tolist()}, though bfloat16 tells its scores "
            f"apart: {case.scores[token].tolist()}",
            shown(best),
        )


@check("router", families.crowded, needs=("first come",))
def router_keeps_who_comes_first(balancer: Balancer, case: RouterCase, settings: Settings) -> None:
    """Where an expert is full, K = 1, the tokens that came first stay, if that is declared.

    Megatron-LM's and DeepSpeed's droppings by position take the top of a column of ones: any tokens, on a CPU.
    """
    balancer.fresh()
    taken = balancer.ask(case.scores, case.top_k).mask
    for expert in range(taken.shape[1]):
        wanted = np.flatnonzero(plain_top_k(case)[:, expert])
        stay = taken[wanted, expert]
        if (np.diff(stay.astype(int)) > 0).any():
            raise Failure(
                f"tokens {wanted.tolist()} want expert {expert}, in this order, and {wanted[stay].tolist()} stay",
                wanted[: int(stay.sum())].tolist(),
            )
