"""Rows: what a method reached on a case, beside what is certified of it; kept in one Parquet file, written whole."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from equipoise import __version__
from equipoise.errors import ExtraMissing, InvalidFile
from equipoise.files import write_whole
from equipoise.study.cases import Case

SCHEMA = "equipoise-study-row/1"


@dataclass(frozen=True)
class Row:
    """One method on one case. Exact values are fractions as text, ``*_value`` the same as a float.

    Attributes
    ----------
    key
        Hash of the schema, the version, the case, the settings, the method, its code and the horizon: a row is made
        once.
    code
        Hash of the method's code, see :func:`equipoise.study.code.code_of`; of a scheduler with that of the placer.
    failure, words
        What went wrong, in a kind ("raises", "hangs", "crashes", ...) and in a sentence; None if nothing did.
    found
        What the method reached: the score of a router, the peak device load of a scheduler or placer.
    certified_lower, certified_upper
        Proved bounds on the optimum it is held against: most score at the router's own peak, least peak on the same
        placement (schedulers), least peak over all placements (placers: the lower one alone).
    balanced
        Certified score of perfect balance; routers.
    evidence, held_against
        What stands behind the bounds, and which form of the problem.
    gap
        Distance to the bound: relative regret of a router, ``found / certified_lower - 1`` of the others.
    imbalance, min_vio
        Peak over mean load of experts (routers) or devices, and MinVio of experts.
    excess_peak
        Tokens of peak load beyond the least with which the same score is possible; routers.
    seconds
        Of all calls of the method, its process and the way to it included. Measured, hence in no report.
    horizon
        Steps ahead; predictors, as all that follows. One call answers for all horizons, and its seconds stand in each.
    forecasts, stable
        Forecasts of the series, and how many of them were made in the stable state.
    error, floor
        Relative L1 error per step, experts weighted by load, and the noise floor: means over the forecasts.
    mean_error, mean_floor
        The same of the horizon's mean. Floors are expectations: nothing here is certified.
    """

    key: str
    role: str
    method: str
    instance: str
    seed: int
    source: str
    code: str
    gate: str | None = None
    skew: float | None = None
    tokens: int | None = None
    experts: int | None = None
    top_k: int | None = None
    failure: str | None = None
    words: str | None = None
    found: str | None = None
    found_value: float | None = None
    certified_lower: str | None = None
    certified_lower_value: float | None = None
    certified_upper: str | None = None
    certified_upper_value: float | None = None
    balanced: str | None = None
    balanced_value: float | None = None
    evidence: str = "none"
    held_against: str | None = None
    gap: float | None = None
    imbalance: float | None = None
    min_vio: float | None = None
    excess_peak: int | None = None
    seconds: float | None = None
    horizon: int | None = None
    forecasts: int | None = None
    stable: int | None = None
    error: float | None = None
    floor: float | None = None
    mean_error: float | None = None
    mean_floor: float | None = None

    @property
    def unproved(self) -> bool:
        """Whether it is an answer that an optimum binds, and none is certified; none binds predictors."""
        return self.failure is None and self.role != "predictor" and self.evidence != "certified"


def key_of(case: Case, method: str, settings: dict[str, Any], code: str, horizon: int | None = None) -> str:
    """Return the key of a row."""
    of_case = [case.role, case.instance, case.source, case.made_of, case.seed]
    about = [SCHEMA, __version__, *of_case, settings, method, code, horizon]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


class RowFile:
    """The rows of a folder by key; a key that is there is not replaced unless asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path.exists():
            self.rows = {row.key: row for row in _read(path)}

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows; of the same key, the last counts, once."""
        self.rows |= {row.key: row for row in rows}

    def save(self) -> None:
        """Write all rows, by key."""
        frame = _polars().DataFrame([asdict(self.rows[key]) for key in sorted(self.rows)], schema=_columns())
        content = io.BytesIO()
        frame.write_parquet(content, compression="zstd", statistics=False)
        write_whole(self.path, content.getvalue())


def _read(path: Path) -> list[Row]:
    polars = _polars()
    try:
        frame = polars.read_parquet(io.BytesIO(path.read_bytes()))
    except (OSError, polars.exceptions.PolarsError) as error:
        raise InvalidFile(f"{path} cannot be read as rows of a study: {str(error).splitlines()[0]}") from error
    if dict(frame.schema) != _columns():
        raise InvalidFile(f"{path} has other columns than {SCHEMA}; allowed: a folder of its own for every version")
    return [Row(**row) for row in frame.iter_rows(named=True)]


def _columns() -> dict[str, Any]:
    polars = _polars()
    kinds = {"str": polars.String, "float": polars.Float64, "int": polars.Int64}
    return {field.name: kinds[str(field.type).removesuffix(" | None")]() for field in fields(Row)}


def _polars() -> Any:
    try:
        import polars
    except ImportError as error:
        raise ExtraMissing("a study", "polars", "study") from error
    return polars
