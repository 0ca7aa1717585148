"""The recorded dataset in files for other tools: NumPy archives and Parquet tables."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.errors import ExtraMissing, InvalidFile, InvalidProblem
from equipoise.files import write_whole

if TYPE_CHECKING:
    from equipoise.traces.recording import RecordedTrace

Columns = dict[str, Any]


def export(trace: RecordedTrace, folder: str | PathLike[str], form: Literal["npz", "parquet"]) -> list[str]:
    """Write the files of one form; :meth:`RecordedTrace.export` says which."""
    if form not in ("npz", "parquet"):
        raise InvalidProblem("form", repr(form), "npz or parquet")
    described = json.dumps(trace.provenance, indent=1).encode() + b"\n"
    contents = _archive(trace) if form == "npz" else _tables(trace)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"{folder} cannot be written: {error.strerror}") from error
    for name, content in (contents := contents | {"description.json": described}).items():
        write_whole(Path(folder) / name, content)
    return list(contents)


def _archive(trace: RecordedTrace) -> dict[str, bytes]:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = trace.arrays
    np.savez_compressed(buffer, **arrays)
    return {"arrays.npz": buffer.getvalue()}


def _tables(trace: RecordedTrace) -> dict[str, bytes]:
    try:
        import polars
    except ImportError as error:
        raise ExtraMissing("a Parquet file", "polars", "study") from error
    found = {}
    for name, rows in (("logits", _logits), ("bias", _bias), ("loads", _loads)):
        frames = []
        for columns in rows(trace):
            frame = polars.DataFrame(columns)
            wide = polars.List(polars.UInt16 if name == "loads" else polars.Float32)
            frames.append(frame.with_columns(polars.col(name).cast(wide)))
        buffer = io.BytesIO()
        polars.concat(frames).write_parquet(buffer, compression="zstd")
        found[f"{name}.parquet"] = buffer.getvalue()
    return found


def _logits(trace: RecordedTrace) -> Iterator[Columns]:
    """A row a token: of the held-out batch at every kept step and layer, and of the streams."""
    for run in trace.runs:
        held_out = trace.arrays[f"{run}/logits"]
        yield _long(trace, run, "held-out", trace.arrays[f"{run}/steps"], np.arange(held_out.shape[1]), held_out)
        if f"{run}/stream" in trace.arrays:
            layer = np.array([trace.provenance["stream_layer"]])
            stream = trace.arrays[f"{run}/stream"][:, None]
            yield _long(trace, run, "training", trace.arrays[f"{run}/stream_steps"], layer, stream)


def _long(
    trace: RecordedTrace,
    run: str,
    text: str,
    steps: npt.NDArray[Any],
    layers: npt.NDArray[Any],
    logits: npt.NDArray[Any],
) -> Columns:
    count, _, tokens, experts = logits.shape
    return {
        "run": [run] * (count * len(layers) * tokens),
        "gate": [trace.gate(run)] * (count * len(layers) * tokens),
        "top_k": np.full(count * len(layers) * tokens, trace.top_k(run), np.uint8),
        "text": [text] * (count * len(layers) * tokens),
        "step": np.repeat(steps, len(layers) * tokens).astype(np.int32),
        "layer": np.tile(np.repeat(layers, tokens), count).astype(np.uint8),
        "token": np.tile(np.arange(tokens, dtype=np.int32), count * len(layers)),
        "logits": logits.reshape(-1, experts).astype(np.float32),
    }


def _bias(trace: RecordedTrace) -> Iterator[Columns]:
    for run in trace.runs:
        yield _by_layer(run, trace.arrays[f"{run}/steps"], "bias", trace.arrays[f"{run}/bias"])


def _loads(trace: RecordedTrace) -> Iterator[Columns]:
    for run in trace.runs:
        yield _by_layer(run, trace.load_steps(run), "loads", trace.loads(run))


def _by_layer(run: str, steps: npt.NDArray[Any], name: str, values: npt.NDArray[Any]) -> Columns:
    count, layers, experts = values.shape
    return {
        "run": [run] * (count * layers),
        "step": np.repeat(steps, layers).astype(np.int32),
        "layer": np.tile(np.arange(layers, dtype=np.uint8), count),
        name: values.reshape(-1, experts),
    }
