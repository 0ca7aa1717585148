"""Rows: an audit's, with what a study adds; kept in one Parquet file, written whole."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from equipoise import __version__
from equipoise.audits.measures import Row
from equipoise.errors import ExtraMissing, InvalidFile
from equipoise.files import LARGEST_ARRAY, content_of, write_whole
from equipoise.study import version1
from equipoise.study.cases import Case

SCHEMA = "equipoise-study-row/2"

NOT_PROVED = "no certified optimum"
"""Kind of a row whose optimum or bound could not be proved."""

HEAD = ("key", "role", "seed", "source", "code", "balancer", "instance")
TAIL = ("error", "kind", "compared_with", "warnings")
"""Columns of all files: what a row is about stands between them; evidence and what was measured come after them."""

EVIDENCE, EXACT = "evidence_", "_exact"
"""Before the names of what is proved; after the name of a measure, for the column of exact fractions as text."""


@dataclass(frozen=True, kw_only=True)
class StudyRow(Row):
    """One method on one case and, where the role's audit groups its rows, in one group (predictors: at one horizon).

    Where the audit has several rows there (a predictor's, one per origin), numbers are their means.

    Attributes
    ----------
    key
        Hash of the schema, the version, the case, the settings, the method and its code: rows are made once.
    role, seed, source
        Of the case: see :class:`~equipoise.study.cases.Case`.
    code
        Hash of the method's code, see :func:`equipoise.study.code.code_of`; with that of balancers that options name.
    """

    key: str
    role: str
    seed: int
    source: str
    code: str

    @property
    def unproved(self) -> bool:
        """Whether the optimum or bound that it would be compared with is not proved."""
        return self.kind == NOT_PROVED or not self.proved

    def to_dict(self) -> dict[str, Any]:
        """Return the row as one flat mapping; exact values are fractions."""
        return {name: getattr(self, name) for name in HEAD} | super().to_dict()


def key_of(case: Case, method: str, settings: dict[str, Any], code: str) -> str:
    """Return the key of a method's rows on a case."""
    about = [
        SCHEMA,
        __version__,
        case.role,
        case.instance,
        case.source,
        case.made_of,
        case.seed,
        settings,
        method,
        code,
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


class RowFile:
    """The rows of a folder by key; a key that is there is not replaced unless asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, list[StudyRow]] = {}
        if path.exists():
            self.add(_read(path))

    def add(self, rows: Iterable[StudyRow]) -> None:
        """Take in all rows of some keys; what was there under these keys is dropped."""
        taken: dict[str, list[StudyRow]] = {}
        for row in rows:
            taken.setdefault(row.key, []).append(row)
        self.rows |= taken

    def save(self) -> None:
        """Write all rows, by key."""
        frame = _frame([row for key in sorted(self.rows) for row in self.rows[key]])
        content = io.BytesIO()
        frame.write_parquet(content, compression="zstd", statistics=False)
        write_whole(self.path, content.getvalue())


def _frame(rows: Sequence[StudyRow]) -> Any:
    """Return rows as a frame: a column for everything that a row is about, for all evidence and for every measure."""
    polars = _polars()
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in HEAD}
    columns |= {name: [row.about.get(name) for row in rows] for name in _names(row.about for row in rows)}
    columns |= {name: [getattr(row, name) for row in rows] for name in TAIL[:-1]}
    columns["warnings"] = ["\n".join(row.warnings) for row in rows]
    for name in _names(row.evidence for row in rows):
        columns[EVIDENCE + name] = [row.evidence.get(name) for row in rows]
    for name in _names(row.values for row in rows):
        values = [row.values.get(name) for row in rows]
        columns[name] = values
        if any(isinstance(value, Fraction) for value in values):
            columns[name + EXACT] = [str(value) if isinstance(value, Fraction) else None for value in values]
    typed = {name: _typed(values) for name, values in columns.items()}
    kinds = {str: polars.String, bool: polars.Boolean, int: polars.Int64, float: polars.Float64}
    return polars.DataFrame({name: polars.Series(name, values, kinds[kind]) for name, (values, kind) in typed.items()})


def _names(mappings: Iterable[dict[str, Any]]) -> list[str]:
    return sorted({name for one in mappings for name in one})


def _typed(values: list[Any]) -> tuple[list[Any], type]:
    """Return the values of a column in one type, and the type: the narrowest that holds them."""
    found = {type(value) for value in values if value is not None}
    kind = next((kind for kind in (str, bool, int) if found <= {kind}), float if found <= NUMBERS else str)
    return [None if value is None else kind(value) for value in values], kind


NUMBERS = {bool, int, float, Fraction}


def _read(path: Path) -> list[StudyRow]:
    polars = _polars()
    try:
        frame = polars.read_parquet(io.BytesIO(content_of(path, LARGEST_ARRAY)))
    except (OSError, polars.exceptions.PolarsError) as error:
        raise InvalidFile(f"{path} cannot be read as rows of a study: {str(error).splitlines()[0]}") from error
    names = frame.columns
    if set(names) == set(version1.COLUMNS):
        return [StudyRow(**version1.converted(row)) for row in frame.iter_rows(named=True)]
    at = names.index(TAIL[0]) if TAIL[0] in names else 0
    if tuple(names[: len(HEAD)]) != HEAD or tuple(names[at : at + len(TAIL)]) != TAIL:
        raise InvalidFile(f"{path} has other columns than {SCHEMA}; allowed: a folder of its own for every version")
    return [_row(names[len(HEAD) : at], names[at + len(TAIL) :], row) for row in frame.iter_rows(named=True)]


def _row(about: list[str], rest: list[str], found: dict[str, Any]) -> StudyRow:
    there = [name for name in rest if found[name] is not None]
    values = {name: found[name] for name in there if not name.startswith(EVIDENCE) and not name.endswith(EXACT)}
    exact = {name: Fraction(found[name + EXACT]) for name in values if found.get(name + EXACT) is not None}
    fixed = {name: found[name] for name in (*HEAD, *TAIL)}
    return StudyRow(
        **fixed | {"warnings": tuple(filter(None, found["warnings"].split("\n")))},
        about={name: found[name] for name in about if found[name] is not None},
        evidence={name.removeprefix(EVIDENCE): found[name] for name in there if name.startswith(EVIDENCE)},
        values=values | exact,
    )


def _polars() -> Any:
    try:
        import polars
    except ImportError as error:
        raise ExtraMissing("a study", "polars", "study") from error
    return polars
