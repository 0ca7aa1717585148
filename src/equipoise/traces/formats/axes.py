"""Names of axes: said by the caller where a file does not, and never guessed where two readings are possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem

SCORES = ("steps", "layers", "tokens", "experts")
COUNTS = ("steps", "layers", "experts")
IDS = ("steps", "layers", "tokens", "k")

FAR_ABOVE = 4
"""Layers for every token from which on a reading is doubted (our choice): models have tens of layers."""


def named(text: str | None) -> tuple[str, ...] | None:
    """Return the names in "tokens,layers,k".

    Raises
    ------
    InvalidProblem
        If they are none of steps, layers, tokens with k or experts at the end, or one stands twice.
    """
    if text is None:
        return None
    names = tuple(name.strip().lower() for name in text.split(","))
    known = {*SCORES, *IDS}
    if not set(names) <= known or len(set(names)) < len(names) or not {"k", "experts"} & set(names):
        allowed = "some of steps, layers, tokens, and k or experts, as in tokens,layers,k"
        raise InvalidProblem("--axes", repr(text), allowed)
    return names


def arranged(
    array: npt.NDArray[Any], field: str, names: tuple[str, ...], order: tuple[str, ...], needed: int
) -> npt.NDArray[Any]:
    """Return an array whose axes have these names with its axes in ``order``; axes that it lacks have length 1.

    The last ``needed`` names of the order must be there.

    Raises
    ------
    InvalidProblem
        If the array has not as many axes, or they are not axes of such data.
    """
    if not set(order[-needed:]) <= set(names) <= set(order):
        raise InvalidProblem("--axes", ",".join(names), f"of {field}: {', '.join(order)}, of which the last are needed")
    if array.ndim != len(names):
        raise InvalidProblem(field, f"of shape {array.shape}", f"as many axes as --axes {','.join(names)} names")
    found = np.transpose(array, [names.index(name) for name in order if name in names])
    shape = iter(found.shape)
    return found.reshape([next(shape) if name in names else 1 for name in order])


def arranged_ids(array: npt.NDArray[Any], field: str, axes: str | None, default: tuple[str, ...]) -> npt.NDArray[Any]:
    """Return ids of experts as ``[S, L, T, K]``; where layers would be far more than tokens, the axes must be said."""
    names = named(axes)
    if names is not None:
        return arranged(array, field, names, IDS, 2)
    if not len(default) - 1 <= array.ndim <= len(default) or not array.size:
        shapes = " or ".join(f"[{', '.join(default[skip:])}]" for skip in (1, 0))
        raise InvalidProblem(field, f"of shape {array.shape}", f"{shapes}, none of them 0")
    given = default[-array.ndim :]
    found = arranged(array, field, given, IDS, 2)
    layers, tokens = found.shape[1:3]
    if layers > FAR_ABOVE * tokens:
        other = ",".join({"layers": "tokens", "tokens": "layers"}.get(name, name) for name in given)
        what = f"of shape {array.shape}: {layers} layers of {tokens} tokens, or {tokens} layers of {layers} tokens"
        raise InvalidProblem(field, what, f"with --axes {','.join(given)} or --axes {other}")
    return found
