"""What a balancer looks like: plain callables, and what they return.

A *router* is called as ``router(scores[T,E], top_k)`` and returns a :class:`Routing` or just its experts: an array
``[T, K]`` of expert indices (-1 = dropped) or a boolean mask ``[T, E]``. A router that keeps state between calls is an
object with ``reset()``; one that adds biases to the scores shows them as ``.bias`` (``[E]``).

A *scheduler* splits the load of experts over the devices that host them; a *placer* puts experts into slots; a
*predictor* says what the loads of the next steps will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError

_MOST = 1 << 53
"""No scheduler is given as many tokens."""


class Router(Protocol):
    """Chooses K of E experts for every token."""

    def __call__(self, scores: npt.NDArray[Any], top_k: int, /) -> Any:
        """Return a :class:`Routing`, expert indices ``[T, K]`` or a mask ``[T, E]``."""


class Scheduler(Protocol):
    """Splits tokens over the replicas of their experts."""

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_], /) -> Any:
        """Return ``split[E, G]`` for ``load[E]``, or ``flows[G, E, G]`` for ``load[G, E]``; ``hosts`` is ``[E, G]``."""


class Placer(Protocol):
    """Puts experts into the slots of devices."""

    def __call__(
        self, load: npt.NDArray[Any], num_slots: int, num_groups: int, num_nodes: int, num_devices: int, /
    ) -> Any:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``; slot p lies on device ``p // (P / G)``."""


class Predictor(Protocol):
    """Forecasts the load of every expert."""

    def __call__(self, history: npt.NDArray[Any], horizon: int, /) -> Any:
        """Return ``forecast[horizon, E]``, in the unit of ``history[S, E]``; the last row of the history is now."""


@runtime_checkable
class Trainable(Protocol):
    """A predictor that learns from a run before it is asked about another."""

    def train(self, series: Sequence[npt.NDArray[Any]], /) -> None:
        """Learn from the series ``[S, E]`` of one run, one a layer; what was learnt before is forgotten."""


@runtime_checkable
class Stateful(Protocol):
    """A balancer that remembers earlier calls."""

    def reset(self) -> None:
        """Forget everything."""


@dataclass(frozen=True, eq=False)
class Routing:
    """Who goes where.

    Attributes
    ----------
    chosen
        ``[T, K]`` expert indices, -1 for none, or a boolean mask ``[T, E]``.
    weights
        Gate weights in the same shape, if the router makes them.
    """

    chosen: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None = None


def routing_mask(returned: Any, tokens: int, experts: int, top_k: int) -> npt.NDArray[np.bool_]:
    """Return what a router returned as a mask ``[T, E]``.

    Accepts a :class:`Routing`, an array, or a tuple whose first item is one (indices, weights).

    Raises
    ------
    TargetError
        If it is no routing of these tokens: wrong shape or type, an expert that does not exist, one chosen twice.
    """
    if isinstance(returned, Routing):
        returned = returned.chosen
    elif isinstance(returned, tuple) and returned:
        returned = returned[0]
    if returned is None:
        raise TargetError("the router returned None; allowed: an array of expert indices or a mask")
    try:
        chosen = as_numpy(returned, "the routing")
    except InvalidProblem as error:
        raise TargetError(
            f"the router returned {error.given}; allowed: an array of expert indices or a mask"
        ) from error
    if chosen.dtype == np.bool_ and chosen.shape == (tokens, experts):
        return chosen
    if chosen.dtype.kind not in "iu" or chosen.shape != (tokens, top_k):
        allowed = f"integers of shape {(tokens, top_k)} or booleans of shape {(tokens, experts)}"
        raise TargetError(f"the router returned {chosen.dtype} of shape {chosen.shape}; allowed: {allowed}")
    if chosen.size and (int(chosen.min()) < -1 or int(chosen.max()) >= experts):
        worst = int(chosen.max()) if int(chosen.max()) >= experts else int(chosen.min())
        raise TargetError(f"the router chose expert {worst}; allowed: 0 to {experts - 1}, or -1 for none")
    mask = np.zeros((tokens, experts), bool)
    token, place = np.nonzero(chosen >= 0)
    mask[token, chosen[token, place]] = True
    if int(mask.sum()) != len(token):
        row = int(np.argmax(mask.sum(axis=1) != (chosen >= 0).sum(axis=1)))
        raise TargetError(f"the router chose an expert twice for token {row}: {chosen[row].tolist()}")
    return mask


@dataclass(frozen=True, eq=False)
class Schedule:
    """Who serves what: ``split[E, G]`` tokens, and ``flows[G, E, G]`` by source device if the scheduler says them."""

    split: npt.NDArray[np.int64]
    flows: npt.NDArray[np.int64] | None = None


def read_schedule(returned: Any, load: npt.NDArray[np.int64], hosts: npt.NDArray[np.bool_]) -> Schedule:
    """Return what a scheduler returned for ``load[E]`` or ``load[G, E]``: a split, or flows for the latter.

    Raises
    ------
    TargetError
        If it does not serve exactly these tokens: wrong shape, parts of tokens, tokens lost, made up or not hosted.
    """
    served = served_tokens(returned, load, hosts)
    if (fault := schedule_fault(served, load, hosts)) is not None:
        raise TargetError(f"the scheduler {fault[1]}")
    served = served.astype(np.int64)
    return Schedule(served, None) if served.ndim == 2 else Schedule(served.sum(axis=0), served)


def served_tokens(returned: Any, load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return what a scheduler returned as numbers ``[E, G]``, or ``[G, E, G]`` if the load is by source.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    try:
        served = as_numpy(returned, "the schedule")
    except InvalidProblem as error:
        raise TargetError(f"the scheduler returned {error.given}; allowed: whole numbers of tokens") from error
    shapes = [hosts.shape] if load.ndim == 1 else [hosts.shape, (len(load), *hosts.shape)]
    if served.dtype.kind not in "iuf" or served.shape not in shapes:
        allowed = " or ".join(map(str, shapes))
        raise TargetError(
            f"the scheduler returned {served.dtype} of shape {served.shape}; allowed: tokens of {allowed}"
        )
    return served


Fault = Literal["parts of tokens", "negative", "not hosted", "lost or made up"]


def schedule_fault(
    served: npt.NDArray[Any], load: npt.NDArray[Any], hosts: npt.NDArray[np.bool_]
) -> tuple[Fault, str] | None:
    """Return the first thing that keeps ``served`` from being a schedule of these tokens, and what to say of it."""
    if (parts := ~np.isfinite(served) | (served != np.floor(served))).any():
        *_, expert, device = where = tuple(np.argwhere(parts)[0].tolist())
        return "parts of tokens", f"serves parts of tokens: {served[where]:g} of expert {expert} on device {device}"
    whole = (served.clip(-_MOST, _MOST) if served.dtype.kind == "f" else served).astype(np.int64)
    if (whole < 0).any():
        *_, expert, device = where = tuple(np.argwhere(whole < 0)[0].tolist())
        return "negative", f"serves {whole[where]} tokens of expert {expert} on device {device}"
    split = whole if whole.ndim == 2 else whole.sum(axis=0)
    if (split[~hosts] > 0).any():
        expert, device = np.argwhere((split > 0) & ~hosts)[0].tolist()
        return "not hosted", f"serves expert {expert} on device {device}, which does not host it"
    total = load if whole.ndim == 3 or load.ndim == 1 else load.sum(axis=0)
    if (wrong := whole.sum(axis=-1) != total).any():
        *source, expert = where = tuple(np.argwhere(wrong)[0].tolist())
        start = f" that start on device {source[0]}" if source else ""
        return (
            "lost or made up",
            f"serves {whole.sum(axis=-1)[where]} of the {total[where]} tokens of expert {expert}{start}",
        )
    return None


def read_forecast(returned: Any, experts: int, horizon: int) -> npt.NDArray[np.float64]:
    """Return what a predictor returned as ``[horizon, E]``.

    Raises
    ------
    TargetError
        If it is no forecast of these experts: wrong shape or type, not finite, or negative.
    """
    try:
        forecast = as_numpy(returned, "the forecast")
    except InvalidProblem as error:
        raise TargetError(f"the predictor returned {error.given}; allowed: loads [horizon, E]") from error
    if forecast.dtype.kind not in "iuf" or forecast.shape != (horizon, experts):
        given = f"{forecast.dtype} of shape {forecast.shape}"
        raise TargetError(f"the predictor returned {given}; allowed: loads of shape {(horizon, experts)}")
    loads = forecast.astype(np.float64)
    if (bad := ~(loads >= 0) | ~np.isfinite(loads)).any():
        step, expert = np.argwhere(bad)[0].tolist()
        what = f"a load of {loads[step, expert]} for expert {expert} in step {step} of the forecast"
        raise TargetError(f"the predictor returned {what}; allowed: finite numbers, 0 or more")
    return loads
