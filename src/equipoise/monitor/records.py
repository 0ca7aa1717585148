"""What a monitor says, line by line; every record has its schema and kind."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Version = Literal["equipoise-monitor/1"]
SCHEMA: Version = "equipoise-monitor/1"


class Step(TypedDict):
    """One step of a layer, its real tokens; ``rounding`` is a part of the bound; ``note`` says why there is none."""

    schema: Version
    kind: Literal["step"]
    step: int
    layer: str
    tokens: int
    experts: int
    top_k: int
    loads: list[int]
    max_vio: float
    min_vio: float
    dropped: int
    regret_bound: float | None
    relative_regret_bound: float | None
    rounding: float | None
    note: str | None


class Exact(TypedDict):
    """An exact audit of a step, or why there is none; ``exact_regret`` is p/q or p."""

    schema: Version
    kind: Literal["exact"]
    step: int
    layer: str
    compared_with: NotRequired[str]
    evidence: NotRequired[str]
    regret: NotRequired[float]
    exact_regret: NotRequired[str]
    relative_regret: NotRequired[float | None]
    excess_peak: NotRequired[int | None]
    relative_dual_gap: NotRequired[float | None]
    error: str | None


class End(TypedDict):
    """The end of a run: batches that were audited exactly, and that were due but found the process busy."""

    schema: Version
    kind: Literal["end"]
    audited: int
    skipped: int
