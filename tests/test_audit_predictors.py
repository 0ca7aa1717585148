"""The audit of predictors: what is judged against what, and that nothing is dropped without a word."""

import json

import numpy as np
import pytest
from equipoise.targets import Target, find

from equipoise import cli
from equipoise.audit import audit_predictors, summarise_forecasts
from equipoise.audit.forecasts import origins_of, trained_on
from equipoise.errors import InvalidProblem, TargetUnable
from equipoise.traces import LoadSeries, generated_series, recorded

MEAN = find("last-window", "predictor")


def series(name="one", run="a", steps=200, experts=4, seed=0):
    random = np.random.default_rng(seed)
    return LoadSeries(name, random.multinomial(500, random.dirichlet(np.ones(experts)), size=steps), run)


def audited(predictor, *batch, **options):
    return audit_predictors([Target("mine", predictor)], batch or [series()], **{"horizons": [1, 10], **options})


def test_one_who_knows_the_future_has_no_error():
    truth = series().loads
    rows = audited(lambda history, horizon: truth[len(history) : len(history) + horizon]).rows
    assert len(rows) == 8
    assert {(row.errors.step, row.errors.mean_unweighted) for row in rows} == {(0.0, 0.0)}


def test_on_draws_around_the_same_shares_the_mean_comes_close_to_the_floor_and_the_last_step_does_not():
    batch = [series(f"seed{seed}", steps=400, experts=16, seed=seed) for seed in range(4)]
    result = audit_predictors([MEAN, find("persistence", "predictor")], batch, horizons=[200], origins=1)
    mean, last = summarise_forecasts(result.rows)
    assert mean.stable == 4
    assert mean.errors.step < 1.1 * mean.floor.step
    assert last.errors.step > 1.3 * last.floor.step
    assert mean.floor == last.floor


def test_a_predictor_sees_the_history_before_its_origin_only_and_is_asked_once():
    one = series()
    seen = []

    def noted(history, horizon):
        seen.append((len(history), horizon))
        assert np.array_equal(history, one.loads[: len(history)])
        return np.repeat(history[-1:], horizon, axis=0)

    rows = audited(noted, one, origins=3).rows
    assert seen == [(origin, 10) for origin in (10, 100, 190)]
    assert {row.origin for row in rows} == {10, 100, 190}


@pytest.mark.parametrize(
    ("steps", "horizons", "count", "expected"),
    [
        (1000, [1, 10, 100, 1000], 4, ([1, 10, 100], [100, 367, 633, 900])),
        (1000, [1, 10, 100], 1, ([1, 10, 100], [900])),
        (2, [1], 3, ([1], [1])),
        (1, [1], 3, ([], [])),
    ],
)
def test_origins_leave_room_for_the_longest_horizon_on_both_sides(steps, horizons, count, expected):
    assert origins_of(steps, horizons, count) == expected


def test_horizons_that_do_not_fit_are_said():
    result = audited(MEAN.balancer, series("short", steps=15), series("long"))
    assert result.omitted == ["horizon 10 is left out on 1 of 2 series, which have fewer than 20 steps"]
    assert {row.horizon for row in result.rows if row.instance == "short"} == {1}


@pytest.mark.parametrize("horizons", [[], [0], [-1, 5]])
def test_a_horizon_is_a_positive_number(horizons):
    with pytest.raises(InvalidProblem, match="horizons"):
        audited(MEAN.balancer, horizons=horizons)


def test_a_predictor_that_breaks_is_a_row_and_one_that_cannot_is_another():
    def breaks(history, horizon):
        raise ZeroDivisionError

    def cannot(history, horizon):
        raise TargetUnable("too little is known")

    broken, unable = audited(breaks).rows[0], audited(cannot).rows[0]
    assert "mine raised ZeroDivisionError" in broken.error
    assert (broken.unable, unable.unable, unable.error) == (None, "too little is known", None)
    (first, _) = summarise_forecasts(audited(cannot, origins=2).rows)
    assert (first.forecasts, first.failed) == (0, 2)


class Learner:
    """Forecasts, for every expert, the length of the first series it was trained on."""

    lessons: tuple[int, ...] = ()

    def train(self, given):
        self.lessons = tuple(len(one) for one in given)

    def __call__(self, history, horizon):
        assert len(history) < min(self.lessons)
        return np.full((horizon, history.shape[1]), float(self.lessons[0]))


def test_what_is_trained_is_trained_on_another_run():
    batch = [series("a1", "a", 100), series("a2", "a", 100), series("b1", "b", 200), series("c1", "c", 300)]
    assert [one.name for one in trained_on(batch, "a", 4)] == ["b1"]
    assert [one.name for one in trained_on(batch, "c", 4)] == ["a1", "a2"]
    assert trained_on([batch[0], series("b1", "b", experts=5)], "a", 4) == []
    learner = Learner()
    assert not any(row.error or row.unable for row in audited(learner, *batch[:3], horizons=[1], origins=1).rows[:2])


def test_what_cannot_be_trained_says_so():
    (row,) = audited(Learner(), horizons=[1], origins=1).rows
    assert row.unable == "mine is trained on another run with 4 experts, and there is none"


def test_recorded_runs_are_not_taught_by_generated_ones():
    recordings = recorded().load_series()
    mixed = [recordings[0], *generated_series(10)]
    assert trained_on(mixed, recordings[0].run, 16) == []


@pytest.fixture
def run(capsys):
    """What ``equipoise audit --role predictor`` returns, and what it prints."""

    def command(*arguments, role="predictor"):
        code = cli.run(["audit", "--role", role, *arguments])
        return code, *capsys.readouterr()

    return command


def test_the_command_line_audits_the_recording_and_lists_what_it_leaves_out(run):
    code, out, _ = run("persistence", "sw-avg", "--horizon", "10", "--origins", "1", "--format", "json")
    document = json.loads(out)
    assert (code, document["schema"]) == (0, "equipoise-audit-predictor/1")
    assert [summary["method"] for summary in document["summaries"]] == ["persistence", "sw-avg"]
    assert len(document["rows"]) == 48
    assert len(document["states"]) == 24
    assert all(row["errors"]["step"] > 0 and row["floor"]["step"] > 0 for row in document["rows"])
    _, table, _ = run("--trace", "generated", "--horizon", "5", "--origins", "1", "--format", "markdown")
    assert "Not run: arima takes minutes and runs only if it is named." in table
    assert all(f"| {name} |" in table for name in ("persistence", "ema", "last-window", "sw-avg"))


def test_generated_series_are_called_generated(run):
    _, out, _ = run("persistence", "--trace", "generated", "--horizon", "1", "--origins", "1")
    assert out.splitlines()[0].strip() == "8 series of generated, 8 of them generated, not measured"


def test_the_command_line_reads_a_record_of_loads(run, tmp_path):
    path = tmp_path / "loads.npz"
    np.savez(path, load=np.stack([series(seed=seed).loads for seed in (0, 1)], axis=1))
    document = json.loads(run("ema", "--trace", str(path), "--format", "json")[1])
    assert {row["instance"] for row in document["rows"]} == {"layer0", "layer1"}
    assert {row["horizon"] for row in document["rows"]} == {1, 10, 100}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--trace", "drift"), "--trace drift is for routers"),
        (("--top-k", "2"), "--top-k is for routers; it does not go with --role predictor"),
        (("--slots", "8"), "--slots is for schedulers and placers"),
        (("--horizon", "5000"), "no horizon fits any series of recorded"),
        (("eplb",), "target is 'eplb'"),
    ],
)
def test_wrong_usage_is_one_sentence(run, arguments, words):
    code, _, err = run(*arguments)
    assert code == 2
    assert words in err


def test_options_of_predictors_are_refused_for_others(run):
    code, _, err = run("--horizon", "5", role="router")
    assert code == 2
    assert "--horizon is for predictors; it does not go with --role router" in err
