"""Routers on a stream: batches in order of time, each routed once, with two comparators that cannot see the future."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from equipoise.audit.comparators import FixedBias, LastPrices
from equipoise.audit.judge import Row
from equipoise.audit.run import Audit, audit, sequences
from equipoise.executors import in_order
from equipoise.targets import Target
from equipoise.traces import Instance

BALANCED_AT = 0.1
"""A step counts as balanced while MaxVio is at most this (our definition)."""

LAST_PRICES, FIXED_BIAS = "last batch's exact prices", "best fixed bias in hindsight"


@dataclass(frozen=True)
class StreamSummary:
    """One router over the steps of all sequences.

    Attributes
    ----------
    avg_max_vio, sup_max_vio
        Mean and maximum of MaxVio over steps (BIP, arXiv 2502.15451), averaged over sequences.
    mean_min_vio
        Mean of MinVio over steps and sequences.
    mean_relative_regret
        Mean over steps and sequences of the relative regret at equal peak.
    mean_score_ratio
        Mean of the score over the clairvoyant balanced optimum of each step.
    balanced_after
        Steps until MaxVio stays at most ``BALANCED_AT`` to the end, averaged over the sequences in which it does.
    balanced_sequences, sequences
        In how many sequences it does, and of how many.
    """

    router: str
    steps: int
    errors: int
    certified: int
    avg_max_vio: float
    sup_max_vio: float
    mean_min_vio: float
    mean_relative_regret: float
    mean_score_ratio: float | None
    balanced_after: float | None
    balanced_sequences: int
    sequences: int


def audit_stream(
    targets: Sequence[Target],
    instances: Sequence[Instance],
    *,
    trace: str = "",
    progress: Callable[[Instance], None] | None = None,
    executor: Executor | None = None,
) -> Audit:
    """Route every batch once, in order; state is kept within a sequence. The two comparators are routers of their own.

    Rows are as in :func:`equipoise.audit.audit`; :func:`summarise` condenses them.
    """
    causal = [*targets, Target(LAST_PRICES, LastPrices())]
    result = audit(causal, instances, passes=1, trace=trace, progress=progress, executor=executor)
    rows = [*result.rows, *chain.from_iterable(in_order(_in_hindsight, sequences(instances), executor))]
    return Audit(rows, 1, trace, result.environment)


def _in_hindsight(sequence: Sequence[Instance]) -> list[Row]:
    hindsight = FixedBias([instance.scores for instance in sequence], sequence[0].top_k)
    return audit([Target(FIXED_BIAS, hindsight)], sequence, passes=1).rows


def summarise(result: Audit) -> list[StreamSummary]:
    """Return one line per router, in the order of the rows."""
    names = dict.fromkeys(row.router for row in result.rows)
    return [_summary(name, [row for row in result.rows if row.router == name]) for name in names]


def _summary(name: str, rows: list[Row]) -> StreamSummary:
    good = [row for row in rows if row.error is None]
    by_sequence: dict[str, list[float]] = {}
    for row in good:
        by_sequence.setdefault(row.sequence, []).append(row.max_vio or 0.0)
    settled = [steps for series in by_sequence.values() if (steps := steps_until_balanced(series)) is not None]
    ratios = [row.score_ratio for row in good if row.score_ratio is not None]
    return StreamSummary(
        name,
        len(rows),
        len(rows) - len(good),
        sum(row.evidence == "certified" for row in good),
        _mean([float(np.mean(series)) for series in by_sequence.values()]),
        _mean([max(series) for series in by_sequence.values()]),
        _mean([row.min_vio or 0.0 for row in good]),
        _mean([row.relative_regret or 0.0 for row in good]),
        _mean(ratios) if ratios else None,
        _mean([float(steps) for steps in settled]) if settled else None,
        len(settled),
        len({row.sequence for row in rows}),
    )


def steps_until_balanced(max_vio: Sequence[float]) -> int | None:
    """Return after how many steps MaxVio stays at most ``BALANCED_AT`` to the end; None if the last step is not."""
    unbalanced = [step for step, value in enumerate(max_vio, 1) if value > BALANCED_AT]
    last = unbalanced[-1] if unbalanced else 0
    return None if last == len(max_vio) else last


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
