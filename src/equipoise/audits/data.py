"""What audits run on: traces by name or from files, cut as a role needs them, and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.errors import InvalidProblem
from equipoise.traces import (
    GATES,
    Instance,
    LoadInstance,
    LoadSeries,
    ScoreTrace,
    drifting,
    generated_series,
    read_loads,
    read_trace,
    recorded,
)
from equipoise.traces.formats.matrices import gated, sign_warnings

Data = Instance | LoadInstance | LoadSeries

TOP_K = Option("top_k", int, "K, where the trace's file does not say it.", least=1, compared=False, studied=False)
GATE = Option(
    "gate",
    str,
    f"What makes scores of the trace's numbers: {', '.join(GATES)}. [default: the file's; none for scores]",
    compared=False,
    studied=False,
)
AXES = Option(
    "axes",
    str,
    "Names of the axes of the trace's array, where its format leaves them open, as tokens,layers,k.",
    compared=False,
    studied=False,
)
STEPS = Option(
    "steps",
    int,
    "Steps of the record, evenly spaced. [default: 1, the last]",
    1,
    least=1,
    compared=False,
    studied=False,
)


@dataclass(frozen=True)
class Source:
    """One kind of data: what ships under which names, and how files and Python objects are read."""

    named: dict[str, Callable[[Options, str], list[Any]]]
    read: Callable[[str, Options], tuple[list[Any], Sequence[str]]]
    kind: type
    of_array: Callable[[npt.NDArray[Any], Options], tuple[list[Any], Sequence[str]]]


def instances_of(audit: RoleAudit, trace: Any, options: Options) -> tuple[list[Any], str, list[str]]:
    """Return the instances of a trace, its name, and warnings about it.

    ``trace`` is a name, a path, an array, or a list of instances.

    Raises
    ------
    InvalidProblem
        If there is no such trace for this role, or it is empty.
    InvalidFile
        If a file cannot be read.
    """
    source = SOURCES[audit.data]
    warnings: Sequence[str] = ()
    if not isinstance(trace, str) and not hasattr(trace, "__fspath__"):
        given = [trace] if isinstance(trace, source.kind) else trace
        ready = isinstance(given, list | tuple | ScoreTrace) and all(isinstance(one, source.kind) for one in given)
        if ready:
            _refuse(options, ("gate", "axes"), "instances, which are ready")
            found, warnings = list(given), getattr(given, "warnings", ())
        else:
            _refuse(options, ("axes",), "an array")
            found, warnings = source.of_array(as_numpy(given, "trace"), options)
        name = "given"
    elif (name := str(trace)) in source.named:
        _refuse(options, ("top_k", "gate", "axes"), "a trace that knows its own")
        found = source.named[name](options, audit.variant)
    elif others := [data for data, other in SOURCES.items() if name in other.named]:
        allowed = f"{', '.join(source.named)}, or a file of {audit.data}"
        raise InvalidProblem("trace", f"{name!r}, which holds {others[0]}", allowed)
    else:
        found, warnings = source.read(name, options)
    if not found:
        raise InvalidProblem("trace", f"{name!r}, which holds nothing to audit on", f"{audit.data}")
    return found, name, [f"{name}: {warning}" for warning in warnings]


def _refuse(options: Options, names: Sequence[str], what: str) -> None:
    for name in names:
        if options.get(name) is not None:
            raise InvalidProblem(name, f"given with {what}", "with a trace from a file")


def evenly_spaced(options: Options) -> int:
    """Return how many steps of a record are wanted."""
    return int(options.get("steps") or 1)


def _read_loads(path: str, options: Options) -> tuple[list[Any], Sequence[str]]:
    trace = read_loads(path, axes=options.get("axes"))
    return trace.instances(evenly_spaced(options)), trace.warnings


def _read_series(path: str, options: Options) -> tuple[list[Any], Sequence[str]]:
    trace = read_loads(path, axes=options.get("axes"))
    return trace.series(path), trace.warnings


def _read_scores(path: str, options: Options) -> tuple[list[Any], Sequence[str]]:
    trace = read_trace(path, options.get("top_k"), gate=options.get("gate"), axes=options.get("axes"))
    return list(trace), trace.warnings


def _scores(array: npt.NDArray[Any], options: Options) -> tuple[list[Any], Sequence[str]]:
    top_k = options.get("top_k")
    if array.ndim not in (2, 3) or not array.size:
        raise InvalidProblem("trace", f"an array of shape {array.shape}", "scores [T, E], or [S, T, E] step by step")
    if top_k is None:
        raise InvalidProblem("top_k", "not given", "K, experts per token, beside scores as an array")
    gate = options.get("gate")
    warnings = sign_warnings(array) if gate is None else ()
    scores = array if gate is None else gated(array, gate)
    batches = scores if scores.ndim == 3 else scores[None]
    return [Instance(f"step{step}", batch, top_k, "given") for step, batch in enumerate(batches)], warnings


def _loads(array: npt.NDArray[Any], options: Options) -> tuple[list[Any], Sequence[str]]:
    if array.ndim not in (1, 2) or not array.size or array.dtype.kind not in "iu":
        given = f"an array of {array.dtype} of shape {array.shape}"
        raise InvalidProblem("trace", given, "whole tokens [E], or [N, E] one instance a row")
    rows = array if array.ndim == 2 else array[None]
    return [LoadInstance(f"load{index}", row.astype(np.int64)) for index, row in enumerate(rows)], ()


def _series(array: npt.NDArray[Any], options: Options) -> tuple[list[Any], Sequence[str]]:
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iu":
        raise InvalidProblem("trace", f"an array of {array.dtype} of shape {array.shape}", "whole tokens [S, E]")
    return [LoadSeries("given", array.astype(np.int64), "given")], ()


SOURCES: dict[str, Source] = {
    "scores": Source(
        {
            "recorded": lambda options, variant: (
                recorded().streams() if variant == "stream" else recorded().instances()
            ),
            "drift": lambda options, variant: drifting(),
        },
        _read_scores,
        Instance,
        _scores,
    ),
    "loads": Source(
        {"recorded": lambda options, variant: recorded().load_instances(evenly_spaced(options))},
        _read_loads,
        LoadInstance,
        _loads,
    ),
    "series": Source(
        {
            "recorded": lambda options, variant: recorded().load_series(),
            "generated": lambda options, variant: generated_series(),
        },
        _read_series,
        LoadSeries,
        _series,
    ),
}


def hashes(named: Mapping[str, Data]) -> dict[str, str]:
    """Return 16 hexadecimal digits by name: the hash of scores, K and sequence, of loads, or of loads and their run."""
    return {name: _hash(instance) for name, instance in named.items()}


def _hash(instance: Data) -> str:
    array: npt.NDArray[Any]
    match instance:
        case Instance():
            array, about = instance.scores, [instance.top_k, instance.sequence]
        case LoadInstance():
            array, about = instance.load, []
        case LoadSeries():
            array, about = instance.loads, [instance.run]
    array = np.ascontiguousarray(array)
    head = json.dumps([array.dtype.str, array.shape, *about])
    return hashlib.sha256(head.encode() + array.tobytes()).hexdigest()[:16]
