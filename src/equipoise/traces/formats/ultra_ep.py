"""UltraEP's load profiles, NPZ, ``metadata`` of schema ``ultra_ep_trace_v1``: loads by micro-batch and layer."""

from __future__ import annotations

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.errors import InvalidProblem
from equipoise.files import strict_json
from equipoise.traces.formats import counts
from equipoise.traces.formats.counts import LARGEST_COUNT, Counts, Integers
from equipoise.traces.formats.source import Asked, Source

SCHEMA = "ultra_ep_trace_v1"


def fits(source: Source) -> bool:
    """Return whether the file has the profile's keys."""
    return source.container == "npz" and {"metadata", "pre_logical_loads"} <= set(source.content)


def read(source: Source, asked: Asked) -> Counts:
    """Return the loads of logical experts before placement, a micro-batch as a step; several of one key are added."""
    content = source.content
    try:
        about = strict_json(str(content["metadata"]))
        schema = about["schema"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidProblem("metadata", "no JSON object with a schema", SCHEMA) from error
    if schema != SCHEMA:
        raise InvalidProblem("the schema", repr(schema)[:60], SCHEMA)
    loads = as_numpy(content["pre_logical_loads"], "pre_logical_loads")
    loads = loads.sum(axis=1) if loads.ndim == 3 and loads.dtype.kind in "iu" else loads
    loads = whole_numbers(loads, "pre_logical_loads", (None, None), 0, LARGEST_COUNT)
    keys = [whole_numbers(content.get(key), key, (len(loads),), 0, 2**53) for key in ("microbatches", "layers")]
    cells: dict[tuple[int, int], Integers] = {}
    for step, layer, load in zip(keys[0].tolist(), keys[1].tolist(), loads, strict=True):
        counts.add(cells, (step, layer), load)
    dropped = about.get("dropped_records")
    warnings = [f"{dropped} records were dropped while recording"] if dropped else []
    return counts.tabulated(cells, None, warnings)
