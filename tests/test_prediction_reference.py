"""The reference predictors: what each computes, against a naive oracle, and what they say where they cannot."""

import builtins
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.balancers.find import Target
from equipoise.errors import TargetError, TargetUnable
from equipoise.reference.prediction.arima import Arima
from equipoise.reference.prediction.catalogue import PREDICTORS
from equipoise.reference.prediction.constant import EMA
from equipoise.reference.prediction.lstm import Lstm
from equipoise.reference.prediction.sliding import SlidingWindowAverage
from equipoise.roles.predictor import read_forecast
from equipoise.traces import generated_series

LEARNING = ("arima", "lstm")
SIMPLE = [name for name in PREDICTORS if name not in LEARNING]

histories = st.integers(1, 4).flatmap(
    lambda experts: st.lists(
        st.lists(st.integers(0, 50), min_size=experts, max_size=experts), min_size=1, max_size=8
    ).map(lambda rows: np.array(rows, np.int64))
)


@given(history=histories, window=st.integers(1, 5), horizon=st.integers(1, 9))
def test_the_sliding_average_is_the_mean_of_the_window_with_forecasts_in_it(history, window, horizon):
    forecast = SlidingWindowAverage(window)(history, horizon)
    for expert in range(history.shape[1]):
        known = [Fraction(int(value)) for value in history[:, expert]]
        for step in range(horizon):
            recent = known[-window:]
            known.append(sum(recent, Fraction(0)) / len(recent))
            assert forecast[step, expert] == pytest.approx(float(known[-1]))


@given(history=histories, percent=st.integers(1, 100))
def test_the_moving_average_follows_its_recursion(history, percent):
    rate = percent / 100
    mean = history[0].astype(float)
    for row in history[1:]:
        mean = (1 - rate) * mean + rate * row
    assert np.allclose(EMA(rate)(history, 2), [mean, mean])


@pytest.mark.parametrize("name", SIMPLE)
@given(history=histories)
def test_floors_keep_the_mean_total_between_the_least_and_the_largest_of_the_history(name, history):
    totals = PREDICTORS[name].create()(history, 3).sum(axis=1)
    assert (totals >= history.sum(axis=1).min() - 1e-9).all()
    assert (totals <= history.sum(axis=1).max() + 1e-9).all()


def test_arima_follows_a_series_that_swings_and_the_mean_does_not():
    pytest.importorskip("statsmodels")
    swing = 1000 + 300 * np.sin(np.arange(70) / 3) + np.random.default_rng(0).normal(0, 2, 70)
    loads = np.stack([swing, 3000 - swing], axis=1)
    history, truth = loads[:60], loads[60:]
    arima, mean = (np.abs(one(history, 10) - truth).mean() for one in (Arima((2, 1, 2)), SlidingWindowAverage()))
    assert arima < mean / 3


def test_arima_says_that_a_history_is_too_short():
    pytest.importorskip("statsmodels")
    with pytest.raises(TargetUnable, match=r"ARIMA\(5,1,5\) needs at least 24 steps of history, not 3"):
        Arima()(np.ones((3, 2)), 1)


def test_arima_keeps_shares_that_never_change():
    pytest.importorskip("statsmodels")
    history = np.tile([3, 0, 5], (30, 1))
    assert np.allclose(Arima()(history, 4), history[:4])


def test_the_lstm_learns_on_one_run_what_another_needs():
    pytest.importorskip("torch")
    steps = np.arange(300)[:, None]
    teacher, pupil = (1000 + 400 * np.sin((steps + shift) / 4 + np.arange(4) * np.pi / 2) for shift in (0, 3))
    lstm, again = Lstm(16, 32, 100), Lstm(16, 32, 100)
    with pytest.raises(TargetUnable, match="must be trained first, on another run"):
        lstm(pupil[:200], 1)
    lstm.train([teacher])
    forecast = lstm(pupil[:200], 5)
    assert np.abs(forecast - pupil[200:205]).sum() < np.abs(pupil[199] - pupil[200:205]).sum() / 2
    again.train([teacher])
    assert np.array_equal(again(pupil[:200], 5), forecast)


def test_the_lstm_refuses_runs_shorter_than_it_looks():
    pytest.importorskip("torch")
    with pytest.raises(TargetUnable, match="more than 64 steps"):
        Lstm().train([np.ones((64, 2))])


@pytest.mark.parametrize(("name", "package", "extra"), [("arima", "statsmodels", "study"), ("lstm", "torch", "train")])
def test_a_missing_package_is_said_with_the_extra_that_has_it(name, package, extra, monkeypatch):
    real = builtins.__import__

    def without(module, *arguments, **options):
        if module.split(".")[0] == package:
            raise ImportError(module)
        return real(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TargetUnable, match=rf"needs {package}: pip install 'equipoise\[{extra}\]'"):
        PREDICTORS[name].create()(np.ones((100, 2), np.int64), 1)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "allowed: loads"),
        ([[1.0, 2.0]], r"shape \(1, 2\); allowed: loads of shape \(3, 2\)"),
        (np.full((3, 2), np.nan), "a load of nan for expert 0 in step 0"),
        (np.array([[1, 1], [1, -2], [1, 1]]), "a load of -2.0 for expert 1 in step 1"),
        (np.ones((3, 2), bool), "returned bool"),
        ([[1], [1, 2]], "allowed: loads"),
    ],
)
def test_what_is_no_forecast_is_refused_in_one_sentence(returned, words):
    with pytest.raises(TargetError, match=words):
        read_forecast(returned, np.zeros((1, 2)), 3)


def test_a_forecast_of_lists_and_of_whole_numbers_is_taken():
    assert read_forecast([[1, 2], [3, 4]], np.zeros((1, 2)), 2).dtype == np.float64


def test_a_predictor_works_on_its_own_copy_and_its_prints_stay_out_of_stdout(capsys):
    def spoils(history, horizon):
        print("noise")
        history[:] = 0
        return np.zeros((horizon, 2))

    history = np.ones((2, 2), np.int64)
    Target("spoils", None, spoils, "predictor").hold(in_process=True).ask(history, 1)
    assert history.all()
    assert capsys.readouterr().out == ""


@given(seed=st.integers(0, 3))
@settings(max_examples=4, deadline=None)
def test_generated_series_say_so_and_serve_every_token(seed):
    series = generated_series(steps=20, tokens=100, experts=(3, 5), seed=seed)
    assert len({one.name for one in series}) == 8
    for one in series:
        assert one.generated
        assert one.name.startswith("generated-")
        assert (one.loads.sum(axis=1) == 100).all()
    assert [one.loads.tolist() for one in generated_series(20, 100, (3, 5), seed)] == [o.loads.tolist() for o in series]
