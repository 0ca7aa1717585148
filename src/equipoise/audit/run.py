"""Routers against the exact optimum, on every batch of a trace."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from equipoise import __version__
from equipoise.audit.judge import Optima, Row, judge
from equipoise.errors import TargetError
from equipoise.executors import in_order
from equipoise.problems import AssignmentProblem
from equipoise.targets import Target
from equipoise.traces import Instance

PASSES = 50


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
    mean_excess_peak: float | None
    max_excess_peak: float | None
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
    executor: Executor | None = None,
) -> Audit:
    """Hold routers against the certified optimum of every instance.

    Parameters
    ----------
    passes
        A stateful router (one with ``reset()``) is shown each batch this many times and judged on the last, so that
        rules which learn after routing have something to learn from. It keeps its state through the batches of a
        sequence and is reset between sequences.
    progress
        Called with every instance, after its sequence.
    executor
        Where sequences are judged, each on its own; None: here. It makes no difference to the rows.
    """
    rows: list[Row] = []
    groups = sequences(instances)
    for sequence, judged in zip(groups, in_order(partial(_judged, targets, passes), groups, executor), strict=True):
        rows += judged
        if progress is not None:
            for instance in sequence:
                progress(instance)
    rows.sort(key=lambda row: [target.name for target in targets].index(row.router))
    return Audit(rows, passes, trace, environment())


def _judged(targets: Sequence[Target], passes: int, sequence: Sequence[Instance]) -> list[Row]:
    rows = []
    broken = {target.name: words for target in targets if (words := _reset(target)) is not None}
    for instance in sequence:
        optima = Optima(AssignmentProblem(instance.scores, instance.top_k))
        for target in targets:
            if target.name in broken:
                rows.append(Row.broken(target.name, instance, broken[target.name]))
            else:
                rows.append(judge(target, instance, optima, passes if target.stateful else 1))
    return rows


def sequences(instances: Sequence[Instance]) -> list[list[Instance]]:
    """Group batches by their sequence, both in order of appearance."""
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        groups.setdefault(instance.sequence, []).append(instance)
    return list(groups.values())


def _reset(target: Target) -> str | None:
    try:
        target.reset()
    except TargetError as error:
        return str(error)
    return None


def environment() -> dict[str, str]:
    """Versions of everything that takes part in a result."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "ortools", "pulp")}
    return {"equipoise": __version__, "python": platform.python_version(), "machine": platform.machine(), **packages}


def _summary(name: str, rows: Iterable[Row]) -> Summary:
    rows = list(rows)
    good = [row for row in rows if row.error is None]
    worst = max(good, key=lambda row: row.relative_regret or 0.0, default=None)
    excess = [float(row.excess_peak) for row in good if row.excess_peak is not None]
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
        mean(excess) if excess else None,
        max(excess) if excess else None,
        mean(ratios) if ratios else None,
        over("max_vio", mean),
        over("max_vio", max),
        over("min_vio", mean),
        over("min_vio", min),
        mean(gaps) if gaps else None,
        worst.instance if worst is not None else "",
    )
