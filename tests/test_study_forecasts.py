"""Predictors in a study: what the audit measures, in rows that are kept, beside a floor and not a bound."""

import numpy as np
import pytest

from equipoise.audits.run import audit
from equipoise.errors import InvalidFile
from equipoise.study.cases import cases_of
from equipoise.study.description import decode
from equipoise.study.report import charts
from equipoise.study.report.markdown import markdown
from equipoise.study.report.page import page
from equipoise.study.run import run_study
from equipoise.study.summary import comparisons, summaries
from equipoise.traces import recorded

TEXT = """
title = "Forecasts"
seeds = [0, 1]
[predictor]
methods = ["persistence", "last-window"{more}]
horizons = [10, 1]
origins = 3
seconds = 20.0
[[predictor.instances]]
kind = "generated"
moves = ["stationary"]
experts = [8]
steps = 60
tokens = 500
[[predictor.instances]]
kind = "recorded"
runs = ["E16-none"]
layers = [0, 1]
"""

LEARNERS = """
import numpy as np

from equipoise.errors import TargetUnable

class Learner:
    def train(self, series):
        assert len(series) >= 1
        self.mean = np.concatenate(series).mean(axis=0)

    def __call__(self, history, horizon):
        return np.tile(self.mean, (horizon, 1))

class Broken(Learner):
    def train(self, series):
        raise ValueError("cannot learn")

def shy(history, horizon):
    raise TargetUnable("it needs at least one moon")

def later(history, horizon):
    if len(history) > 20:
        raise ValueError("too long")
    return history[[-1] * horizon]
"""


def described(*more, **replaced):
    text = TEXT.replace("{more}", "".join(f', "{name}"' for name in more))
    for old, new in replaced.items():
        text = text.replace(f"{old} = ", f"{old} = {new} #")
    return decode(text, "my.toml")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run_study(described(), tmp_path_factory.mktemp("forecasts"))


def test_rows_are_the_means_that_the_audit_finds_on_the_same_series(study):
    series = [one for one in recorded().load_series() if one.name == "E16-none/layer1"]
    judged = audit("last-window", role="predictor", trace=series, horizon=[1, 10], origins=3).rows
    for horizon in (1, 10):
        own = [one for one in judged if one["horizon"] == horizon]
        [row] = [
            row
            for row in study.rows
            if (row.instance, row.balancer, row["horizon"]) == ("E16-none/layer1", "last-window", horizon)
        ]
        for name in ("error_step", "error_mean", "floor_step", "floor_mean", "error_step_unweighted"):
            assert row[name] == pytest.approx(np.mean([one[name] for one in own]))
        assert row["judged"] == 3
        assert row["stable"] == np.mean([one["state"] == "stable" for one in own])


def test_generated_series_are_labelled_differ_by_seed_and_nothing_is_called_certified(study):
    assert {row.instance.startswith("generated-") for row in study.rows if row.source == "generated"} == {True}
    assert {row.instance.startswith("generated-") for row in study.rows if row.source == "recorded"} == {False}
    assert len({case.build().loads.tobytes() for case in study.cases if case.source == "generated"}) == 2
    assert not any(row.evidence for row in study.rows)
    assert not any(row.unproved for row in study.rows)


def test_a_horizon_has_its_line_and_comparisons_are_differences_of_the_same_series(study):
    lines = summaries(study, "predictor")
    assert [(one.group["horizon"], one.balancer) for one in lines] == [
        (1, "persistence"),
        (1, "last-window"),
        (10, "persistence"),
        (10, "last-window"),
    ]
    assert {(one.rows, one.failures) for one in lines} == {(4, 0)}
    rows = {(row.balancer, row.instance, row.seed, row["horizon"]): row for row in study.rows}
    far = comparisons(study, "predictor")[1]
    cases = [(row.instance, row.seed) for row in study.rows if (row.balancer, row["horizon"]) == ("persistence", 10)]
    by_instance: dict = {}
    for case in cases:
        difference = rows["last-window", *case, 10]["error_step"] - rows["persistence", *case, 10]["error_step"]
        by_instance.setdefault(case[0], []).append(difference)
    assert (far.group, far.pairs, far.possible) == ({"horizon": 10}, 4, 4)
    assert far.differences["error_step"].mean == pytest.approx(
        np.mean([np.mean(values) for values in by_instance.values()])
    )


def test_horizons_that_do_not_fit_are_left_out_series_by_series_and_none_at_all_is_refused(tmp_path):
    rows = run_study(described(horizons="[1, 40]", runs='["E16-none"]'), tmp_path).rows
    assert {row["horizon"] for row in rows if row.source == "generated"} == {1}
    assert {row["horizon"] for row in rows if row.source == "recorded"} == {1, 40}
    document = page(run_study(described(horizons="[1, 40]"), tmp_path), {}, {"equipoise": "test"})
    assert "Predictors, per step, horizon 1 (noise floor" in document, "the horizon that most series have"
    with pytest.raises(InvalidFile, match="horizons starts at 31; allowed for generated-stationary-E8: 1 to 30"):
        run_study(described(horizons="[31]"), tmp_path)


def test_a_predictor_that_learns_is_taught_by_another_run_and_what_breaks_is_a_row(tmp_path, monkeypatch):
    (tmp_path / "learners.py").write_text(LEARNERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = '["learners:Learner", "learners:Broken", "learners:later", "learners:shy"]'
    study = run_study(described(methods=names, seeds="[0]", layers="[1]", origins="2"), tmp_path / "out")
    rows = {(row.source, row.balancer): row for row in study.rows if row["horizon"] == 10}
    other = [one.loads for one in recorded().load_series() if one.run == "E16-aux-loss"]
    mean = np.concatenate(other).mean(axis=0)
    series = next(one for one in recorded().load_series() if one.name == "E16-none/layer1")
    judged = audit(
        lambda history, horizon: np.tile(mean, (horizon, 1)), trace=[series], horizon=[1, 10], origins=2
    ).rows
    error = np.mean([one["error_step"] for one in judged if one["horizon"] == 10])
    assert rows["recorded", "learners:Learner"]["error_step"] == pytest.approx(error)
    assert rows["generated", "learners:Learner"].error is None
    assert rows["recorded", "learners:Broken"].kind == "raises"
    assert "cannot learn" in rows["recorded", "learners:Broken"].error
    assert rows["generated", "learners:later"].kind == "refuses", "one broken forecast is no mean of the others"
    assert rows["generated", "learners:shy"].kind == "unable"
    assert rows["generated", "learners:shy"].error == "it needs at least one moon"
    [line] = [
        one for one in summaries(study, "predictor") if (one.balancer, one.group["horizon"]) == ("learners:Broken", 10)
    ]
    assert (line.rows, line.failures) == (2, 2)
    assert np.isnan(line.gap.mean)


def test_both_reports_show_errors_beside_the_floor_and_the_page_draws_them_against_the_horizon(study):
    text, document = markdown(study), page(study, {}, {"equipoise": "test"})
    assert "## Predictors" in text
    assert "load-to-time" not in text
    for anchor in ("predictor", "horizon-error-step", "horizon-error-mean"):
        assert f'<section id="{anchor}"' in document
    for anchor in ("router", "time"):
        assert f'<section id="{anchor}"' not in document
    assert document.count('aria-label="Error per step on') == 2
    assert document.count('aria-label="Error of mean on generated-stationary-E8, horizon 1 to 10') == 1
    assert "horizon 10 (noise floor" in document


def test_labels_of_horizons_do_not_run_into_each_other():
    svg = charts.horizons("x", charts.Curves([1, 10, 1000, 2000], [0.1] * 4, {}, {}), (0.01, 1.0), "a label")
    assert "2,000" in svg
    assert "1,000" not in svg


def test_series_and_horizons_that_are_not_there_are_refused():
    with pytest.raises(InvalidFile, match=r"horizons is \[1, 1\]; allowed: one or more, none of them twice"):
        described(horizons="[1, 1]")
    with pytest.raises(InvalidFile, match=r"moves\[0\]: invalid enum value 'x'; allowed: stationary, drift"):
        described(moves='["x"]')
    with pytest.raises(InvalidFile, match="runs has 'E17'; allowed: E16-aux-loss"):
        cases_of(described(runs='["E17"]'))
    with pytest.raises(InvalidFile, match=r"none\.npz"):
        cases_of(
            decode(TEXT.replace("{more}", "") + '[[predictor.instances]]\nkind = "file"\npath = "none.npz"\n', "x")
        )
