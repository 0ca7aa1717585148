"""One routing of one batch, held against the certified optimum.

The optimum is taken at the routing's own peak load: with the same largest load, how much more score was possible? That
regret is never negative for K distinct experts per token. A router that drops tokens is held against the form that may
drop, one that gives tokens more than K experts against the relaxation without token rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from equipoise import metrics
from equipoise.errors import TargetError
from equipoise.problems import AssignmentProblem
from equipoise.solvers.assignment.frontier import Frontier, expert_choice_optimum
from equipoise.targets import Target
from equipoise.traces import Instance


@dataclass(frozen=True)
class Row:
    """One router on one instance; scores and regrets in units of the scores.

    ``score_ratio`` is the score over the balanced optimum (above 1 where the router is not balanced); ``least_peak``
    the smallest peak load with which the same score is possible, and ``excess_peak`` the tokens beyond it.
    ``evidence`` is "certified": every optimum behind a row carries an accepted certificate, or there is no row.
    """

    router: str
    instance: str
    sequence: str
    tokens: int
    experts: int
    top_k: int
    evidence: str = "none"
    error: str | None = None
    held_against: str = "exactly K"
    score: Fraction | None = None
    balanced_optimum: Fraction | None = None
    equal_peak_optimum: Fraction | None = None
    regret: Fraction | None = None
    relative_regret: float | None = None
    score_ratio: float | None = None
    peak: int | None = None
    least_peak: int | None = None
    excess_peak: int | None = None
    max_vio: float | None = None
    min_vio: float | None = None
    dual_gap: Fraction | None = None
    relative_dual_gap: float | None = None

    @property
    def balancer(self) -> str:
        """The router's name."""
        return self.router

    @property
    def where(self) -> str:
        """The instance's name."""
        return self.instance

    @property
    def gaps(self) -> dict[str, float]:
        """Both sides of the bargain: regret at equal peak, and MaxVio."""
        return {"regret": self.relative_regret or 0.0, "MaxVio": self.max_vio or 0.0}

    @classmethod
    def broken(cls, router: str, instance: Instance, error: str) -> Self:
        """Return the row of a router that gave no routing."""
        return cls(router, instance.name, instance.sequence, *_sizes(instance), error=error)


class Optima:
    """The exact frontier of one batch, in both forms; every peak is solved at most once."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self.exactly_k = Frontier(problem)
        self.at_most_k = Frontier(problem.with_capacity(problem.capacity, drop=True))


def judge(target: Target, instance: Instance, optima: Optima, passes: int = 1) -> Row:
    """Show ``instance`` to the router ``passes`` times and measure its last routing; a broken router is a row too."""
    problem = optima.problem
    try:
        for _ in range(passes):
            mask = target.route(instance.scores, instance.top_k)
    except TargetError as error:
        return Row.broken(target.name, instance, str(error))
    load, taken = metrics.loads(mask, problem.num_experts), mask.sum(axis=1)
    reached, peak = metrics.score(problem, mask), metrics.peak(load)
    balanced = optima.exactly_k.at(optima.exactly_k.balance).objective
    least = None
    if (taken > problem.top_k).any():
        held_against, possible = "no token rows", expert_choice_optimum(problem, peak)
    else:
        whole = (taken == problem.top_k).all()
        held_against, curve = ("exactly K", optima.exactly_k) if whole else ("at most K", optima.at_most_k)
        possible, least = curve.at(peak).objective, curve.least_peak(reached)
    bias = target.bias(problem.num_experts)
    gap = None if bias is None else metrics.dual_gap(problem, bias, balanced)
    return Row(
        target.name,
        instance.name,
        instance.sequence,
        *_sizes(instance),
        evidence="certified",
        held_against=held_against,
        score=reached,
        balanced_optimum=balanced,
        equal_peak_optimum=possible,
        regret=metrics.regret(possible, reached),
        relative_regret=metrics.relative_regret(problem, possible, reached),
        score_ratio=float(reached / balanced) if balanced > 0 else None,
        peak=peak,
        least_peak=least,
        excess_peak=None if least is None else metrics.excess_peak(peak, least),
        max_vio=metrics.max_vio(load),
        min_vio=metrics.min_vio(load),
        dual_gap=gap,
        relative_dual_gap=None if gap is None else metrics.relative_regret(problem, balanced, balanced - gap),
    )


def _sizes(instance: Instance) -> tuple[int, int, int]:
    tokens, experts = instance.scores.shape
    return tokens, experts, instance.top_k
