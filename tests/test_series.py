"""Loads over time: windows, the detector of movement, errors of forecasts, and the noise below which none can get."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.errors import InvalidProblem
from equipoise.series import (
    expected_deviation,
    forecast_errors,
    noise_floor,
    shares,
    sliding_range,
    sliding_variance,
    transient,
)

counts = st.lists(st.integers(0, 30), min_size=2, max_size=5)
tables = (
    st.integers(2, 4)
    .flatmap(
        lambda experts: st.lists(
            st.lists(st.integers(0, 20), min_size=experts, max_size=experts), min_size=1, max_size=6
        )
    )
    .map(lambda rows: np.array(rows, np.int64))
)


def stationary(seed, steps=400, tokens=2000, experts=16):
    random = np.random.default_rng(seed)
    return random.multinomial(tokens, random.dirichlet(np.ones(experts)), size=steps)


@given(loads=tables, data=st.data())
def test_windows_are_those_of_a_loop(loads, data):
    window = data.draw(st.integers(1, len(loads)))
    p = shares(loads)
    parts = [p[start : start + window] for start in range(len(p) - window + 1)]
    assert np.allclose(sliding_variance(loads, window), [np.mean((x - x.mean(axis=0)) ** 2, axis=0) for x in parts])
    assert np.allclose(sliding_range(loads, window), [x.max(axis=0) - x.min(axis=0) for x in parts])


@pytest.mark.parametrize("window", [0, 4])
def test_a_window_that_does_not_fit_is_refused(window):
    with pytest.raises(InvalidProblem, match="allowed: 1 to 3 steps"):
        sliding_variance(np.ones((3, 2)), window)


@given(given_counts=counts, top_k=st.integers(1, 2))
def test_the_expected_deviation_is_the_sum_over_all_outcomes(given_counts, top_k):
    load = np.array(given_counts)
    n = -(-int(load.sum()) // top_k)
    if (load > n).any():
        with pytest.raises(InvalidProblem, match=f"K={top_k}"):
            expected_deviation(load, top_k)
        return
    for c, got in zip(given_counts, expected_deviation(load, top_k), strict=True):
        p = Fraction(c, n) if n else Fraction(0)
        chances = [math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)]
        assert got == pytest.approx(float(sum(chance * abs(x - c) for x, chance in enumerate(chances))), abs=1e-9)


def test_one_who_knows_the_shares_errs_by_the_noise_floor():
    random = np.random.default_rng(0)
    p = random.dirichlet(np.full(8, 5.0))
    truth = random.multinomial(500, p, size=(400, 10))
    floors = [noise_floor(run) for run in truth]
    errors = [forecast_errors(np.tile(500 * p, (10, 1)), run) for run in truth]
    for field in ("step", "mean", "step_unweighted", "mean_unweighted"):
        floor, error = (np.mean([getattr(one, field) for one in side]) for side in (floors, errors))
        assert floor == pytest.approx(error, rel=0.06)


@given(loads=tables)
def test_errors_are_those_of_a_loop_and_zero_for_the_truth(loads):
    perfect = forecast_errors(loads, loads)
    assert (perfect.step, perfect.step_unweighted, perfect.mean, perfect.mean_unweighted) == (0, 0, 0, 0)
    if not loads.any():
        assert forecast_errors(loads + 1, loads).step == math.inf
        return
    forecast = loads[::-1] + 1
    used = [e for e in range(loads.shape[1]) if loads[:, e].any()]
    steps = {e: Fraction(int(np.abs(forecast[:, e] - loads[:, e]).sum()), max(1, int(loads[:, e].sum()))) for e in used}
    means = {e: Fraction(abs(int((forecast[:, e] - loads[:, e]).sum())), int(loads[:, e].sum())) for e in used}
    found = forecast_errors(forecast, loads)
    assert found.step == pytest.approx(np.abs(forecast - loads).sum() / loads.sum())
    assert found.step_unweighted == pytest.approx(float(sum(steps.values()) / len(used)))
    assert found.mean_unweighted == pytest.approx(float(sum(means.values()) / len(used)))
    assert found.mean == pytest.approx(np.abs(forecast.sum(axis=0) - loads.sum(axis=0)).sum() / loads.sum())


def test_the_error_of_the_mean_is_no_larger_than_that_per_step():
    random = np.random.default_rng(1)
    forecast, truth = random.integers(1, 50, (2, 30, 6))
    found = forecast_errors(forecast, truth)
    assert found.mean <= found.step
    assert found.mean_unweighted <= found.step_unweighted


@pytest.mark.parametrize("seed", range(4))
def test_draws_around_the_same_shares_are_stable_as_soon_as_the_window_is_full(seed):
    moving = transient(stationary(seed))
    assert moving[:99].all()
    assert not moving[99:].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_jump_is_transient_while_the_window_sees_it(seed):
    loads = np.concatenate([stationary(seed, 200), stationary(seed + 10, 200)])
    moving = transient(loads)
    assert moving[225:275].all()
    assert not moving[99:200].any()
    assert not moving[300:].any()


@given(seed=st.integers(0, 20), cut=st.integers(1, 250))
@settings(max_examples=15, deadline=None)
def test_a_state_depends_on_no_later_step(seed, cut):
    loads = np.concatenate([stationary(seed, 120), stationary(seed + 1, 130)])
    assert np.array_equal(transient(loads[:cut]), transient(loads)[:cut])


def test_a_series_shorter_than_the_window_is_transient_throughout():
    assert transient(np.ones((99, 4))).all()
    assert not transient(np.ones((100, 4)))[99]
