"""Run a study: what is missing is measured, what is there is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from equipoise.audit.forecasts import origins_of
from equipoise.errors import InvalidFile, OracleError
from equipoise.executors import as_they_finish
from equipoise.study.cases import Case, cases_of
from equipoise.study.code import code_of
from equipoise.study.description import Description, PredictorPart, RouterPart, SchedulerPart
from equipoise.study.measure import Task, measure
from equipoise.study.outside import close_all
from equipoise.study.rows import Row, RowFile, key_of
from equipoise.targets import resolve

ROWS = "rows.parquet"
SAVE_EVERY = 5.0
"""Seconds between two writes of the rows; a kill that nothing can catch loses at most so much."""


@dataclass(frozen=True)
class Study:
    """A description with all its rows: by role, then in the order of the description, a case's methods together.

    A predictor has a row per horizon that fits.
    """

    description: Description
    cases: list[Case]
    rows: list[Row]

    def of(self, role: str) -> list[Row]:
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
        Called with the rows that are done and all there are.

    Raises
    ------
    OracleError
        If every row is a failure: such a study says nothing.
    InvalidFile
        If the rows of the folder cannot be read or written.
    TargetNotFound
        If a method's name leads nowhere.
    """
    for role, part in description.parts.items():
        for method in part.methods:
            resolve(method, role)
    cases = cases_of(description)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"{folder} cannot be made: {error.strerror}") from error
    file = RowFile(folder / ROWS)
    wanted = {cell.key: cell for cell in _cells(description, cases)}
    kept = {key for key in wanted if key in file.rows and not (retry and file.rows[key].failure is not None)}
    missing = [cell for key, cell in wanted.items() if key not in kept]
    done = len(kept)
    if progress is not None:
        progress(done, len(wanted))
    saved = time.monotonic()
    try:
        for rows in as_they_finish(measure, _tasks(description, missing), executor):
            file.add(rows)
            done += len(rows)
            if progress is not None:
                progress(done, len(wanted))
            if time.monotonic() - saved > SAVE_EVERY:
                file.save()
                saved = time.monotonic()
    finally:
        close_all()
        if done > len(kept):
            file.save()
    rows = [file.rows[key] for key in wanted]
    if all(row.failure is not None for row in rows):
        first = rows[0]
        raise OracleError(
            f"all {len(rows)} rows of the study failed; the first, {first.method} on {first.instance}: {first.words}"
        )
    return Study(description, cases, rows)


def settings_of(description: Description, role: str) -> dict[str, Any]:
    """Return what decides a row of this role beside its case."""
    part = description.parts[role]
    if isinstance(part, RouterPart):
        return {"passes": part.passes}
    if isinstance(part, PredictorPart):
        return {"horizons": sorted(part.horizons), "origins": part.origins}
    placement = {"placement": part.placement} if isinstance(part, SchedulerPart) else {}
    return placement | msgspec.structs.asdict(description.cluster)


def codes_of(description: Description, role: str) -> dict[str, str]:
    """Return the hash of each method's code; of a scheduler with that of the placer, whose placement it serves."""
    part = description.parts[role]
    beside = f"+{code_of(part.placement, 'placer')}" if isinstance(part, SchedulerPart) else ""
    return {method: code_of(method, role) + beside for method in part.methods}


@dataclass(frozen=True)
class _Cell:
    """A row that is wanted."""

    case: Case
    method: str
    code: str
    horizon: int | None
    key: str


def _cells(description: Description, cases: list[Case]) -> list[_Cell]:
    found = []
    for role, of_role in groupby(cases, lambda case: case.role):
        settings, codes = settings_of(description, role), codes_of(description, role)
        found += [
            _Cell(case, method, code, horizon, key_of(case, method, settings, code, horizon))
            for case in of_role
            for method, code in codes.items()
            for horizon in _horizons(case, settings)
        ]
    return found


def _horizons(case: Case, settings: dict[str, Any]) -> list[int] | list[None]:
    """Return the horizons that fit the series of a case; one without a number for roles that have none."""
    if case.role != "predictor":
        return [None]
    steps = case.made_of["steps"]
    fitting, _ = origins_of(steps, settings["horizons"], settings["origins"])
    if not fitting:
        shortest = settings["horizons"][0]
        raise InvalidFile(f"predictor.horizons starts at {shortest}; allowed for {case.instance}: 1 to {steps // 2}")
    return fitting


def _tasks(description: Description, missing: list[_Cell]) -> list[Task]:
    """Return one task per case: its methods share one certified optimum. The largest cases come first."""
    found = []
    for _, cells in groupby(missing, lambda cell: id(cell.case)):
        keys: dict[str, dict[int | None, str]] = {}
        codes: dict[str, str] = {}
        for cell in cells:
            keys.setdefault(cell.method, {})[cell.horizon] = cell.key
            codes[cell.method] = cell.code
        role = cell.case.role
        found.append(Task(cell.case, keys, codes, settings_of(description, role), description.parts[role].seconds))
    return sorted(found, key=lambda task: -task.case.made_of.get("tokens", 0) * task.case.made_of.get("experts", 0))
