"""A study condensed: a line per method and group, its comparison with the baseline, and what failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.audits.measures import Measure, Unit
from equipoise.audits.run import role_audit
from equipoise.study.rows import StudyRow
from equipoise.study.run import Study
from equipoise.study.statistics import Interval, paired_bootstrap, shifted_geometric_mean

SHIFT = 0.01
"""Of the geometric means: one percent of a share, of MaxVio, of an error."""

IMBALANCE = "imbalance"
"""The measure that is peak over mean load: condensed as MaxVio, and what the load-to-time model estimates from."""

Rows = Sequence[StudyRow]
Group = tuple[Any, ...]


@dataclass(frozen=True)
class Quantity:
    """A number of every row that is condensed and compared: less is better.

    Attributes
    ----------
    of
        Its value in a row; None where there is none.
    floor
        Name of the value beside it that nobody can be expected to be below; "" for none.
    estimated
        Whether it is an estimate, of which plain means are taken: geometric ones say nothing about time.
    """

    name: str
    title: str
    unit: Unit
    words: str
    of: Callable[[StudyRow], float | None]
    floor: str = ""
    estimated: bool = False


@dataclass(frozen=True)
class Condensed:
    """A quantity over many rows: shifted geometric means of it and of its floor, and the largest."""

    mean: float
    worst: float
    floor: float | None = None


@dataclass(frozen=True)
class Summary:
    """One method over all its rows in a group; failures and refusals are counted and part of no mean.

    Attributes
    ----------
    group
        What the role's audit groups rows by, for instance ``horizon``.
    proved
        Rows in which everything that the method is compared with is proved.
    evidence
        By what was solved, how many rows have which word of evidence.
    zeros
        Rows whose gap, the first quantity, is zero.
    quantities
        By name; of an estimate the mean is a plain one.
    worst_instance
        Where the gap is largest.
    """

    role: str
    balancer: str
    group: dict[str, Any]
    rows: int
    failures: int
    refused: int
    proved: int
    evidence: dict[str, dict[str, int]]
    zeros: int
    quantities: dict[str, Condensed]
    worst_instance: str

    @property
    def answered(self) -> int:
        """Rows with an answer."""
        return self.rows - self.failures - self.refused

    @property
    def gap(self) -> Condensed:
        """The first quantity."""
        return next(iter(self.quantities.values()))


@dataclass(frozen=True)
class Comparison:
    """A method minus the baseline in a group, on the same instances and seeds; negative is better.

    ``pairs`` of ``possible`` count: both must have an answer. ``better``, ``equal`` and ``worse`` count gaps.
    """

    role: str
    balancer: str
    baseline: str
    group: dict[str, Any]
    pairs: int
    possible: int
    differences: dict[str, Interval]
    better: int
    equal: int
    worse: int


@dataclass(frozen=True)
class Failures:
    """How often a method failed in one way, or refused, and the first of it."""

    role: str
    balancer: str
    kind: str
    count: int
    rows: int
    instance: str
    error: str


def quantities(study: Study, role: str) -> list[Quantity]:
    """Return what is condensed of a role: its gap first, then what its audit names beside that."""
    audit = role_audit(role)
    measures: dict[str, Measure] = {}
    for measure in audit.measures:
        measures.setdefault(measure.name, measure)
    names = audit.condensed or tuple(dict.fromkeys([audit.measures[0].name, *({IMBALANCE} & measures.keys())]))
    found = [_max_vio(study) if name == IMBALANCE else [_quantity(measures[name])] for name in names]
    return [one for several in found for one in several]


def _quantity(measure: Measure) -> Quantity:
    title = measure.title or measure.name.replace("_", " ")
    return Quantity(measure.name, title, measure.unit, measure.words, value_of(measure.name), measure.floor)


def _max_vio(study: Study) -> list[Quantity]:
    """Return MaxVio, and the time that it may cost."""
    imbalance, step = value_of(IMBALANCE), study.description.time.step

    def of(function: Callable[[float], float]) -> Callable[[StudyRow], float | None]:
        return lambda row: None if (value := imbalance(row)) is None else function(value)

    words = "peak over mean load, minus 1; 0 where a router drops so much that no peak reaches the mean"
    return [
        Quantity("max_vio", "MaxVio", "ratio", words, of(lambda value: max(0.0, value - 1))),
        Quantity("step_seconds", "est. step (s)", "seconds", "", of(step), estimated=True),
    ]


def value_of(name: str) -> Callable[[StudyRow], float | None]:
    """Return what gives the value of this name in a row; None where there is none."""
    return lambda row: next(iter(row.numbers([name])), None)


def groups(study: Study, role: str) -> dict[Group, list[StudyRow]]:
    """Return the rows of a role by the values of what its audit groups them by, in their order."""
    keys = role_audit(role).group_by
    found: dict[Group, list[StudyRow]] = {}
    for row in study.of(role):
        found.setdefault(tuple(row.about.get(key) for key in keys), []).append(row)
    return {group: found[group] for group in sorted(found, key=_in_order)}


def _in_order(group: Group) -> list[Any]:
    return [(value is None, value) for value in group]


def summaries(study: Study, role: str) -> list[Summary]:
    """Return one line per group and method of a role."""
    methods = study.description.parts[role].methods
    return [
        _summary(study, role, group, method, [row for row in rows if row.balancer == method])
        for group, rows in groups(study, role).items()
        for method in methods
    ]


def _summary(study: Study, role: str, group: Group, method: str, rows: Rows) -> Summary:
    good = [row for row in rows if row.error is None]
    found = quantities(study, role)
    gaps = [(found[0].of(row), row.instance) for row in good]
    known = [(gap, instance) for gap, instance in gaps if gap is not None]
    names = sorted({name for row in study.of(role) for name in row.evidence})
    return Summary(
        role,
        method,
        dict(zip(role_audit(role).group_by, group, strict=True)),
        len(rows),
        sum(row.at_fault for row in rows),
        sum(row.refused for row in rows),
        sum(bool(row.evidence) and row.proved for row in good),
        {name: dict(Counter(row.evidence[name] for row in good if name in row.evidence)) for name in names},
        sum(gap == 0 for gap, _ in known),
        {one.name: _condensed(one, good) for one in found},
        max(known, key=lambda pair: pair[0], default=(0.0, ""))[1],
    )


def _condensed(quantity: Quantity, rows: Rows) -> Condensed:
    values = [value for row in rows if (value := quantity.of(row)) is not None]
    worst = max(values, default=math.nan)
    if quantity.estimated:
        return Condensed(sum(values) / len(values) if values else math.nan, worst)
    mean = shifted_geometric_mean(values, SHIFT)
    if not quantity.floor:
        return Condensed(mean, worst)
    floors = [value for row in rows for value in row.numbers([quantity.floor])]
    return Condensed(mean, worst, shifted_geometric_mean(floors, SHIFT))


def comparisons(study: Study, role: str) -> list[Comparison]:
    """Return every method of a role compared with its baseline, group by group."""
    baseline = study.description.baseline_of(role)
    methods = [method for method in study.description.parts[role].methods if method != baseline]
    return [
        _comparison(study, role, group, method, baseline, rows)
        for group, rows in groups(study, role).items()
        for method in methods
    ]


def _comparison(study: Study, role: str, group: Group, method: str, baseline: str, rows: Rows) -> Comparison:
    others = {(row.instance, row.seed): row for row in rows if row.balancer == baseline}
    own = [row for row in rows if row.balancer == method]
    pairs = [(row, others[at]) for row in own if (at := (row.instance, row.seed)) in others]
    both = [(one, other) for one, other in pairs if one.error is None and other.error is None]
    found = quantities(study, role)
    gaps = [change for by_seed in _differences(found[0], both).values() for change in by_seed]
    signs = Counter((change > 0) - (change < 0) for change in gaps)
    about = dict(zip(role_audit(role).group_by, group, strict=True))
    differences = {one.name: paired_bootstrap(_differences(one, both)) for one in found}
    return Comparison(role, method, baseline, about, len(both), len(own), differences, signs[-1], signs[0], signs[1])


def _differences(quantity: Quantity, pairs: Sequence[tuple[StudyRow, StudyRow]]) -> dict[str, list[float]]:
    """Return by instance how much more of a quantity the first row of every pair has."""
    found: dict[str, list[float]] = {}
    for one, other in pairs:
        more, less = quantity.of(one), quantity.of(other)
        if more is not None and less is not None:
            found.setdefault(one.instance, []).append(more - less)
    return found


def failures(study: Study) -> list[Failures]:
    """Return how methods failed, in the order of the description."""
    return _without_answer(study, [row for row in study.rows if row.at_fault])


def refusals(study: Study) -> list[Failures]:
    """Return what methods refuse, in the order of the description."""
    return _without_answer(study, [row for row in study.rows if row.refused])


def _without_answer(study: Study, without: Rows) -> list[Failures]:
    found: dict[tuple[str, str, str], list[StudyRow]] = {}
    for row in without:
        found.setdefault((row.role, row.balancer, row.kind or ""), []).append(row)
    totals = Counter((row.role, row.balancer) for row in study.rows)
    order = [(role, method) for role, part in study.description.parts.items() for method in part.methods]
    return [
        Failures(*about, len(rows), totals[about[:2]], rows[0].instance, rows[0].error or "")
        for about, rows in sorted(found.items(), key=lambda item: order.index(item[0][:2]))
    ]
