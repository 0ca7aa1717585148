"""The audit of predictors: what is judged against what, and that nothing is dropped without a word."""

import json

import numpy as np
import pytest

from equipoise import audit, cli
from equipoise.audits.training import Lessons, origins_of
from equipoise.balancers.find import Target
from equipoise.errors import InvalidProblem, TargetUnable
from equipoise.traces import LoadSeries, generated_series, recorded


def series(name="one", run="a", steps=200, experts=4, seed=0):
    random = np.random.default_rng(seed)
    return LoadSeries(name, random.multinomial(500, random.dirichlet(np.ones(experts)), size=steps), run)


def audited(predictor, *batch, **options):
    target = predictor if isinstance(predictor, str) else Target("mine", None, predictor, "predictor")
    return audit([target], role="predictor", trace=list(batch) or [series()], **{"horizon": [1, 10], **options})


def trained_on(batch, run, experts):
    return Lessons(tuple(batch)).for_run(run, experts)


def test_one_who_knows_the_future_has_no_error():
    truth = series().loads
    rows = audited(lambda history, horizon: truth[len(history) : len(history) + horizon]).rows
    assert len(rows) == 8
    assert {(row["error_step"], row["error_mean_unweighted"]) for row in rows} == {(0.0, 0.0)}


def test_on_draws_around_the_same_shares_the_mean_comes_close_to_the_floor_and_the_last_step_does_not():
    batch = [series(f"seed{seed}", steps=400, experts=16, seed=seed) for seed in range(4)]
    result = audit(["last-window", "persistence"], trace=batch, horizon=[200], origins=1)
    mean, last = result.summary
    assert [row["state"] for row in result.rows] == ["stable"] * 8
    assert mean["mean_error_step"] < 1.1 * mean["mean_floor_step"]
    assert last["mean_error_step"] > 1.3 * last["mean_floor_step"]
    assert mean["mean_floor_step"] == last["mean_floor_step"]
    assert mean["mean_stable_error_step"] == mean["mean_error_step"]


def test_a_predictor_sees_the_history_before_its_origin_only_and_is_asked_once():
    one = series()
    seen = []

    def noted(history, horizon):
        seen.append((len(history), horizon))
        assert np.array_equal(history, one.loads[: len(history)])
        return np.repeat(history[-1:], horizon, axis=0)

    rows = audited(noted, one, origins=3).rows
    assert seen == [(origin, 10) for origin in (10, 100, 190)]
    assert {row["origin"] for row in rows} == {10, 100, 190}


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
    result = audited("last-window", series("short", steps=15), series("long"))
    assert "Horizon 10 is left out on 1 of 2 series, which are too short." in result.words()
    assert {row["horizon"] for row in result.rows if row["series"] == "short"} == {1}


@pytest.mark.parametrize("horizon", [[0], [-1, 5], [2.5], 0])
def test_a_horizon_is_a_positive_number(horizon):
    with pytest.raises(InvalidProblem, match="horizon"):
        audited("last-window", horizon=horizon)


def test_a_predictor_that_breaks_is_a_row_and_one_that_cannot_is_another():
    def breaks(history, horizon):
        raise ZeroDivisionError

    def cannot(history, horizon):
        raise TargetUnable("too little is known")

    broken, unable = audited(breaks).rows[0], audited(cannot).rows[0]
    assert "it raised ZeroDivisionError" in broken.error
    assert (broken.kind, broken.at_fault) == ("raises", True)
    assert (unable.error, unable.kind, unable.at_fault) == ("too little is known", "unable", False)
    (first, _) = audited(cannot, origins=2).summary
    assert (first["instances"], first["errors"], first["refused"]) == (2, 0, 2)


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
    assert not any(row.error for row in audited(learner, *batch[:3], horizon=[1], origins=1).rows[:2])


def test_what_cannot_be_trained_says_so():
    (row,) = audited(Learner(), horizon=[1], origins=1).rows
    assert (row.error, row.kind) == ("it is trained on another run with 4 experts, and there is none", "unable")


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
    assert (code, document["schema"]) == (0, "equipoise-audit/2")
    assert [summary["balancer"] for summary in document["summary"]] == ["persistence", "sw-avg"]
    assert len(document["rows"]) == 48
    assert len(document["about"]["states"]) == 24
    assert all(row["error_step"] > 0 and row["floor_step"] > 0 for row in document["rows"])
    _, table, _ = run("--trace", "generated", "--horizon", "5", "--origins", "1", "--format", "markdown")
    assert "Note: arima runs only if it is named" in table
    assert all(f"| {name} |" in table for name in ("persistence", "ema", "last-window", "sw-avg"))


def test_generated_series_are_called_generated(run):
    _, out, _ = run("persistence", "--trace", "generated", "--horizon", "1", "--origins", "1")
    assert "8 of 8 series are generated, not measured." in out


def test_the_command_line_reads_a_record_of_loads(run, tmp_path):
    path = tmp_path / "loads.npz"
    np.savez(path, load=np.stack([series(seed=seed).loads for seed in (0, 1)], axis=1))
    document = json.loads(run("ema", "--trace", str(path), "--format", "json")[1])
    assert {row["series"] for row in document["rows"]} == {"layer0", "layer1"}
    assert {row["horizon"] for row in document["rows"]} == {1, 10, 100}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--trace", "drift"), "trace is 'drift', which holds scores"),
        (("--top-k", "2"), "--top-k is given for a predictor; allowed: only for metric and router"),
        (("--slots", "8"), "--slots is given for a predictor; allowed: only for placer, planner and scheduler"),
        (("--horizon", "5000"), "--horizon is 5000; allowed: half of the longest series: up to"),
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
    assert "--horizon is given for a router; allowed: only for predictor" in err
