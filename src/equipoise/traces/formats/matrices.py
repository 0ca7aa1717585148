"""Score matrices: ``scores``, or ``logits`` with a ``gate``, ``[..., T, E]``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem
from equipoise.traces.formats import axes
from equipoise.traces.formats.source import Asked, Source
from equipoise.traces.instance import GATES, Instance, ScoreTrace, apply_gate

KEYS = ("scores", "logits", "gate", "top_k", "capacity", "drop", "mask")


def fits(source: Source) -> bool:
    """Return whether the file has scores or logits."""
    return source.container in ("npy", "npz", "json") and bool({"scores", "logits"} & set(source.content))


def read(source: Source, asked: Asked) -> ScoreTrace:
    """Return one instance for every matrix; the first leading axis is time, the others are sequences."""
    scores, warnings = matrix(source, asked)
    top_k = whole(source.content, "top_k", asked.top_k)
    if top_k is None:
        raise InvalidProblem("top_k", "not said", "--top-k, or the key 'top_k'")
    names = [".".join(map(str, index)) or "0" for index in np.ndindex(scores.shape[:-2])]
    sequences = [".".join(map(str, index[1:])) for index in np.ndindex(scores.shape[:-2])]
    batches = scores.reshape(-1, *scores.shape[-2:])
    found = [Instance(n, batch, top_k, s) for n, batch, s in zip(names, batches, sequences, strict=True)]
    return ScoreTrace(tuple(found), warnings)


def matrix(source: Source, asked: Asked) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Return the scores after the gate, and what looks wrong about them."""
    content = source.content
    unknown = sorted(set(content) - set(KEYS))
    if unknown:
        raise InvalidProblem("the file", f"with the key {unknown[0]!r}", ", ".join(KEYS))
    if ("scores" in content) == ("logits" in content):
        raise InvalidProblem("the file", "with both 'scores' and 'logits'", "one of the two")
    key = "scores" if "scores" in content else "logits"
    array = as_numpy(content[key], key)
    names = axes.named(asked.axes)
    if names is not None:
        array = axes.arranged(array, key, names, axes.SCORES, 2)
    if array.ndim < 2 or not array.size:
        raise InvalidProblem(key, f"of shape {array.shape}", "[..., T, E], none of them 0")
    if array.dtype.kind not in "fiu":
        raise InvalidProblem(key, f"of type {array.dtype}", "floats or integers")
    said = single(content, "gate", None)
    if asked.gate is None and key == "scores":
        return array, () if said is not None else sign_warnings(array)
    return gated(array, asked.gate if asked.gate is not None else said), ()


def gated(logits: npt.NDArray[Any], gate: Any) -> npt.NDArray[Any]:
    """Return scores from logits, after the gate was looked at.

    Raises
    ------
    InvalidProblem
        If it is not said or unknown, or a logit is not finite.
    """
    if gate is None:
        raise InvalidProblem("the gate", "not said beside logits", f"--gate {', '.join(GATES)}")
    if gate not in GATES:
        raise InvalidProblem("the gate", repr(gate), ", ".join(GATES))
    if not np.isfinite(logits).all():
        raise InvalidProblem("logits", "not finite", "finite numbers")
    return apply_gate(logits, gate)


def sign_warnings(scores: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return a warning if scores that no gate is known of are negative: no gate gives such scores."""
    least = scores.min()
    if not least < 0:
        return ()
    ask = "--gate softmax, sigmoid or sqrtsoftplus (or none, if they are meant as they are)"
    return (f"scores go down to {least:.4g}: if they are logits, say which gate makes scores of them, with {ask}",)


def whole(content: dict[str, Any], key: str, given: int | None) -> int | None:
    """Return a whole number of the file, or the caller's; None if neither says it."""
    value = single(content, key, None) if given is None else given
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InvalidProblem(key, repr(value), "a whole number")
    return value


def single(content: dict[str, Any], key: str, default: Any) -> Any:
    """Return the one value under a key."""
    if key not in content:
        return default
    array = as_numpy(content[key], key) if not isinstance(content[key], str) else np.asarray(content[key])
    if array.size != 1:
        raise InvalidProblem(key, f"of shape {array.shape}", "a single value")
    return array.item()
