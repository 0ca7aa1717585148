"""How the predictor checks look at a predictor: made afresh, its forecast, or a failure that says why it is none."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import PredictorCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import family
from equipoise.errors import TargetError
from equipoise.isolation.host import Reply
from equipoise.isolation.misbehaviour import Misbehaviour
from equipoise.isolation.subject import Subject
from equipoise.roles import read_forecast

Reals = npt.NDArray[np.float64]

horizons = st.integers(1, 6)


@family()
def any_history() -> st.SearchStrategy[PredictorCase]:
    """A few steps of any loads."""
    return st.builds(PredictorCase, strategies.load_histories(), horizons)


def fresh(subject: Subject, history: npt.NDArray[Any]) -> None:
    """Make the predictor anew; one that learns is trained on a run with as many experts whose shares stay."""
    subject.fresh()
    if "has train" in subject.capabilities:
        subject.train([_lesson(history.shape[1])])


@cache
def _lesson(experts: int) -> npt.NDArray[np.int64]:
    """``[200, E]`` draws around the same shares; the generator is NumPy's frozen one."""
    random = np.random.RandomState(experts)
    return random.multinomial(1000, random.dirichlet(np.ones(experts)), 200)


def forecast(subject: Subject, history: npt.NDArray[Any], horizon: int) -> Reals:
    """Call the predictor; raise :class:`Misbehaviour` if its answer is no forecast of these experts."""
    return read(subject.call(history, horizon), history, horizon)


def read(reply: Reply, history: npt.NDArray[Any], horizon: int) -> Reals:
    """Return an answer as ``[horizon, E]``; raise :class:`Misbehaviour` if it is none."""
    try:
        return read_forecast(reply.value, history.shape[1], horizon)
    except TargetError as error:
        raise Misbehaviour("gives no forecast", str(error).replace("the predictor", "it")) from error


def compare(given: Reals, wanted: Reals, history: npt.NDArray[Any], when: str) -> None:
    """Fail at the first load that is off by more than a millionth of the largest load seen."""
    bound = 1e-6 * max(1.0, float(np.abs(history).max(initial=0)))
    off = np.abs(given - wanted) > bound
    if off.any():
        step, expert = np.argwhere(off)[0].tolist()
        numbers = f"{given[step, expert]:.6g}, not {wanted[step, expert]:.6g}"
        raise Failure(f"{when}, the load of expert {expert} in step {step} is {numbers}", better=wanted.tolist())
