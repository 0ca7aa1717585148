"""Running a study: rows are made once, kept, and counted, whatever happens to the methods."""

from fractions import Fraction

import numpy as np
import polars
import pytest

from equipoise import metrics
from equipoise.errors import InvalidFile, OracleError, TargetNotFound
from equipoise.problems import AssignmentProblem
from equipoise.reference.routing.topk import top_k_experts
from equipoise.solvers.solve import solve
from equipoise.study import run as running
from equipoise.study.cases import cases_of
from equipoise.study.description import Method, decode
from equipoise.study.report.markdown import markdown
from equipoise.study.rows import RowFile
from equipoise.study.run import ROWS, run_study
from equipoise.study.summary import comparisons, failures, summaries
from study_cases import FAILING, SMALL, small


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return run_study(small(), folder), folder


@pytest.fixture
def failing(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_every_cell_is_one_row_and_every_row_is_proved(finished):
    study, folder = finished
    cells = {(row.role, row.instance, row.seed, row.balancer, row.about.get("horizon")) for row in study.rows}
    assert len(cells) == len(study.rows) == 8 * 3 + 2 * 2 + 2 * 2 + (2 * 2 + 2) * 2 * 2
    assert not any(row.unproved for row in study.rows)
    assert {row.role: dict.fromkeys(row.evidence) for row in study.rows} == {
        "router": {"optimum": None},
        "scheduler": {"optimum": None},
        "placer": {"split": None, "even bound": None, "free bound": None},
        "predictor": {},
    }
    assert len(polars.read_parquet(folder / ROWS)) == len(study.rows)


@pytest.mark.parametrize(
    ("role", "found", "proved", "gap"),
    [("scheduler", "peak", "optimum", "relative_excess"), ("placer", "even_peak", "even_bound", "even_excess")],
)
def test_what_was_reached_and_what_is_proved_are_exact_and_in_order(finished, role, found, proved, gap):
    for row in finished[0].of(role):
        assert row[found] >= row[proved]
        assert row[gap] == pytest.approx(float(Fraction(row[found]) / row[proved]) - 1)
    for row in finished[0].of("router"):
        assert row["score"] <= row["equal_peak_optimum"]


def test_rows_are_the_same_after_they_were_written_and_read_exact_fractions_included(finished):
    study, folder = finished
    read = [row for rows in RowFile(folder / ROWS).rows.values() for row in rows]
    assert len(read) == len(study.rows)
    assert all(row in read for row in study.rows)
    frame = polars.read_parquet(folder / ROWS).filter(polars.col("role") == "placer")
    for row in frame.iter_rows(named=True):
        assert float(Fraction(row["even_peak_exact"])) == row["even_peak"]


def test_a_router_row_agrees_with_its_case_solved_on_its_own(finished):
    study, _ = finished
    case = next(case for case in study.cases if case.instance == "softmax/32x8k2/skew2" and case.seed == 1)
    row = next(r for r in study.rows if (r.instance, r.seed, r.balancer) == (case.instance, 1, "topk"))
    instance = case.build()
    load = metrics.loads(top_k_experts(instance.scores, 2), 8)
    assert row["imbalance"] == pytest.approx(load.max() / load.mean())
    optimum = solve(AssignmentProblem(instance.scores, 2, int(load.max())))
    assert row["score"] == row["equal_peak_optimum"] == optimum.objective


def test_different_seeds_and_skews_are_different_data():
    contents = {case.build().scores.tobytes() for case in cases_of(small()) if case.role == "router"}
    assert len(contents) == 8


def test_a_study_that_was_stopped_goes_on_and_gives_the_same_bytes(finished, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(done, total):
        if done > total / 3:
            raise Stopped

    with pytest.raises(Stopped):
        run_study(small(), tmp_path, progress=stop)
    kept = set(RowFile(tmp_path / ROWS).rows)
    assert 0 < len(kept) < len(finished[0].rows)
    asked = []
    measure = running.measure
    monkeypatch.setattr(running, "measure", lambda task: (asked.extend(task.keys), measure(task))[1])
    resumed = run_study(small(), tmp_path)
    assert len(asked) == len(
        {(row.balancer, row.instance, row.seed, row.role) for row in resumed.rows if row.key not in kept}
    )
    assert markdown(resumed) == markdown(finished[0])


def test_rows_that_are_there_are_not_measured_again_nor_counted_twice(finished, monkeypatch):
    study, folder = finished
    monkeypatch.setattr(running, "measure", lambda task: pytest.fail("nothing is missing"))
    again = run_study(small(), folder)
    assert again.rows == study.rows
    file = RowFile(folder / ROWS)
    file.add(again.rows)
    file.save()
    assert len(polars.read_parquet(folder / ROWS)) == len(study.rows)


def test_failures_of_every_kind_are_rows_and_part_of_no_mean(failing):
    methods = ["topk", "failing:raises", "failing:hangs", "failing:crashes", "failing:nonsense", "failing:Sized"]
    methods.append("failing:sometimes")
    description = small(methods, seconds="1.0", skew="[0.0]", seeds="[0]")
    study = run_study(description, failing / "out")
    assert len(study.rows) == 2 * len(methods)
    found = {one.balancer.rpartition(":")[2]: one for one in failures(study)}
    assert {name: one.kind for name, one in found.items()} == {
        "raises": "raises",
        "hangs": "hangs",
        "crashes": "crashes",
        "nonsense": "gives no routing",
        "Sized": "cannot be made",
        "sometimes": "raises",
    }
    assert "boom" in found["raises"].error
    assert [found[name].count for name in ("raises", "hangs", "sometimes")] == [2, 2, 1]
    condensed = {one.balancer: one for one in summaries(study, "router")}
    assert (condensed["failing:sometimes"].rows, condensed["failing:sometimes"].failures) == (2, 1)
    assert condensed["failing:sometimes"].gap.mean == 0.0
    assert np.isnan(condensed["failing:raises"].gap.mean)
    pairs = {one.balancer: (one.pairs, one.possible) for one in comparisons(study, "router")}
    assert pairs["failing:sometimes"] == (1, 2)
    assert "| router | failing:crashes | crashes | 2/2 |" in markdown(study)


def with_methods(methods):
    """A study of two small sizes with these methods, as they stand in the file."""
    text = SMALL[: SMALL.index("[scheduler]")].replace('["topk", "quantile", "midpoint"]', methods)
    return decode(
        text.replace('baseline = "topk"', "").replace("tokens = 32, experts = 8", "tokens = 20, experts = 5"), "x"
    )


def test_what_is_said_of_a_method_holds_in_its_rows_and_what_it_refuses_is_no_failure(tmp_path):
    study = run_study(with_methods('["quantile", {name = "topk", accepts = "E % 4 == 0"}]'), tmp_path)
    assert {(row.about["experts"], row.refused) for row in study.rows if row.balancer == "topk"} == {
        (4, False),
        (5, True),
    }
    assert not failures(study)
    assert {(one.balancer, one.failures, one.refused) for one in summaries(study, "router")} == {
        ("quantile", 0, 0),
        ("topk", 0, 4),
    }
    assert "## Refused" in markdown(study)
    assert "0 failed, 4 refused" in markdown(study)


def test_what_is_said_of_a_method_is_part_of_the_key_of_its_rows():
    plain, other = Method("mine:route"), Method("mine:route", accepts="K < 2")
    assert plain.to_dict() == {}
    assert other.to_dict() == {"accepts": "K < 2"}


@pytest.mark.parametrize("said", ['accepts = "K < Q"', 'form = "no-such-form"', 'declares = ["no such thing"]'])
def test_what_means_nothing_is_refused_with_the_method_and_what_is_allowed(said):
    with pytest.raises(InvalidFile, match=r"router\.methods: topk: .*allowed"):
        with_methods(f'[{{name = "topk", {said}}}]')


def test_failed_rows_are_measured_again_only_when_asked_for(failing):
    lacking = (
        'if not os.path.exists(__file__ + ".data"):\n        raise ValueError("boom")\n    return slow(scores, top_k)'
    )
    (failing / "failing.py").write_text(FAILING.replace('raise ValueError("boom")', lacking))
    description = small(["topk", "failing:raises"], skew="[0.0]", seeds="[0]")
    run_study(description, failing)
    (failing / "failing.py.data").write_text("here now")
    assert failures(run_study(description, failing))
    assert not failures(run_study(description, failing, retry=True))


def test_rows_are_made_again_for_the_method_whose_file_has_changed_and_for_no_other(failing, monkeypatch):
    description = small(["topk", "failing:slow"], skew="[0.0]", seeds="[0]")
    first = run_study(description, failing)
    measure = running.measure
    (failing / "failing.py").write_text(FAILING.replace("-scores", "scores"))
    asked = []
    monkeypatch.setattr(running, "measure", lambda task: (asked.extend(task.keys), measure(task))[1])
    second = run_study(description, failing)
    assert asked == ["failing:slow"] * 2
    pairs = zip(first.rows, second.rows, strict=True)
    changed = {(old.balancer, old.key == new.key, old["score"] == new["score"]) for old, new in pairs}
    assert changed == {("topk", True, True), ("failing:slow", False, False)}
    assert run_study(description, failing).rows == second.rows
    assert len(asked) == 2


def test_a_study_in_which_everything_failed_is_an_error_and_its_rows_are_kept(failing):
    description = small(["failing:hangs"], seconds="0.3", skew="[0.0]", seeds="[0]")
    with pytest.raises(OracleError, match="all 2 rows of the study failed; the first, failing:hangs on softmax"):
        run_study(description, failing)
    rows = [row for rows in RowFile(failing / ROWS).rows.values() for row in rows]
    assert [row.kind for row in rows] == ["hangs", "hangs"]
    assert {row.error for row in rows} == {"it did not finish within 0.3 s"}, "the same words every time"


def test_unknown_methods_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(TargetNotFound, match="nonsense"):
        run_study(small(["nonsense"]), tmp_path)
    (tmp_path / ROWS).write_text("not a table")
    with pytest.raises(InvalidFile, match="cannot be read as rows"):
        run_study(small(), tmp_path)
    polars.DataFrame({"other": [1]}).write_parquet(tmp_path / ROWS)
    with pytest.raises(InvalidFile, match="other columns"):
        run_study(small(), tmp_path)


def test_comparisons_are_differences_of_the_same_cases(finished):
    study, _ = finished
    rows = {(row.balancer, row.instance, row.seed): row for row in study.of("router")}
    quantile = next(one for one in comparisons(study, "router") if one.balancer == "quantile")
    cases = [(row.instance, row.seed) for row in study.of("router") if row.balancer == "topk"]
    differences = [rows["quantile", *case]["imbalance"] - rows["topk", *case]["imbalance"] for case in cases]
    assert quantile.differences["max_vio"].mean == pytest.approx(np.mean(differences))
    assert quantile.better + quantile.equal + quantile.worse == quantile.pairs == len(cases)


PLANNERS = """
title = "Planners"
seeds = [0]
[planner]
methods = ["no-copies", "moonep", "llep"]
devices = 4
[[planner.instances]]
kind = "generated"
zipf = [1.0]
experts = [16]
tokens = 4000
"""


def test_planners_are_studied_as_the_other_roles_are(tmp_path):
    study = run_study(decode(PLANNERS, "planners.toml"), tmp_path)
    peaks = {row.balancer: row["peak"] for row in study.of("planner")}
    assert set(peaks) == {"no-copies", "moonep", "llep"}
    assert peaks["no-copies"] > peaks["llep"] >= peaks["moonep"] == 1000
    assert not any(row.unproved for row in study.rows)
    assert "moonep" in markdown(study)
