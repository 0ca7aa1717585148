"""An assignment problem whose scores are a tensor, and its grid integers, made on the tensor's device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem
from equipoise.grid import Grid, GridRows, grid_from
from equipoise.problems import AssignmentProblem

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
ON_HOST, ON_DEVICE = 1 << 18, 1 << 25
"""Scores that are looked at together: what stays in a processor's cache, and what keeps a device busy."""


class TensorProblem(AssignmentProblem):
    """An :class:`equipoise.AssignmentProblem` whose scores are a torch tensor, on any device.

    All of the package takes it. What asks for ``scores`` or for rows of the grid gets a copy on the host; what
    :func:`equipoise.torch.solve` does needs neither.

    Parameters
    ----------
    scores
        Tensor, shape (T, E), finite, of a floating-point or an integer type (not uint64, nor a wider one).
    top_k, capacity, drop, mask
        As in :class:`equipoise.AssignmentProblem`.

    Raises
    ------
    InvalidProblem
        As there.
    """

    tensor: torch.Tensor

    def __init__(
        self,
        scores: torch.Tensor,
        top_k: int,
        capacity: npt.ArrayLike | None = None,
        drop: bool = False,
        mask: npt.ArrayLike | None = None,
    ) -> None:
        object.__setattr__(self, "tensor", _checked(scores))
        self._state(top_k, capacity, drop, mask)

    @cached_property
    def scores(self) -> npt.NDArray[Any]:
        """``[T, E]`` on the host: copied when it is first asked for."""
        array = as_numpy(self.tensor, "scores").view()
        array.flags.writeable = False
        return array

    @property
    def shape(self) -> tuple[int, int]:
        """``(T, E)``."""
        return self.tensor.shape[0], self.tensor.shape[1]

    @property
    def dtype(self) -> str:
        """Type of the scores."""
        return str(self.tensor.dtype)

    @cached_property
    def grid(self) -> Grid:
        """Scores as integers, the same ones as of a copy on the host."""
        low, high = self.tensor.min().item(), self.tensor.max().item()
        exponent, error = grid_from(low, high, self.num_experts, _exact_exponent(self.tensor))
        return Grid(TensorRows(self.tensor, exponent), exponent, error)

    def with_capacity(self, capacity: npt.ArrayLike | None, *, drop: bool | None = None) -> TensorProblem:
        """Return the same tokens under other capacities (and, if given, the other form)."""
        return TensorProblem(self.tensor, self.top_k, capacity, self.drop if drop is None else drop, self.mask)


@dataclass(frozen=True)
class TensorRows(GridRows):
    """Grid integers of a tensor, on the host where rows are asked for, on its device otherwise."""

    scores: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """``(T, E)``."""
        return tuple(self.scores.shape)

    @property
    def nbytes(self) -> int:
        """Of all rows."""
        return 8 * int(self.scores.numel())

    def __getitem__(self, rows: Any) -> npt.NDArray[np.int64]:
        values: npt.NDArray[np.int64] = on_grid(self.scores[rows], self.exponent).cpu().numpy()
        values.flags.writeable = False
        return values


def on_grid(scores: torch.Tensor, exponent: int) -> torch.Tensor:
    """Return ``round(scores * 2**exponent)`` as int64, as :func:`equipoise.grid.to_grid` does."""
    if scores.dtype in FLOATS:
        half = exponent // 2  # in two steps, since 2**exponent alone may not be a float
        return (scores.double() * 2.0**half * 2.0 ** (exponent - half)).round_().long()
    values = scores.long()
    if exponent >= 0:
        return values << exponent
    return (values >> -exponent) + ((values >> (-exponent - 1)) & 1)


def blocks(tensor: torch.Tensor) -> Iterator[slice]:
    """Slices of rows of a ``[T, E]`` tensor that are worked on together."""
    rows = max(1, (ON_HOST if tensor.device.type == "cpu" else ON_DEVICE) // tensor.shape[1])
    for start in range(0, len(tensor), rows):
        yield slice(start, min(len(tensor), start + rows))


def total(values: torch.Tensor) -> int:
    """Exact sum of up to ``2**31`` int64 numbers: high and low halves apart."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _checked(scores: Any) -> torch.Tensor:
    if not isinstance(scores, torch.Tensor):
        allowed = "a torch tensor; equipoise.AssignmentProblem takes other arrays"
        raise InvalidProblem("scores", f"of type {type(scores).__name__}", allowed)
    if scores.dtype not in FLOATS + INTEGERS or scores.layout is not torch.strided:
        given = f"of type {scores.dtype}, {scores.layout}"
        raise InvalidProblem("scores", given, "float16, bfloat16, float32, float64 or integers, dense")
    if scores.ndim != 2:
        raise InvalidProblem("scores", f"of shape {tuple(scores.shape)}", "two dimensions [T, E]")
    if not scores.numel():
        raise InvalidProblem("scores", f"empty (shape {tuple(scores.shape)})", "at least one token and one expert")
    scores = scores.detach()
    for rows in blocks(scores) if scores.dtype in FLOATS else ():
        bad = ~torch.isfinite(scores[rows])
        if bool(bad.any()):
            token, expert = torch.nonzero(bad)[0].tolist()
            value = scores[rows.start + token, expert].item()
            place = f"token {rows.start + token}, expert {expert}"
            raise InvalidProblem("scores", f"{value} at {place}", "finite numbers")
    return scores


def _exact_exponent(scores: torch.Tensor) -> int:
    """Smallest ``g`` at which every float score times ``2**g`` is an integer; 0 for integers."""
    if scores.dtype not in FLOATS:
        return 0
    wide, word, mantissa = torch.float32, torch.int32, 23
    if scores.dtype == torch.float64:
        wide, word, mantissa = torch.float64, torch.int64, 52
    last_bit = math.inf
    for rows in blocks(scores):
        magnitude = scores[rows].to(wide).abs()
        bits = magnitude.view(word)
        without_last = (bits & (bits - 1)).view(wide)
        power = (bits & (2**mantissa - 1)) == 0
        step = torch.where(power, magnitude, magnitude - without_last)
        step = torch.where(magnitude == 0, math.inf, step)
        last_bit = min(last_bit, step.min().item())
    return 0 if math.isinf(last_bit) else 1 - math.frexp(last_bit)[1]
