"""Run a study: what is missing is measured, what is there is kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from equipoise.audits.run import role_audit
from equipoise.balancers.find import Target
from equipoise.balancers.pool import POOL
from equipoise.errors import OracleError, TargetError, TargetNotMade
from equipoise.executors import as_they_finish
from equipoise.files import alone
from equipoise.roles import role_named
from equipoise.study.cases import Case, cases_of
from equipoise.study.code import code_of
from equipoise.study.description import Description
from equipoise.study.measure import Task, measure
from equipoise.study.rows import RowFile, StudyRow, key_of

ROWS = "rows.parquet"
SAVE_EVERY = 5.0
"""Seconds between two writes of the rows; a kill that nothing can catch loses at most so much."""


@dataclass(frozen=True)
class Study:
    """A description with all its rows: by role, then in the order of the description, a case's methods together."""

    description: Description
    cases: list[Case]
    rows: list[StudyRow]

    def of(self, role: str) -> list[StudyRow]:
        """Return the rows of a role."""
        return [row for row in self.rows if row.role == role]


def run_study(
    description: Description,
    folder: Path,
    executor: Executor | None = None,
    *,
    retry: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Measure what ``folder`` does not hold yet and return everything that the description asks for.

    Parameters
    ----------
    executor
        Any ``concurrent.futures.Executor``; None: this process.
    retry
        Whether rows of failures are measured again.
    progress
        Called with how many pairs of a case and a method are done, and how many there are.

    Raises
    ------
    OracleError
        If every row is a failure: such a study says nothing.
    InvalidFile
        If the rows of the folder cannot be read or written, or another study is writing there.
    TargetNotFound
        If a method's name leads nowhere.
    """
    for role, part in description.parts.items():
        for method in part.methods:
            _expect(part.said(method).target(role), part.seconds)
    cases = cases_of(description)
    with alone(folder, "study"):
        return _run(description, cases, folder, executor, retry, progress)


def _run(
    description: Description,
    cases: list[Case],
    folder: Path,
    executor: Executor | None,
    retry: bool,
    progress: Callable[[int, int], None] | None,
) -> Study:
    file = RowFile(folder / ROWS)
    wanted = {cell.key: cell for cell in _cells(description, cases)}
    failed = {key for key, rows in file.rows.items() if any(row.at_fault for row in rows)} if retry else set()
    kept = {key for key in wanted if key in file.rows and key not in failed}
    missing = [cell for key, cell in wanted.items() if key not in kept]
    done = len(kept)
    if progress is not None:
        progress(done, len(wanted))
    saved = time.monotonic()
    try:
        for rows in as_they_finish(measure, _tasks(description, missing), executor):
            file.add(rows)
            done += len({row.key for row in rows})
            if progress is not None:
                progress(done, len(wanted))
            if time.monotonic() - saved > SAVE_EVERY:
                file.save()
                saved = time.monotonic()
    finally:
        POOL.close()
        if done > len(kept):
            file.save()
    rows = [row for key in wanted for row in file.rows[key]]
    if all(row.error is not None for row in rows):
        first = rows[0]
        raise OracleError(
            f"all {len(rows)} rows of the study failed; the first, {first.balancer} on {first.instance}: {first.error}"
        )
    return Study(description, cases, rows)


def _expect(target: Target, seconds: float) -> None:
    """Refuse a name that leads nowhere, before any work; what breaks in the attempt is reported in its rows."""
    if target.entry is None:
        with (
            contextlib.suppress(TargetError, TargetNotMade),
            POOL.borrow(target, in_process=False, call_seconds=seconds),
        ):
            pass


def codes_of(description: Description, role: str) -> dict[str, str]:
    """Return the hash of each method's code, with those of the balancers that options of the role name."""
    settings = description.settings_of(role)
    named = [option for option in role_audit(role).options if option.role]
    beside = "".join(f"+{code_of(settings[option.name], option.role)}" for option in named)
    return {method: code_of(method, role) + beside for method in description.parts[role].methods}


@dataclass(frozen=True)
class _Cell:
    """A case and a method whose rows are wanted."""

    case: Case
    method: str
    code: str
    key: str


def _cells(description: Description, cases: list[Case]) -> list[_Cell]:
    found = []
    for role, of_role in groupby(cases, lambda case: case.role):
        settings, codes = description.settings_of(role), codes_of(description, role)
        said = {method: description.parts[role].said(method).to_dict() for method in codes}
        found += [
            _Cell(case, method, code, key_of(case, method, settings | said[method], code))
            for case in of_role
            for method, code in codes.items()
        ]
    return found


def _tasks(description: Description, missing: list[_Cell]) -> list[Task]:
    """Return one task per case: its methods share one certified optimum. The largest cases come first."""
    found = []
    for _, of_case in groupby(missing, lambda cell: id(cell.case)):
        cells = list(of_case)
        case, part = cells[0].case, description.parts[cells[0].case.role]
        said = {cell.method: part.said(cell.method) for cell in cells}
        keys, codes = {cell.method: cell.key for cell in cells}, {cell.method: cell.code for cell in cells}
        found.append(
            Task(role_named(case.role), case, keys, codes, description.settings_of(case.role), part.seconds, said)
        )
    return sorted(found, key=lambda task: -task.case.made_of.get("tokens", 0) * task.case.made_of.get("experts", 0))
