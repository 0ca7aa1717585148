"""FLAME-MoE's traces, Parquet: a row a token of one layer, ``indices`` (its experts) and ``scores`` (their weights)."""

from __future__ import annotations

import numpy as np

from equipoise.errors import InvalidProblem
from equipoise.traces.formats import choices, parquet
from equipoise.traces.formats.counts import Counts
from equipoise.traces.formats.routed import truncated
from equipoise.traces.formats.source import Asked, Source
from equipoise.traces.instance import ScoreTrace

COLUMNS = ("indices", "scores")


def fits(source: Source) -> bool:
    """Return whether the file has the columns, as lists."""
    kinds = [source.content.get(name, "") for name in COLUMNS]
    return source.container == "parquet" and all(kind.startswith(("List(", "Array(")) for kind in kinds)


def read_loads(source: Source, asked: Asked) -> Counts:
    """Return how often every expert is chosen."""
    (ids,) = parquet.lists(source.path, COLUMNS[:1])
    return _choices(ids, asked).counts()


def read_scores(source: Source, asked: Asked) -> ScoreTrace:
    """Return one instance: the scores of the chosen experts, 0 for all others."""
    ids, scores = parquet.lists(source.path, COLUMNS)
    if ids.shape != scores.shape:
        raise InvalidProblem("scores", f"of shape {scores.shape}", f"that of indices, {ids.shape}")
    return truncated(_choices(ids, asked), scores.astype(np.float32)[None, None], asked.top_k, asked.gate)


def _choices(ids: object, asked: Asked) -> choices.Choices:
    return choices.checked(np.asarray(ids)[None, None], "indices", asked.num_experts)
