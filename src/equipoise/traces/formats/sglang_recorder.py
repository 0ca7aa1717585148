"""SGLang's expert distribution recorder, ``expert_distribution_recorder_*.pt``.

Mode "stat": ``logical_count`` ``[S, L, E]`` of all ranks. Modes "per_pass" and "per_token": one file a rank, with
``records``, each of them a forward pass with ``global_physical_count`` ``[L, P]`` (what this rank saw), and
``last_physical_to_logical_map`` ``[L, P]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.traces.formats import counts
from equipoise.traces.formats.counts import LARGEST_COUNT, MOST_EXPERTS, Counts, Integers
from equipoise.traces.formats.source import Asked, Source


def fits(source: Source) -> bool:
    """Return whether the file is one of the recorder's."""
    return source.container == "pt" and bool({"logical_count", "records"} & set(source.content))


def read(source: Source, asked: Asked) -> Counts:
    """Return the counts of logical experts by forward pass."""
    content = source.content
    if "logical_count" in content:
        return counts.of_array(content["logical_count"], "logical_count", asked.axes)
    records = content["records"]
    if not isinstance(records, list) or not records or not all(isinstance(one, dict) for one in records):
        raise InvalidProblem("records", "no list of dictionaries, or empty", "one for every forward pass")
    given = as_numpy(content.get("last_physical_to_logical_map"), "last_physical_to_logical_map")
    logical = whole_numbers(given, "last_physical_to_logical_map", (None, None), 0, MOST_EXPERTS - 1)
    if not logical.size:
        raise InvalidProblem("last_physical_to_logical_map", f"of shape {logical.shape}", "[L, P], none of them 0")
    cells: dict[tuple[int, int], Integers] = {}
    for number, record in enumerate(records):
        step = record.get("forward_pass_id", number)
        if not isinstance(step, int):
            raise InvalidProblem("forward_pass_id", repr(step), "a whole number")
        physical = _physical(record, number, logical)
        experts = int(logical.max()) + 1
        for layer, (load, of) in enumerate(zip(physical, logical, strict=True)):
            total = np.zeros(experts, np.int64)
            np.add.at(total, of, load)
            counts.add(cells, (step, layer), total)
    warnings = []
    if any(len(np.unique(layer)) < len(layer) for layer in logical):
        warnings.append(
            "the placement has replicas, and only the last one is in the file: if it changed while recording, counts "
            "from before are of other experts"
        )
    return counts.tabulated(cells, None, warnings)


def _physical(record: dict[str, Any], number: int, logical: Integers) -> Integers:
    """Return ``[L, P]`` of a record: its own counts, or those of its tokens' physical experts."""
    field = f"records[{number}]"
    if record.get("global_physical_count") is not None:
        return whole_numbers(record["global_physical_count"], field, logical.shape, 0, LARGEST_COUNT)
    if record.get("topk_ids_of_layer") is None:
        raise InvalidProblem(field, f"with {', '.join(map(repr, record))}", "global_physical_count, topk_ids_of_layer")
    layers, slots = logical.shape
    ids = whole_numbers(record["topk_ids_of_layer"], field, (layers, None, None), -1, slots - 1)
    found = [np.bincount(of_layer[of_layer >= 0], minlength=slots) for of_layer in ids]
    return np.array(found, np.int64)
