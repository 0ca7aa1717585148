"""A study condensed: one line per method, its comparison with the baseline, and what failed.

Predictors, which no optimum binds, have lines of their own: :mod:`equipoise.study.forecasts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from equipoise.study.rows import Row
from equipoise.study.run import Study
from equipoise.study.statistics import Interval, paired_bootstrap, shifted_geometric_mean

GAP_SHIFT, VIO_SHIFT = 0.01, 0.01
"""Shifts of the geometric means of gaps and of MaxVio: one percent of either."""


@dataclass(frozen=True)
class MethodSummary:
    """One method over all its rows; failures are counted and part of no mean.

    Attributes
    ----------
    gap, max_vio
        Shifted geometric means; ``max_vio`` is that of peak over mean minus one.
    worst_gap, worst_instance
        The largest gap and where.
    optimal
        Rows whose gap is zero.
    certified
        Rows whose bounds carry accepted certificates.
    step_seconds
        Estimated seconds of a step (the model's, not measured): mean over rows.
    """

    role: str
    method: str
    rows: int
    failures: int
    certified: int
    optimal: int
    gap: float
    worst_gap: float
    worst_instance: str
    max_vio: float
    worst_max_vio: float
    step_seconds: float


@dataclass(frozen=True)
class Comparison:
    """A method minus the baseline, on the same instances and seeds; negative is better.

    ``pairs`` of ``possible`` count: both must have an answer. ``better``, ``equal`` and ``worse`` count gaps.
    """

    role: str
    method: str
    baseline: str
    pairs: int
    possible: int
    gap: Interval
    max_vio: Interval
    step_seconds: Interval
    better: int
    equal: int
    worse: int


@dataclass(frozen=True)
class Failures:
    """How often a method failed in one way, and the first of it."""

    role: str
    method: str
    failure: str
    count: int
    rows: int
    instance: str
    words: str


def summaries(study: Study, role: str) -> list[MethodSummary]:
    """Return one line per method of a role."""
    return [_summary(study, role, method) for method in study.description.parts[role].methods]


def comparisons(study: Study, role: str) -> list[Comparison]:
    """Return every method of a role against its baseline."""
    baseline = study.description.baseline_of(role)
    methods = study.description.parts[role].methods
    return [_comparison(study, role, method, baseline) for method in methods if method != baseline]


def failures(study: Study) -> list[Failures]:
    """Return how methods failed, in the order of the description."""
    counts = Counter((row.role, row.method, row.failure) for row in study.rows if row.failure is not None)
    totals = Counter((row.role, row.method) for row in study.rows)
    found = []
    for (role, method, failure), count in counts.items():
        first = next(r for r in study.rows if (r.role, r.method, r.failure) == (role, method, failure))
        found.append(
            Failures(role, method, failure or "", count, totals[role, method], first.instance, first.words or "")
        )
    order = {(role, name): i for role, part in study.description.parts.items() for i, name in enumerate(part.methods)}
    return sorted(found, key=lambda one: (list(study.description.parts).index(one.role), order[one.role, one.method]))


def _summary(study: Study, role: str, method: str) -> MethodSummary:
    rows = [row for row in study.of(role) if row.method == method]
    good = [row for row in rows if row.failure is None]
    gaps, vios = [_gap(row) for row in good], [_max_vio(row) for row in good]
    worst = max(good, key=_gap, default=None)
    steps = [study.description.time.step(1 + vio) for vio in vios]
    return MethodSummary(
        role,
        method,
        len(rows),
        len(rows) - len(good),
        sum(row.evidence == "certified" for row in good),
        sum(gap == 0 for gap in gaps),
        shifted_geometric_mean(gaps, GAP_SHIFT),
        max(gaps, default=float("nan")),
        "" if worst is None else worst.instance,
        shifted_geometric_mean(vios, VIO_SHIFT),
        max(vios, default=float("nan")),
        sum(steps) / len(steps) if steps else float("nan"),
    )


def _comparison(study: Study, role: str, method: str, baseline: str) -> Comparison:
    possible, both = paired(study.of(role), method, baseline)
    return Comparison(
        role,
        method,
        baseline,
        len(both),
        possible,
        difference(both, _gap),
        difference(both, _max_vio),
        difference(both, lambda row: study.description.time.step(1 + _max_vio(row))),
        *signs(both, _gap),
    )


Pairs = list[tuple[Row, Row]]


def paired(rows: list[Row], method: str, baseline: str) -> tuple[int, Pairs]:
    """Return how many rows a method has, and those with the baseline's on the same case where both have an answer."""
    others = {(row.instance, row.seed): row for row in rows if row.method == baseline}
    own = [(row, others[row.instance, row.seed]) for row in rows if row.method == method]
    return len(own), [(one, other) for one, other in own if one.failure is None and other.failure is None]


def difference(pairs: Pairs, value: Callable[[Row], float]) -> Interval:
    """Return the mean difference of a value with its interval, over instances and their seeds."""
    by_instance: dict[str, list[float]] = {}
    for one, other in pairs:
        by_instance.setdefault(one.instance, []).append(value(one) - value(other))
    return paired_bootstrap(by_instance)


def signs(pairs: Pairs, value: Callable[[Row], float]) -> tuple[int, int, int]:
    """Return how many pairs are better, equal and worse: less is better."""
    counts = Counter((value(one) > value(other)) - (value(one) < value(other)) for one, other in pairs)
    return counts[-1], counts[0], counts[1]


def _gap(row: Row) -> float:
    return row.gap or 0.0


def _max_vio(row: Row) -> float:
    return (row.imbalance or 1.0) - 1.0
