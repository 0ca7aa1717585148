"""The cases that predictors are tried on, and what the contract needs to know of predictors."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.balancers.balancer import Balancer
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import family
from equipoise.roles.predictor import PredictorCase
from equipoise.series import transient

STEPS, HORIZON = 128, 64
HORIZONS = st.integers(1, 6)

FAR = 64
"""Steps ahead from which a trend that nothing bounds has left what there is."""


@family()
def any_history() -> st.SearchStrategy[PredictorCase]:
    """A few steps of any loads."""
    return st.builds(PredictorCase, strategies.load_histories(), HORIZONS)


@family(lambda case: len(case.history) == 1)
def one_step() -> st.SearchStrategy[PredictorCase]:
    """S = 1."""
    return st.builds(PredictorCase, strategies.load_histories(steps=st.just(1)), HORIZONS)


@family(lambda case: not case.history.any())
def no_load() -> st.SearchStrategy[PredictorCase]:
    """No tokens at all."""
    return st.builds(PredictorCase, strategies.load_histories(loads=st.just(0)), HORIZONS)


@family(lambda case: len(case.history) > 1 and bool((np.diff(case.history, axis=0) <= 0).all()))
def falling() -> st.SearchStrategy[PredictorCase]:
    """Loads that fall step by step, and a horizon beyond the point where a line would cross zero."""
    falls = strategies.load_histories(steps=st.integers(2, 6)).map(lambda loads: -np.sort(-loads, axis=0))
    return st.builds(PredictorCase, falls, st.integers(2, 30))


@family(lambda case: len(case.history) > 0 and np.ptp(case.history.sum(axis=1)) == 0)
def equal_totals() -> st.SearchStrategy[PredictorCase]:
    """Every step has as many tokens."""
    return st.builds(PredictorCase, strategies.stationary_histories(), HORIZONS)


@family(lambda case: len(case.history) > 0 and bool((case.history == case.history[0]).all()))
def constant() -> st.SearchStrategy[PredictorCase]:
    """The same step again and again."""
    repeated = st.tuples(strategies.load_histories(steps=st.just(1)), st.integers(1, 12))
    return st.builds(PredictorCase, repeated.map(lambda pair: np.repeat(pair[0], pair[1], axis=0)), HORIZONS)


@family(lambda case: bool((~case.history.any(axis=0)).any() and case.history.any()))
def idle_expert() -> st.SearchStrategy[PredictorCase]:
    """The first expert never gets a token; others do."""

    def idle(case: PredictorCase) -> PredictorCase:
        loads = case.history.copy()
        loads[:, 0] = 0
        return PredictorCase(loads, case.horizon)

    cases: st.SearchStrategy[PredictorCase] = equal_totals()
    return cases.map(idle)


def trend(case: PredictorCase) -> tuple[int, int] | None:
    """Return the expert that falls at every step and the one that rises, where all others and the total stay."""
    if len(case.history) < 2:
        return None
    steps = np.diff(case.history.astype(np.float64), axis=0)
    falls, rises, stays = (np.flatnonzero(sign.all(axis=0)) for sign in (steps < 0, steps > 0, steps == 0))
    moves = len(falls) == len(rises) == 1 and len(stays) == steps.shape[1] - 2 and not steps.sum(axis=1).any()
    return (int(falls[0]), int(rises[0])) if moves else None


@family(lambda case: case.horizon > 1 and trend(case) is not None)
def trends() -> st.SearchStrategy[PredictorCase]:
    """One expert loses some tokens to another at every step; all others stay."""

    def build(steps: list[int], left: int, had: int, others: list[int], horizon: int) -> PredictorCase:
        moved = np.concatenate([[0], np.cumsum(steps)])
        moving = np.stack([left + moved[-1] - moved, had + moved], axis=1)
        return PredictorCase(np.hstack([moving, np.tile(others, (len(moved), 1)).astype(np.int64)]), horizon)

    tokens, stays = st.integers(0, 99), st.lists(st.integers(0, 99), max_size=3)
    steps = st.lists(st.integers(1, 30), min_size=1, max_size=11)
    return st.builds(build, steps, tokens, tokens, stays, st.integers(2, 30))


@family(
    lambda case: case.horizon >= FAR and bool(case.history.any()) and len(set(case.history.sum(axis=1).tolist())) == 1
)
def far_ahead() -> st.SearchStrategy[PredictorCase]:
    """Every step has as many tokens, their shares stay or move, and the horizon is far beyond the history."""
    still = strategies.stationary_histories(steps=st.integers(2, 12))
    histories = st.one_of(still, trends().map(lambda case: case.history))
    return st.builds(PredictorCase, histories, st.sampled_from((FAR, 2 * FAR)))


@family(lambda case: len(case.history) == 2)
def two_steps() -> st.SearchStrategy[PredictorCase]:
    """S = 2."""
    return st.builds(PredictorCase, strategies.load_histories(steps=st.just(2)), HORIZONS)


def _stationary(case: PredictorCase) -> bool:
    steps = case.history
    fits = case.horizon == HORIZON and len(steps) == STEPS + HORIZON and steps.dtype.kind in "iu"
    return bool(fits and np.ptp(steps.sum(axis=1)) == 0 and not transient(steps, tolerance=0.0)[-1])


@family(_stationary)
def stationary() -> st.SearchStrategy[PredictorCase]:
    """Draws around the same shares; the forecast of the last 64 steps is compared with them."""
    drawn = strategies.stationary_histories(steps=st.just(STEPS + HORIZON))
    return drawn.map(lambda history: PredictorCase(history, HORIZON)).filter(_stationary)


def prepare(balancer: Balancer, case: PredictorCase) -> None:
    """Train a fresh predictor that learns, on a run with as many experts whose shares stay."""
    if balancer.trainable:
        balancer.train([_lesson(case.history.shape[1])])


@cache
def _lesson(experts: int) -> npt.NDArray[np.int64]:
    """``[200, E]`` draws around the same shares; the generator is NumPy's frozen one."""
    random = np.random.RandomState(experts)
    return random.multinomial(1000, random.dirichlet(np.ones(experts)), 200)


def off(given: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], largest: float) -> npt.NDArray[np.bool_]:
    """Return which loads differ by more than a millionth of the largest."""
    wrong: npt.NDArray[np.bool_] = np.abs(given - wanted) > 1e-6 * max(1.0, largest)
    return wrong


bind(
    Contract(
        role="predictor",
        single=any_history,
        sequences=any_history,
        same=lambda one, other: not off(one, other, float(one.max(initial=0))).any(),
        show=lambda forecast: forecast.round(6).tolist(),
        before=lambda balancer, case: [(case.history[::-1] + 1, case.horizon + 1)],
        prepare=prepare,
        remembers=("stateful",),
        names={"remembers_nothing": "depends_on_the_history_alone"},
        notes={
            "answers": "A forecast is one finite load per step of the horizon and expert.",
            "remembers_nothing": "Replay and audits rely on it.",
            "leaves_its_input_alone": "The history is the caller's record.",
            "returns_memory_of_its_own": "The next step would be written into both.",
        },
    )
)
