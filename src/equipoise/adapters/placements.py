"""What a framework's placer returned, read and held to its own word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError

Integers = npt.NDArray[np.int64]
ToTensor = Callable[[npt.NDArray[Any]], Any]
"""Turns a NumPy array into what the balancer takes: ``torch.from_numpy``, or ``as_given`` for NumPy itself."""


def as_given(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array itself."""
    return array


def read_integers(returned: Any, name: str, shape: tuple[int | None, ...]) -> Integers:
    """Return an array of whole numbers of ``shape`` (None: any length).

    Raises
    ------
    TargetError
        If it is anything else; float indices are a defect seen in the wild (vllm PR 18343).
    """
    try:
        array = as_numpy(returned, name)
    except InvalidProblem as error:
        raise TargetError(f"the placer returned {name} that is {error.given}") from error
    fits = array.ndim == len(shape) and all(w in (None, h) for w, h in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in "iu" or not fits:
        wanted = "[" + ", ".join("any" if length is None else str(length) for length in shape) + "]"
        raise TargetError(
            f"the placer returned {name} {array.dtype} of shape {array.shape}; allowed: integers {wanted}"
        )
    return array.astype(np.int64)


def read_placement(returned: Any, layers: int, experts: int, slots: int) -> Integers:
    """Return ``physical_to_logical[L, P]`` from phy2log alone or from ``(phy2log, log2phy, logcnt)``.

    Raises
    ------
    TargetError
        If experts do not exist or are placed nowhere, or the three tables do not say the same.
    """
    if returned is None:
        raise TargetError("the placer returned None; allowed: phy2log, or phy2log, log2phy and logcnt")
    tables = returned if isinstance(returned, tuple | list) else (returned,)
    if len(tables) not in (1, 3):
        raise TargetError(f"the placer returned {len(tables)} tables; allowed: phy2log, or phy2log, log2phy and logcnt")
    placed = read_integers(tables[0], "phy2log", (layers, slots))
    if placed.min() < -1 or placed.max() >= experts:
        raise TargetError(f"phy2log names experts {placed.min()} to {placed.max()}; allowed: 0 to {experts - 1}, or -1")
    counts = np.stack([np.bincount(layer[layer >= 0], minlength=experts) for layer in placed])
    if (counts == 0).any():
        layer, expert = np.argwhere(counts == 0)[0].tolist()
        raise TargetError(f"phy2log places expert {expert} of layer {layer} nowhere")
    if len(tables) == 3:
        _agree(placed, counts, tables[1], tables[2])
    return placed


def _agree(placed: Integers, counts: Integers, log2phy: Any, logcnt: Any) -> None:
    layers, experts = counts.shape
    if (read_integers(logcnt, "logcnt", (layers, experts)) != counts).any():
        raise TargetError("logcnt is not how often phy2log names each expert")
    replicas = read_integers(log2phy, "log2phy", (layers, experts, None))
    for layer, expert in np.ndindex(layers, experts):
        slots = replicas[layer, expert]
        if sorted(slots[slots >= 0].tolist()) != np.flatnonzero(placed[layer] == expert).tolist():
            raise TargetError(f"log2phy and phy2log differ on expert {expert} of layer {layer}")
