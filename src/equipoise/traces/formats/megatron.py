"""Megatron-LM's router traces: ``router_trace_rank{r}.jsonl``, and ``logits_rank{r}.bin`` in bfloat16 beside it.

One record for each step and layer, with ``top_indices`` ``[T, K]``; where logits were captured also where they are in
the other file (``logit_offset``, ``logit_bytes``, ``logit_shape``). Several records of a step and layer are its
micro-batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem
from equipoise.files import LARGEST_ARRAY, LARGEST_JSON, reading, regular, size_of, strict_json
from equipoise.traces.formats import choices, counts
from equipoise.traces.formats.counts import Counts, Integers
from equipoise.traces.formats.matrices import gated
from equipoise.traces.formats.source import Asked, Source
from equipoise.traces.instance import Instance, ScoreTrace


def fits(source: Source) -> bool:
    """Return whether the records are the tracer's."""
    return source.container in ("jsonl", "json") and {"layer", "top_indices"} <= set(source.content)


def read_loads(source: Source, asked: Asked) -> Counts:
    """Return how often every expert was chosen, by step and layer."""
    cells: dict[tuple[int, int], Integers] = {}
    sizes, warnings = set(), _Others()
    for number, record in _records(source, warnings):
        ids = _array(record, number)
        if not ids.size:
            continue
        experts = _logit_shape(record, number)[1] if "logit_offset" in record else asked.num_experts
        part = choices.checked(ids[None, None], f"top_indices of record {number}", experts).counts()
        counts.add(cells, (_whole(record, number, "step"), _whole(record, number, "layer")), part.loads[0, 0])
        sizes.add(ids.shape[1])
    return counts.tabulated(cells, sizes.pop() if len(sizes) == 1 else None, warnings.sentences())


def read_scores(source: Source, asked: Asked) -> ScoreTrace:
    """Return the logits of every step and layer after the gate, which the trace does not say."""
    parts: dict[tuple[int, int], list[npt.NDArray[Any]]] = {}
    top_k, warnings, beside = asked.top_k, _Others(), None
    for number, record in _records(source, warnings):
        if "logit_offset" not in record:
            raise InvalidProblem(f"record {number}", "without logits", "--moe-routing-trace-capture-logits, or loads")
        if beside is None:
            beside = source.path.with_name(f"logits_rank{_whole(record, number, 'rank')}.bin")
            with regular(beside) as file:
                left = size_of(file, beside, LARGEST_ARRAY)
        tokens, experts = _logit_shape(record, number)
        left -= tokens * experts * 2
        if left < 0:
            raise InvalidProblem(f"record {number}", f"with logits past the end of {beside.name}", "what is in it")
        with regular(beside) as file, reading(beside):
            logits = _logits(file, record, number, tokens, experts)
        key = _whole(record, number, "step"), _whole(record, number, "layer")
        parts.setdefault(key, []).append(gated(logits, asked.gate))
        top_k = _whole(record, number, "topk") if top_k is None else top_k
    batches = []
    for (step, layer), pieces in sorted(parts.items()):
        if len({piece.shape[1] for piece in pieces}) > 1:
            raise InvalidProblem(f"layer {layer}", "with logits of different numbers of experts", "one number")
        scores = np.concatenate(pieces)
        if len(scores):
            batches.append(Instance(f"layer{layer}/step{step}", scores, top_k or 1, f"layer{layer}"))
    return ScoreTrace(tuple(batches), warnings.sentences())


class _Others:
    """Counts the records that are left out."""

    def __init__(self) -> None:
        self.count = 0

    def sentences(self) -> tuple[str, ...]:
        told = f"{self.count} records are not of decoder layers (multi-token prediction) and are left out"
        return (told,) if self.count else ()


def _records(source: Source, others: _Others) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records of decoder layers, with their numbers; line by line, so that long traces fit."""
    with regular(source.path) as file, reading(source.path):
        size_of(file, source.path, LARGEST_ARRAY)
        number = 0
        while line := file.readline(LARGEST_JSON + 1):
            number += 1
            if not line.strip():
                continue
            record = strict_json(line)
            if not isinstance(record, dict):
                raise InvalidProblem(f"line {number}", f"a {type(record).__name__}", "an object")
            if record.get("block", "decoder") != "decoder":
                others.count += 1
            else:
                yield number, record


def _whole(record: dict[str, Any], number: int, key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise InvalidProblem(f"{key} of record {number}", repr(value)[:60], "a whole number, 0 or more")
    return value


def _array(record: dict[str, Any], number: int) -> npt.NDArray[Any]:
    ids = as_numpy(record.get("top_indices"), f"top_indices of record {number}")
    if ids.ndim != 2 and ids.size:
        raise InvalidProblem(f"top_indices of record {number}", f"of shape {ids.shape}", "[T, K]")
    return ids


def _logit_shape(record: dict[str, Any], number: int) -> tuple[int, int]:
    shape = record.get("logit_shape")
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise InvalidProblem(f"logit_shape of record {number}", repr(shape)[:60], "[T, E]")
    if record.get("logit_bytes") != 2 * shape[0] * shape[1] or not 1 <= shape[1] <= counts.MOST_EXPERTS:
        raise InvalidProblem(f"logit_shape of record {number}", repr(shape)[:60], "[T, E], with 2 T E logit_bytes")
    return shape[0], shape[1]


def _logits(file: BinaryIO, record: dict[str, Any], number: int, tokens: int, experts: int) -> npt.NDArray[np.float32]:
    """Return bfloat16 values as float32: the upper half of its bits."""
    file.seek(_whole(record, number, "logit_offset"), os.SEEK_SET)
    content = file.read(2 * tokens * experts)
    if len(content) != 2 * tokens * experts:
        raise InvalidProblem(f"record {number}", "with logits past the end of their file", "what is in it")
    halves = np.frombuffer(content, "<u2").astype(np.uint32)
    return (halves << 16).view(np.float32).reshape(tokens, experts)
