"""Routers against the exact optimum, on a trace.

Every routing is held against the optimum at its own peak load: with the same largest load, how much more score was
possible? Regret at equal peak is never negative for K distinct experts per token. A router that drops tokens is held
against the form that may drop, one that gives tokens more than K experts against the relaxation without token rows.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise import __version__, metrics
from equipoise.errors import OracleError, TargetError
from equipoise.problems import AssignmentProblem
from equipoise.solvers.solve import solve
from equipoise.targets import Target
from equipoise.traces import Instance

PASSES = 100


@dataclass(frozen=True)
class Row:
    """One router on one instance; scores and regrets in units of the scores.

    ``score_ratio`` is the score over the balanced optimum (above 1 where the router is not balanced).
    """

    router: str
    instance: str
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


@dataclass(frozen=True)
class Summary:
    """One router over all instances; ``worst`` names the instance with the largest relative regret."""

    router: str
    instances: int
    errors: int
    certified: int
    mean_regret: float
    max_regret: float
    mean_relative_regret: float
    max_relative_regret: float
    mean_score_ratio: float | None
    mean_max_vio: float
    max_max_vio: float
    mean_min_vio: float
    min_min_vio: float
    mean_relative_dual_gap: float | None
    worst: str


@dataclass(frozen=True)
class Audit:
    """All rows, a summary per router, and where they were made."""

    rows: list[Row]
    passes: int
    trace: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def summaries(self) -> list[Summary]:
        """One line per router, in the order of the rows."""
        names = dict.fromkeys(row.router for row in self.rows)
        return [_summary(name, [row for row in self.rows if row.router == name]) for name in names]

    @property
    def certified(self) -> bool:
        """Whether every optimum that was needed carries an accepted certificate."""
        return all(row.evidence == "certified" for row in self.rows if row.error is None)


def audit(
    targets: Sequence[Target],
    instances: Sequence[Instance],
    *,
    passes: int = PASSES,
    trace: str = "",
    progress: Callable[[Instance], None] | None = None,
) -> Audit:
    """Hold routers against the certified optimum of every instance.

    Parameters
    ----------
    passes
        A stateful router (one with ``reset()``) is shown each batch this many times and judged on the last, so that
        rules which learn after routing have something to learn from. It is reset between sequences.
    progress
        Called after every instance.
    """
    rows: list[Row] = []
    previous = None
    for instance in instances:
        optima = _Optima(AssignmentProblem(instance.scores, instance.top_k))
        fresh = instance.sequence != previous
        rows += [_row(target, instance, optima, passes, fresh) for target in targets]
        previous = instance.sequence
        if progress is not None:
            progress(instance)
    rows.sort(key=lambda row: [target.name for target in targets].index(row.router))
    return Audit(rows, passes, trace, environment())


def environment() -> dict[str, str]:
    """Versions of everything that takes part in a result."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "ortools", "pulp")}
    return {"equipoise": __version__, "python": platform.python_version(), "machine": platform.machine(), **packages}


class _Optima:
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


def _row(target: Target, instance: Instance, optima: _Optima, passes: int, fresh: bool) -> Row:
    problem = optima.problem
    row = {
        "router": target.name,
        "instance": instance.name,
        "tokens": problem.num_tokens,
        "experts": problem.num_experts,
        "top_k": problem.top_k,
    }
    try:
        if fresh:
            target.reset()
        for _ in range(passes if target.stateful else 1):
            mask = target.route(instance.scores, instance.top_k)
    except TargetError as error:
        return Row(**row, error=str(error))  # type: ignore[arg-type]
    load = metrics.loads(mask, problem.num_experts)
    reached = metrics.score(problem, mask)
    balanced, evidence = optima.of(problem)
    held_against, possible, peak_evidence = _comparator(optima, mask, load)
    lost = metrics.regret(possible, reached)
    bias = target.bias(problem.num_experts)
    gap = None if bias is None else metrics.dual_gap(problem, bias, balanced)
    return Row(
        **row,  # type: ignore[arg-type]
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


def _comparator(optima: _Optima, mask: npt.NDArray[np.bool_], load: npt.NDArray[np.int64]) -> tuple[str, Fraction, str]:
    """Return what a routing may fairly be held against at its own peak: the form, its optimum, the evidence."""
    problem, taken = optima.problem, mask.sum(axis=1)
    if (taken == problem.top_k).all():
        return "exactly K", *optima.of(metrics.at_peak_of(problem, load))
    if (taken <= problem.top_k).all():
        dropping = problem.with_capacity(problem.capacity, drop=True)
        return "at most K", *optima.of(metrics.at_peak_of(dropping, load))
    return "no token rows", metrics.best_without_token_rows(problem, metrics.peak(load)), "certified"


def _summary(name: str, rows: Iterable[Row]) -> Summary:
    rows = list(rows)
    good = [row for row in rows if row.error is None]
    worst = max(good, key=lambda row: row.relative_regret or 0.0, default=None)
    ratios = [row.score_ratio for row in good if row.score_ratio is not None]
    gaps = [row.relative_dual_gap for row in good if row.relative_dual_gap is not None]

    def over(key: str, statistic: Callable[[list[float]], float]) -> float:
        return float(statistic([float(getattr(row, key)) for row in good])) if good else float("nan")

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    return Summary(
        name,
        len(rows),
        len(rows) - len(good),
        sum(row.evidence == "certified" for row in good),
        over("regret", mean),
        over("regret", max),
        over("relative_regret", mean),
        over("relative_regret", max),
        mean(ratios) if ratios else None,
        over("max_vio", mean),
        over("max_vio", max),
        over("min_vio", mean),
        over("min_vio", min),
        mean(gaps) if gaps else None,
        worst.instance if worst is not None else "",
    )
