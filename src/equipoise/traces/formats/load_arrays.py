"""Arrays of loads: ``logical_count`` (SGLang's expert distribution), ``load``, ADRS's history, or an array alone."""

from __future__ import annotations

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem
from equipoise.traces.formats import axes, choices, counts
from equipoise.traces.formats.counts import Counts
from equipoise.traces.formats.source import Asked, Source

KEYS = ("logical_count", "load")


def fits(source: Source) -> bool:
    """Return whether the file has a key of counts."""
    return source.container in ("npz", "json") and any(key in source.content for key in KEYS)


def read(source: Source, asked: Asked) -> Counts:
    """Return the counts ``[L, E]`` or ``[S, L, E]``."""
    return counts.of_array(next(source.content[key] for key in KEYS if key in source.content), "the load", asked.axes)


def fits_history(source: Source) -> bool:
    """Return whether the file is a history of ADRS."""
    return source.container == "json" and "load_history" in source.content


def read_history(source: Source, asked: Asked) -> Counts:
    """Return the counts of a list of ``{"logical_expert_load": [L][E]}``."""
    steps = source.content["load_history"]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise InvalidProblem("load_history", "not a list of objects", "a list of {'logical_expert_load': [L][E]}")
    return counts.of_array([step.get("logical_expert_load") for step in steps], "the load", asked.axes)


def fits_alone(source: Source) -> bool:
    """Return whether the file is one array without a name."""
    return source.container == "npy"


def read_alone(source: Source, asked: Asked) -> Counts:
    """Return the counts of an array whose axes the caller names: of ids or of loads."""
    array = as_numpy(source.content["scores"], "the array")
    if asked.axes is None:
        ways = "--axes tokens,layers,k (ids of experts), --axes layers,experts or steps,layers,experts (loads)"
        raise InvalidProblem("the array", f"{array.dtype} of shape {array.shape}, which does not say its axes", ways)
    if "k" not in (axes.named(asked.axes) or ()):
        return counts.of_array(array, "the array", asked.axes)
    ids = axes.arranged_ids(array, "the array", asked.axes, axes.IDS)
    return choices.checked(ids, "the array", asked.num_experts).counts()
