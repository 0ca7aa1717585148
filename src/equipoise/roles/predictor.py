"""Predictors: what the load of every expert will be.

A *predictor* is called as ``predictor(history[S, E], horizon)`` and returns ``forecast[horizon, E]``. One that learns
from a run before it is asked about another has ``train(series)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.prediction.catalogue import PREDICTORS
from equipoise.roles.role import BY_NAME, RANDOM, STATEFUL, Case, Role, shown

NO_FORECAST = "gives no forecast"


class Predictor(Protocol):
    """Forecasts the load of every expert."""

    def __call__(self, history: npt.NDArray[Any], horizon: int, /) -> Any:
        """Return ``forecast[horizon, E]``, in the unit of ``history[S, E]``; the last row of the history is now."""


@runtime_checkable
class Trainable(Protocol):
    """A predictor that learns from a run before it is asked about another."""

    def train(self, series: Sequence[npt.NDArray[Any]], /) -> None:
        """Learn from the series ``[S, E]`` of one run, one a layer; what was learnt before is forgotten."""


def read_forecast(returned: Any, history: npt.NDArray[Any], horizon: int) -> npt.NDArray[np.float64]:
    """Return what a predictor returned for ``history[S, E]`` as ``[horizon, E]``.

    Raises
    ------
    TargetError
        If it is not a forecast of these experts: wrong shape or type, not finite, or negative.
    """
    wanted = (horizon, history.shape[1])
    try:
        forecast = as_numpy(returned, "the forecast")
    except InvalidProblem as error:
        raise TargetError(f"it returned {error.given}; allowed: loads [horizon, E]", NO_FORECAST) from error
    if forecast.dtype.kind not in "iuf" or forecast.shape != wanted:
        given = f"{forecast.dtype} of shape {forecast.shape}"
        raise TargetError(f"it returned {given}; allowed: loads of shape {wanted}", NO_FORECAST)
    loads = forecast.astype(np.float64)
    if (bad := ~(loads >= 0) | ~np.isfinite(loads)).any():
        step, expert = np.argwhere(bad)[0].tolist()
        what = f"a load of {loads[step, expert]} for expert {expert} in step {step} of the forecast"
        raise TargetError(f"it returned {what}; allowed: finite numbers, 0 or more", NO_FORECAST)
    return loads


@dataclass(frozen=True, eq=False)
class PredictorCase(Case):
    """Loads ``[S, E]`` of the steps so far, and how many steps to forecast."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"history": ("S", "E")}

    history: npt.NDArray[Any]
    horizon: int

    def calls(self) -> list[tuple[Any, ...]]:
        """Return the one call."""
        return [(self.history, self.horizon)]

    @property
    def valid(self) -> bool:
        """Whether there is something to forecast."""
        return self.horizon >= 1

    def __repr__(self) -> str:
        return f"horizon = {self.horizon}\n" + shown("history", self.history)


ROLE = Role(
    name="predictor",
    home=__name__,
    arguments=("history", "horizon"),
    answer="forecast",
    noun="forecast",
    read=read_forecast,
    case=PredictorCase,
    letters=("S", "E", "horizon"),
    shape=lambda history, horizon: [*history.shape, horizon],
    boundaries={
        "one step, one expert": PredictorCase(np.array([[4]]), 1),
        "one step": PredictorCase(np.array([[4, 0, 2]]), 3),
        "one expert": PredictorCase(np.array([[4], [5], [6]]), 2),
        "no load": PredictorCase(np.zeros((4, 3), np.int64), 2),
        "constant": PredictorCase(np.tile([5, 3, 1], (6, 1)), 4),
        "all load on one expert": PredictorCase(np.tile([0, 9, 0], (4, 1)), 1),
        "horizon beyond the history": PredictorCase(np.array([[4, 2], [3, 3]]), 20),
        "a jump": PredictorCase(np.array([[8, 0], [8, 0], [0, 8], [0, 8]]), 2),
    },
    must_take=("S >= 128 and horizon == 1",),
    declarations={
        "changes totals": "experts are forecast alone; the total may change",
        "smooths": "an expert without any token may get some",
        "seasonal": "it repeats what it saw some steps ago, also where there is no season",
        "depends on scale": "it knows thresholds or offsets in tokens",
        "direct": "another horizon, another model: a longer forecast need not begin with the shorter one",
        **BY_NAME,
        **STATEFUL,
        **RANDOM,
    },
    telltales=frozenset({"history", "horizon"}),
    catalogue=PREDICTORS,
)
