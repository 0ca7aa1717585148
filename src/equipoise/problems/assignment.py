"""Expert assignment: every token to K of E experts."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, frozen
from equipoise.errors import InvalidProblem
from equipoise.grid import Grid, grid_of

_LARGEST_CAPACITY = 2**53


@dataclass(frozen=True, eq=False, init=False)
class AssignmentProblem:
    r"""Send every token to K of E experts, within capacities, at the highest total score.

    .. math:: \max \sum_{t,e} s_{te} x_{te}, \quad \sum_e x_{te} = K, \quad \sum_t x_{te} \le c_e, \quad
              x_{te} \in \{0, 1\}

    Parameters
    ----------
    scores
        Array-like, shape (T, E), finite: float16, bfloat16, float32, float64 or integers, from NumPy or any library
        with DLPack or ``__array__``. Higher is better.
    top_k
        K, experts per token, ``1 <= K <= E``.
    capacity
        Tokens an expert can take, one number or array-like, shape (E,). Default: ``ceil(T * K / E)``, T real tokens.
    drop
        If true, a token takes at most K experts (the form that BIP states and that capacity-factor dropping solves).
    mask
        Array-like, shape (T,): true for a real token, false for padding, which is sent nowhere and counts nowhere.

    Raises
    ------
    InvalidProblem
        Naming the argument, what was given and what is allowed; also when the capacities cannot hold all tokens
        (``sum_e min(c_e, T) < T * K``), with the shortage.
    """

    scores: npt.NDArray[Any]
    top_k: int
    capacity: npt.NDArray[np.int64]
    drop: bool
    mask: npt.NDArray[np.bool_] | None

    def __init__(
        self,
        scores: npt.ArrayLike,
        top_k: int,
        capacity: npt.ArrayLike | None = None,
        drop: bool = False,
        mask: npt.ArrayLike | None = None,
    ) -> None:
        _set(self, "scores", _scores(scores))
        self._state(top_k, capacity, drop, mask)

    def _state(self, top_k: int, capacity: npt.ArrayLike | None, drop: bool, mask: npt.ArrayLike | None) -> None:
        """Check and set all but the scores."""
        experts = self.num_experts
        _set(self, "top_k", _whole("top_k", top_k, 1, experts, f"1 to E={experts}"))
        if not isinstance(drop, bool | np.bool_):
            raise InvalidProblem("drop", _brief(drop), "True or False")
        _set(self, "drop", bool(drop))
        _set(self, "mask", _mask(mask, self.num_tokens))
        _set(self, "capacity", self._capacity(capacity))
        if not self.drop and self.shortage > 0:
            raise InvalidProblem(
                "capacity",
                f"too small by {self.shortage}: the experts hold {self.demand - self.shortage} of "
                f"{self.demand} assignments (an expert holds a token at most once)",
                "sum of min(capacity, T) >= T*K, or drop=True",
            )

    @classmethod
    def floor_capacity(cls, scores: npt.ArrayLike, top_k: int, mask: npt.ArrayLike | None = None) -> Self:
        """Return BIP's literal reading (arXiv 2502.15451): at most K experts, capacity ``floor(T * K / E)``.

        Where ``T * K / E`` is not an integer, some tokens get fewer than K experts.
        """
        whole = cls(scores, top_k, mask=mask)
        return cls(scores, top_k, whole.demand // whole.num_experts, drop=True, mask=whole.mask)

    def with_capacity(self, capacity: npt.ArrayLike | None, *, drop: bool | None = None) -> Self:
        """Return the same tokens under other capacities (and, if given, the other form)."""
        other = type(self)(self.scores, self.top_k, capacity, self.drop if drop is None else drop, self.mask)
        other.__dict__["grid"] = self.grid
        return other

    @property
    def shape(self) -> tuple[int, int]:
        """``(T, E)``, padding included."""
        return self.scores.shape[0], self.scores.shape[1]

    @property
    def num_tokens(self) -> int:
        """T, padding included."""
        return self.shape[0]

    @property
    def num_experts(self) -> int:
        """E."""
        return self.shape[1]

    @property
    def dtype(self) -> str:
        """Type of the scores."""
        return str(self.scores.dtype)

    @cached_property
    def tokens(self) -> npt.NDArray[np.intp]:
        """Indices of the real tokens."""
        return np.arange(self.num_tokens) if self.mask is None else np.flatnonzero(self.mask)

    @property
    def demand(self) -> int:
        """T * K over real tokens."""
        return len(self.tokens) * self.top_k

    @property
    def shortage(self) -> int:
        """Assignments for which there is no room, ``max(0, T*K - sum_e min(c_e, T))``; closed form."""
        room = sum(min(int(limit), len(self.tokens)) for limit in self.capacity)
        return max(0, self.demand - room)

    @cached_property
    def grid(self) -> Grid:
        """Scores as integers; see :mod:`equipoise.grid`."""
        return grid_of(self.scores)

    @cached_property
    def real_values(self) -> npt.NDArray[np.int64]:
        """Grid integers of the real tokens alone, ``[len(tokens), E]``: what the engines work on."""
        return self.grid.values if self.mask is None else self.grid.values[self.tokens]

    @property
    def rounding(self) -> Fraction:
        """Most that the score of an answer can lose to the grid."""
        return self.demand * self.grid.error

    @property
    def size(self) -> int:
        """Number of unknowns x[t, e]."""
        return len(self.tokens) * self.num_experts

    def __repr__(self) -> str:
        limits = sorted({int(limit) for limit in self.capacity})
        text = str(limits[0]) if len(limits) == 1 else f"{limits[0]}..{limits[-1]}"
        extra = ", drop=True" * self.drop + (f", {len(self.tokens)} real" if self.mask is not None else "")
        shape = f"T={self.num_tokens}, E={self.num_experts}, K={self.top_k}"
        return f"{type(self).__name__}({shape}, {self.dtype}, capacity={text}{extra})"

    def _capacity(self, given: Any) -> npt.NDArray[np.int64]:
        experts = self.num_experts
        if given is None:
            return frozen(np.full(experts, -(-self.demand // experts), np.int64))
        array = as_numpy(given, "capacity")
        if array.dtype.kind not in "iu":
            raise InvalidProblem("capacity", f"of type {array.dtype}", "whole numbers")
        if array.shape not in ((), (experts,)):
            raise InvalidProblem("capacity", f"of shape {array.shape}", f"one number or shape ({experts},)")
        for where, bad in (("negative", array < 0), ("too large", array > _LARGEST_CAPACITY)):
            if bad.any():
                worst = int(np.atleast_1d(array)[np.atleast_1d(bad)][0])
                place = f" at expert {int(np.argmax(bad))}" if array.ndim else ""
                raise InvalidProblem("capacity", f"{where} ({worst}{place})", f"0 to 2^53={_LARGEST_CAPACITY}")
        return frozen(np.broadcast_to(array.astype(np.int64), (experts,)))


def _set(problem: AssignmentProblem, name: str, value: Any) -> None:
    object.__setattr__(problem, name, value)


def _scores(given: Any) -> npt.NDArray[Any]:
    array = as_numpy(given, "scores")
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise InvalidProblem("scores", f"of type {array.dtype}", "float16, bfloat16, float32, float64 or integers")
    if array.ndim != 2:
        raise InvalidProblem("scores", f"of shape {array.shape}", "two dimensions [T, E]")
    if not array.size:
        raise InvalidProblem("scores", f"empty (shape {array.shape})", "at least one token and one expert")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        token, expert = np.argwhere(~np.isfinite(array))[0]
        raise InvalidProblem("scores", f"{array[token, expert]} at token {token}, expert {expert}", "finite numbers")
    return frozen(array)


def _mask(given: Any, tokens: int) -> npt.NDArray[np.bool_] | None:
    if given is None:
        return None
    array = as_numpy(given, "mask")
    if array.dtype != np.bool_ or array.shape != (tokens,):
        raise InvalidProblem("mask", f"{array.dtype} of shape {array.shape}", f"booleans of shape ({tokens},)")
    if not array.any():
        raise InvalidProblem("mask", "false everywhere", "at least one real token")
    return frozen(array)


def _whole(field: str, given: Any, low: int, high: int, allowed: str) -> int:
    try:
        number = operator.index(given)
    except TypeError:
        number = low - 1
    if isinstance(given, bool | np.bool_) or not low <= number <= high:
        raise InvalidProblem(field, _brief(given), f"a whole number, {allowed}")
    return number


def _brief(given: Any) -> str:
    return " ".join(repr(given).split())[:80]
