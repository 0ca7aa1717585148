"""One routing of one batch, held against the certified optimum.

The optimum is taken at the routing's own peak load: with the same largest load, how much more score was possible? That
regret is never negative for K distinct experts per token. A router that drops tokens is held against the form that may
drop, one that gives tokens more than K experts against the relaxation without token rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt

from equipoise import metrics
from equipoise.errors import OracleError, TargetError
from equipoise.problems import AssignmentProblem
from equipoise.solvers.solve import solve
from equipoise.targets import Target
from equipoise.traces import Instance


@dataclass(frozen=True)
class Row:
    """One router on one instance; scores and regrets in units of the scores.

    ``score_ratio`` is the score over the balanced optimum (above 1 where the router is not balanced).
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
    max_vio: float | None = None
    min_vio: float | None = None
    dual_gap: Fraction | None = None
    relative_dual_gap: float | None = None

    @classmethod
    def broken(cls, router: str, instance: Instance, error: str) -> Self:
        """Return the row of a router that gave no routing."""
        return cls(router, instance.name, instance.sequence, *_sizes(instance), error=error)


class Optima:
    """Certified optima of one batch under the capacities that its routings ask for; each is solved once."""

    def __init__(self, problem: AssignmentProblem) -> None:
        self.problem = problem
        self._solved: dict[tuple[bytes, bool], tuple[Fraction, str]] = {}

    def of(self, problem: AssignmentProblem) -> tuple[Fraction, str]:
        """Return the optimum and its evidence."""
        key = problem.capacity.tobytes(), problem.drop
        if key not in self._solved:
            solution = solve(problem)
            if solution.objective is None:
                raise OracleError(f"{solution.solver} found no answer: {solution.raw_status}")
            self._solved[key] = solution.objective, solution.evidence
        return self._solved[key]


def judge(target: Target, instance: Instance, optima: Optima, passes: int = 1) -> Row:
    """Show ``instance`` to the router ``passes`` times and measure its last routing; a broken router is a row too."""
    problem = optima.problem
    try:
        for _ in range(passes):
            mask = target.route(instance.scores, instance.top_k)
    except TargetError as error:
        return Row.broken(target.name, instance, str(error))
    load = metrics.loads(mask, problem.num_experts)
    reached = metrics.score(problem, mask)
    balanced, evidence = optima.of(problem)
    held_against, possible, peak_evidence = _comparator(optima, mask, load)
    lost = metrics.regret(possible, reached)
    bias = target.bias(problem.num_experts)
    gap = None if bias is None else metrics.dual_gap(problem, bias, balanced)
    return Row(
        target.name,
        instance.name,
        instance.sequence,
        *_sizes(instance),
        evidence="certified" if (evidence, peak_evidence) == ("certified", "certified") else "claimed",
        held_against=held_against,
        score=reached,
        balanced_optimum=balanced,
        equal_peak_optimum=possible,
        regret=lost,
        relative_regret=metrics.relative_regret(problem, possible, reached),
        score_ratio=float(reached / balanced) if balanced > 0 else None,
        peak=metrics.peak(load),
        max_vio=metrics.max_vio(load),
        min_vio=metrics.min_vio(load),
        dual_gap=gap,
        relative_dual_gap=None if gap is None else metrics.relative_regret(problem, balanced, balanced - gap),
    )


def _sizes(instance: Instance) -> tuple[int, int, int]:
    tokens, experts = instance.scores.shape
    return tokens, experts, instance.top_k


def _comparator(optima: Optima, mask: npt.NDArray[np.bool_], load: npt.NDArray[np.int64]) -> tuple[str, Fraction, str]:
    """Return what a routing may fairly be held against at its own peak: the form, its optimum, the evidence."""
    problem, taken = optima.problem, mask.sum(axis=1)
    if (taken == problem.top_k).all():
        return "exactly K", *optima.of(metrics.at_peak_of(problem, load))
    if (taken <= problem.top_k).all():
        dropping = problem.with_capacity(problem.capacity, drop=True)
        return "at most K", *optima.of(metrics.at_peak_of(dropping, load))
    return "no token rows", metrics.best_without_token_rows(problem, metrics.peak(load)), "certified"
