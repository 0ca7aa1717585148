"""One case, some methods: rows, one per method and group, whatever happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from equipoise.audits.contender import contenders, settled
from equipoise.audits.measures import MEAN, Row, Value
from equipoise.audits.run import role_audit
from equipoise.errors import EquipoiseError
from equipoise.roles.role import Role
from equipoise.study.cases import Case
from equipoise.study.description import Method
from equipoise.study.rows import NOT_PROVED, StudyRow

WEAKEST_FIRST = ("claimed", "bounded", "searched", "cross-checked", "certified")
"""Words of evidence: several rows together have the weakest of theirs."""


@dataclass(frozen=True)
class Task:
    """A case with the methods that are to be tried on it.

    Attributes
    ----------
    role
        A value and no name: a worker that receives it knows the role from then on.
    keys, codes
        Key of each method's rows, and hash of its code.
    settings
        Values of all options of the role's audit.
    seconds
        Time limit of a method.
    said
        What the description says of each method beside its name.
    """

    role: Role
    case: Case
    keys: dict[str, str]
    codes: dict[str, str]
    settings: dict[str, Any]
    seconds: float
    said: dict[str, Method]


def measure(task: Task) -> list[StudyRow]:
    """Return the rows of a task; failures of methods and of the oracle are rows like others."""
    audit = role_audit(task.role.name)
    try:
        instance = task.case.build()
        taught = task.case.lessons(instance)
    except EquipoiseError as error:
        return _failures(task, task.keys, str(error), "no instance")
    targets = [task.said[method].target(task.role.name) for method in task.keys]
    try:
        shared = audit.shared(taught, task.settings)
        with contenders(targets, task.seconds, task.seconds) as tried:
            units = audit.units([instance], task.settings)
            judged = [row for unit in units for row in audit.judge(tried, unit, task.settings, shared)]
            judged = settled(tried, judged)
    except EquipoiseError as error:
        return _failures(task, task.keys, str(error), NOT_PROVED)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in judged:
        groups.setdefault((row.balancer, *(row.about.get(key) for key in audit.group_by)), []).append(row)
    rows = [_of_study(task, condensed(own)) for own in groups.values()]
    without = task.keys.keys() - {row.balancer for row in rows}
    return rows + _failures(task, sorted(without), "its audit has no row of it", "not judged")


def condensed(rows: Sequence[Row]) -> Row:
    """Return the rows of one method on one case as one: means of what was measured, and what they have in common.

    One broken answer makes it a failure: it is no mean of the others.
    """
    first = min(rows, key=lambda row: (not row.at_fault, not row.refused))
    about = {key: value for key, value in first.about.items() if all(row.about.get(key) == value for row in rows)}
    if first.error is not None:
        return replace(first, about=about, values={}, evidence={})
    if len(rows) == 1:
        return first
    values: dict[str, Value] = {
        name: MEAN.of(rows, name) for name in dict.fromkeys(name for row in rows for name in row.values)
    }
    evidence = {name: min((row.evidence[name] for row in rows), key=WEAKEST_FIRST.index) for name in first.evidence}
    warnings = tuple(dict.fromkeys(word for row in rows for word in row.warnings))
    return replace(first, about=about | {"judged": len(rows)}, values=values, evidence=evidence, warnings=warnings)


def _of_study(task: Task, row: Row) -> StudyRow:
    """Return an audit's row with what a study adds; of generated data, also what they are made of."""
    case, method = task.case, row.balancer
    made_of = case.made_of if case.source == "generated" else {}
    about = {key: value for key, value in {**made_of, **row.about}.items() if value is not None}
    values = {name: value for name, value in row.values.items() if value is not None}
    kept = {field.name: getattr(row, field.name) for field in fields(Row)}
    kept |= {"instance": case.instance, "about": about, "values": values}
    kept |= {"role": case.role, "seed": case.seed, "source": case.source}
    return StudyRow(key=task.keys[method], code=task.codes[method], **kept)


def _failures(task: Task, methods: Iterable[str], words: str, kind: str) -> list[StudyRow]:
    return [_of_study(task, Row(method, task.case.instance, error=words, kind=kind)) for method in methods]
