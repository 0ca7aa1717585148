"""Recordings of routers: one NPZ file with several layers, each with steps of its own; written, read and merged.

Keys: ``format``, "equipoise-recording/1"; ``layers``, ``gate`` and ``top_k`` ``[L]``; and for layer number i

* ``logits_i`` ``[N, E]``: the tokens of all its steps, one step after the other;
* ``chosen_i`` ``[N, K]``: the experts that the router chose, -1 for none; absent where it does not say;
* ``steps_i`` and ``tokens_i`` ``[n]``: number of each step, rising, and how many tokens it has.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import read_arrays, write_whole
from equipoise.traces.instance import GATES, Instance, apply_gate

FORMAT = "equipoise-recording/1"
LARGEST = 2**53


@dataclass(eq=False)
class RecordedStep:
    """One step of a layer: ``logits[T, E]``, and ``chosen[T, K]`` where it is known."""

    logits: npt.NDArray[Any]
    chosen: npt.NDArray[np.int32] | None = None

    @property
    def nbytes(self) -> int:
        """Of both arrays."""
        return self.logits.nbytes + (0 if self.chosen is None else self.chosen.nbytes)


@dataclass(eq=False)
class RecordedLayer:
    """What was recorded of one router.

    Attributes
    ----------
    gate
        What makes scores of its logits: one of ``GATES``.
    top_k
        K.
    steps
        By number.
    """

    gate: str
    top_k: int
    steps: dict[int, RecordedStep] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Of all steps."""
        return sum(step.nbytes for step in self.steps.values())

    def fits(self, other: RecordedLayer) -> bool:
        """Whether both can be of one router: the same gate, K and number of experts."""
        experts = {step.logits.shape[1] for layer in (self, other) for step in layer.steps.values()}
        return (self.gate, self.top_k) == (other.gate, other.top_k) and len(experts) <= 1


Layers = dict[str, RecordedLayer]


def is_recording(arrays: Mapping[str, Any]) -> bool:
    """Whether a file's arrays say that they are a recording, of whatever version."""
    return "format" in arrays and "layers" in arrays


def read_recording(path: str | PathLike[str]) -> Layers:
    """Read a recording, layer by layer.

    Raises
    ------
    InvalidFile
        If the file cannot be read or is not a recording.
    """
    arrays = read_arrays(path)
    if not is_recording(arrays):
        raise InvalidFile(f"{path} is not a recording; allowed: what equipoise.record writes")
    return recorded_layers(path, arrays)


def recorded_layers(path: str | PathLike[str], arrays: Mapping[str, Any]) -> Layers:
    """Return the layers that a recording's arrays hold, checked."""
    try:
        if (version := str(np.asarray(arrays["format"]))) != FORMAT:
            raise InvalidFile(f"{path} is of the format {version!r}; allowed: {FORMAT!r}")
        names = [str(name) for name in np.atleast_1d(arrays["layers"])]
        gates = [str(gate) for gate in np.atleast_1d(arrays["gate"])]
        top_k = whole_numbers(arrays["top_k"], "top_k", (len(names),), 1, LARGEST)
        if len(set(names)) != len(names) or len(gates) != len(names) or not set(gates) <= set(GATES):
            raise InvalidFile(f"{path} has layers {names} with gates {gates}; allowed: {', '.join(GATES)}, one a layer")
        return {name: _layer(arrays, index, gates[index], int(top_k[index])) for index, name in enumerate(names)}
    except KeyError as error:
        raise InvalidFile(f"{path} lacks {error}") from error
    except InvalidProblem as error:
        raise InvalidFile(f"{path}: {error}") from error


def _layer(arrays: Mapping[str, Any], index: int, gate: str, top_k: int) -> RecordedLayer:
    logits = as_numpy(arrays[f"logits_{index}"], f"logits_{index}")
    if logits.ndim != 2 or logits.dtype.kind != "f" or not np.isfinite(logits).all():
        raise InvalidProblem(f"logits_{index}", f"{logits.dtype} of shape {logits.shape}", "finite floats [N, E]")
    if top_k > logits.shape[1]:
        raise InvalidProblem("top_k", str(top_k), f"1 to E={logits.shape[1]}")
    steps = whole_numbers(arrays[f"steps_{index}"], f"steps_{index}", (None,), 0, LARGEST)
    tokens = whole_numbers(arrays[f"tokens_{index}"], f"tokens_{index}", (len(steps),), 1, len(logits))
    if int(tokens.sum()) != len(logits) or (np.diff(steps) <= 0).any():
        raise InvalidProblem(f"steps_{index}", "not rising, or of another number of tokens", f"{len(logits)} tokens")
    chosen: list[Any] = [None] * len(steps)
    ends = np.cumsum(tokens)[:-1]
    if f"chosen_{index}" in arrays:
        shape, name = (len(logits), top_k), f"chosen_{index}"
        checked = whole_numbers(arrays[name], name, shape, -1, logits.shape[1] - 1)
        chosen = np.split(checked.astype(np.int32), ends)
    parts = zip(steps.tolist(), np.split(logits, ends), chosen, strict=True)
    return RecordedLayer(gate, top_k, {step: RecordedStep(rows, experts) for step, rows, experts in parts})


def write_recording(path: str | PathLike[str], layers: Layers) -> None:
    """Write a recording, whole or not at all.

    Raises
    ------
    InvalidFile
        If it cannot be written.
    """
    full = {name: layer for name, layer in layers.items() if layer.steps}
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array(FORMAT),
        "layers": np.array(list(full), dtype=np.str_),
        "gate": np.array([layer.gate for layer in full.values()], dtype=np.str_),
        "top_k": np.array([layer.top_k for layer in full.values()], np.int64),
    }
    for index, layer in enumerate(full.values()):
        steps = dict(sorted(layer.steps.items()))
        arrays[f"logits_{index}"] = np.concatenate([step.logits for step in steps.values()])
        arrays[f"steps_{index}"] = np.array(list(steps), np.int64)
        arrays[f"tokens_{index}"] = np.array([len(step.logits) for step in steps.values()], np.int64)
        chosen = [step.chosen for step in steps.values() if step.chosen is not None]
        if len(chosen) == len(steps):
            arrays[f"chosen_{index}"] = np.concatenate(chosen)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_whole(path, content.getvalue())


def merge(paths: Iterable[str | PathLike[str]], into: str | PathLike[str]) -> None:
    """Make one recording of several: the ranks of one run.

    The tokens of one layer at one step are joined in the order of the files, so that data-parallel ranks make the
    batch that the balancer balances; the very same tokens, as tensor-parallel ranks see them, are kept once. Layers
    that only one file has, as pipeline stages do, are taken as they are.

    Raises
    ------
    InvalidFile
        If a file cannot be read, or a layer's gate, K or number of experts differ between files; nothing is written.
    """
    merged: Layers = {}
    pieces: dict[tuple[str, int], dict[bytes, RecordedStep]] = {}
    for path in map(Path, paths):
        for name, layer in read_recording(path).items():
            if not merged.setdefault(name, layer).fits(layer):
                raise InvalidFile(f"{path} has another gate, K or number of experts at {name} than the files before")
            for number, step in layer.steps.items():
                same = hashlib.sha256(step.logits.tobytes()).digest()
                pieces.setdefault((name, number), {}).setdefault(same, step)
    if not merged:
        raise InvalidFile("there is nothing to merge: no files, or none with a layer")
    whole = {name: RecordedLayer(layer.gate, layer.top_k) for name, layer in merged.items()}
    for (name, number), different in pieces.items():
        whole[name].steps[number] = _joined(list(different.values()))
    write_recording(into, whole)


def _joined(pieces: list[RecordedStep]) -> RecordedStep:
    chosen = [piece.chosen for piece in pieces if piece.chosen is not None]
    logits = np.concatenate([piece.logits for piece in pieces])
    return RecordedStep(logits, np.concatenate(chosen) if len(chosen) == len(pieces) else None)


def recorded_instances(layers: Layers, top_k: int | None = None) -> list[Instance]:
    """Return every step of every layer as a batch; the steps of a layer are a sequence. ``top_k`` overrides K."""
    return [
        Instance(f"{name}/step{number}", apply_gate(step.logits, layer.gate), top_k or layer.top_k, name)
        for name, layer in layers.items()
        for number, step in layer.steps.items()
    ]
