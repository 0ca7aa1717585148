"""Score files: a matrix or a stack of them (``.npy``), or named arrays (``.npz``, ``.json``).

Keys: ``scores`` ``[..., T, E]``, or ``logits`` with ``gate`` ("softmax", "sigmoid", "none"); ``top_k``; for a problem
to solve also ``capacity``, ``drop`` and ``mask``. Of a stack's leading axes the first is time; every index of the
others (layers) is a sequence of its own.

Routing records hold ``topk_ids`` and ``topk_weights`` ``[L, T, K]`` instead: the scores of the chosen experts alone.
The others are unknown and taken as 0, so what is audited is the problem on these truncated scores, which tie heavily;
instance names say so.

Recordings of :func:`equipoise.record` have several layers and steps: see :mod:`equipoise.traces.recorded_file`.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidFile
from equipoise.files import read_arrays
from equipoise.problems import AssignmentProblem
from equipoise.traces.instance import GATES, Instance, apply_gate
from equipoise.traces.recorded_file import is_recording, recorded_instances, recorded_layers

KEYS = ("scores", "logits", "gate", "top_k", "capacity", "drop", "mask")
RECORD_KEYS = ("topk_ids", "topk_weights", "num_experts", "top_k", "seq_len")
MOST_EXPERTS = 1 << 16


def read_trace(path: str | PathLike[str], top_k: int | None = None) -> list[Instance]:
    """Read every batch of a score file; ``top_k`` overrides the file's own.

    Raises
    ------
    InvalidFile
        If the file cannot be read, has other keys, or does not say K and neither does the caller.
    """
    arrays = read_arrays(path)
    if is_recording(arrays):
        return recorded_instances(recorded_layers(path, arrays), top_k)
    _refuse_unknown(path, arrays)
    if "topk_ids" in arrays:
        return _record(path, arrays, top_k)
    scores, k = _scores(path, arrays), _top_k(path, arrays, top_k)
    instances = []
    for index in np.ndindex(scores.shape[:-2]):
        name = ".".join(map(str, index)) or "0"
        instances.append(Instance(name, scores[index], k, ".".join(map(str, index[1:]))))
    return instances


def read_problem(
    path: str | PathLike[str], top_k: int | None = None, capacity: int | None = None, drop: bool = False
) -> AssignmentProblem:
    """Read one problem; arguments override what the file says."""
    arrays = read_arrays(path)
    _refuse_unknown(path, arrays)
    scores = _scores(path, arrays)
    if scores.ndim != 2:
        raise InvalidFile(f"{path} holds scores of shape {scores.shape}; allowed: one matrix [T, E]")
    limit = arrays.get("capacity") if capacity is None else capacity
    dropping = drop or bool(_scalar(path, arrays, "drop", False))
    return AssignmentProblem(scores, _top_k(path, arrays, top_k), limit, dropping, arrays.get("mask"))


def _refuse_unknown(path: str | PathLike[str], arrays: dict[str, Any]) -> None:
    allowed = RECORD_KEYS if "topk_ids" in arrays else KEYS
    unknown = sorted(set(arrays) - set(allowed))
    if unknown:
        raise InvalidFile(f"{path} has the key {unknown[0]!r}; allowed: {', '.join(allowed)}")


def _record(path: str | PathLike[str], arrays: dict[str, Any], top_k: int | None) -> list[Instance]:
    """Return one instance per layer of a routing record ``topk_ids``, ``topk_weights`` ``[L, T, K]``."""
    ids, weights = as_numpy(arrays["topk_ids"], "topk_ids"), as_numpy(arrays.get("topk_weights"), "topk_weights")
    if ids.ndim != 3 or not ids.size or ids.dtype.kind not in "iu" or weights.shape != ids.shape:
        shapes = f"topk_ids {ids.dtype} of shape {ids.shape} and topk_weights of shape {weights.shape}"
        raise InvalidFile(f"{path} holds {shapes}; allowed: whole numbers [L, T, K] and as many weights")
    if weights.dtype.kind != "f" or not np.isfinite(weights).all():
        raise InvalidFile(f"{path} holds topk_weights that are not finite floats")
    experts = _scalar(path, arrays, "num_experts", int(ids.max()) + 1)
    if not isinstance(experts, int) or not int(ids.max()) < experts <= MOST_EXPERTS or int(ids.min()) < 0:
        raise InvalidFile(f"{path} names experts {ids.min()} to {ids.max()}; allowed: 0 to num_experts - 1")
    chosen = np.sort(ids, axis=2)
    if (chosen[:, :, 1:] == chosen[:, :, :-1]).any():
        raise InvalidFile(f"{path} sends a token to the same expert twice; allowed: distinct topk_ids")
    k = ids.shape[2] if top_k is None else top_k
    instances = []
    for layer, (of_layer, values) in enumerate(zip(ids, weights, strict=True)):
        scores = np.zeros((len(of_layer), experts), values.dtype)
        np.put_along_axis(scores, of_layer.astype(np.int64), values, axis=1)
        instances.append(Instance(f"layer{layer} (top-{ids.shape[2]} weights only)", scores, k, f"layer{layer}"))
    return instances


def _scores(path: str | PathLike[str], arrays: dict[str, Any]) -> npt.NDArray[Any]:
    if ("scores" in arrays) == ("logits" in arrays):
        raise InvalidFile(f"{path} must have exactly one of the keys 'scores' and 'logits'")
    array = as_numpy(arrays.get("scores", arrays.get("logits")), "scores")
    if array.ndim < 2 or not array.size:
        raise InvalidFile(f"{path} holds scores of shape {array.shape}; allowed: [..., T, E], none of them 0")
    if array.dtype.kind not in "fiu":
        raise InvalidFile(f"{path} holds scores of type {array.dtype}; allowed: floats or integers")
    if "logits" not in arrays:
        return array
    gate = _scalar(path, arrays, "gate", None)
    if gate not in GATES:
        raise InvalidFile(f"{path} has logits with gate {gate!r}; allowed: {', '.join(GATES)}")
    if not np.isfinite(array).all():
        raise InvalidFile(f"{path} holds logits that are not finite")
    return apply_gate(array, gate)


def _top_k(path: str | PathLike[str], arrays: dict[str, Any], given: int | None) -> int:
    value = _scalar(path, arrays, "top_k", None) if given is None else given
    if value is None:
        raise InvalidFile(f"{path} does not say top_k; give it with --top-k or as the key 'top_k'")
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidFile(f"{path} has top_k {value!r}; allowed: a whole number")
    return value


def _scalar(path: str | PathLike[str], arrays: dict[str, Any], key: str, default: Any) -> Any:
    if key not in arrays:
        return default
    array = np.asarray(arrays[key])
    if array.size != 1:
        raise InvalidFile(f"{path} has {key} of shape {array.shape}; allowed: a single value")
    return array.item()
