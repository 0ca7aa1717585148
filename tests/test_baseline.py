"""Baselines: what got worse is found, what cannot be compared is refused, files are whole and diff well."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import run
from equipoise.audits.baseline import SCHEMA, Baseline
from equipoise.audits.data import hashes
from equipoise.audits.measures import Row
from equipoise.audits.router import AUDIT as KIND
from equipoise.errors import InvalidFile
from equipoise.traces import Instance, LoadInstance, LoadSeries
from test_cli import folder

__all__ = ["folder"]

MADE = {"role": "router", "passes": 50}
INSTANCES = {"a": "0" * 16, "b": "1" * 16}


def row(target, name, regret=0.0, max_vio=0.0, error=None):
    values = {"relative_regret": regret, "max_vio": max_vio}
    return Row(target, name, values={} if error else values, error=error)


shares = st.one_of(st.floats(0, 3), st.just(float("inf")))
tables = st.lists(
    st.tuples(st.sampled_from("xy"), st.sampled_from("ab"), shares, shares), unique_by=lambda r: r[:2], max_size=4
).map(lambda table: [row(*entry) for entry in table])


@given(tables, st.floats(0, 0.5))
def test_an_audit_is_neither_better_nor_worse_than_itself(rows, tolerance):
    found = Baseline.of(MADE, INSTANCES, rows, KIND).compare(rows, KIND, tolerance)
    assert (found.worse, found.better, found.compared) == ([], [], 2 * len(rows))


@given(tables, st.integers(0, 3), st.floats(0.001, 1), st.floats(0, 0.5))
def test_a_gap_is_worse_exactly_if_it_grew_by_more_than_the_tolerance(rows, index, growth, tolerance):
    before = Baseline.of(MADE, INSTANCES, rows, KIND)
    if index >= len(rows) or rows[index]["relative_regret"] == float("inf"):
        return
    old = rows[index]["relative_regret"]
    grown = replace(rows[index], values=rows[index].values | {"relative_regret": old + growth})
    now = [*rows[:index], grown, *rows[index + 1 :]]
    found = before.compare(now, KIND, tolerance)
    expected = old + growth > old + tolerance
    assert [(c.instance, c.gap, c.before, c.now) for c in found.worse] == (
        [(grown.instance, "regret", old, old + growth)] if expected else []
    )
    back = Baseline.of(MADE, INSTANCES, now, KIND).compare(rows, KIND, tolerance)
    assert (bool(back.better), back.worse) == (expected, [])


@given(tables)
def test_a_baseline_goes_through_its_file_unchanged_and_the_file_does_not_depend_on_order(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    baseline = Baseline.of(MADE, INSTANCES, rows, KIND)
    baseline.save(path, {})
    assert Baseline.load(path) == baseline
    content = path.read_bytes()
    Baseline.of(dict(reversed(MADE.items())), dict(reversed(INSTANCES.items())), rows[::-1], KIND).save(path, {})
    assert path.read_bytes() == content


def test_broken_rows_are_not_compared():
    known = Baseline.of(MADE, INSTANCES, [row("x", "a", 0.1)], KIND)
    assert known.compare([row("x", "a", error="boom")], KIND).compared == 0


@pytest.mark.parametrize(
    ("made", "instances", "targets", "words"),
    [
        (MADE | {"passes": 9}, INSTANCES, ["x"], "passes 50, this audit has 9"),
        (MADE | {"more": 1}, INSTANCES, ["x"], "more none, this audit has 1"),
        (MADE, INSTANCES | {"b": "2" * 16}, ["x"], "1 differ or are missing, first b"),
        (MADE, {"a": "0" * 16}, ["x"], "1 differ or are missing, first b"),
        (MADE, INSTANCES | {"c": "0" * 16}, ["x"], "1 differ or are missing, first c"),
        (MADE, INSTANCES, ["x", "z"], "knows x, not 'z'"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(made, instances, targets, words):
    baseline = Baseline.of(MADE, INSTANCES, [row("x", "a"), row("x", "b")], KIND)
    baseline.expect(MADE, INSTANCES, ["x"])
    with pytest.raises(InvalidFile, match="--update-baseline") as raised:
        baseline.expect(made, instances, targets)
    assert words in str(raised.value)


def test_the_hash_tells_scores_k_sequence_and_loads_apart():
    scores = np.arange(6, dtype=np.float32).reshape(2, 3)
    one = Instance("n", scores, 1, "s")
    others = [
        Instance("n", scores + 1, 1, "s"),
        Instance("n", scores.astype(np.float64), 1, "s"),
        Instance("n", scores.reshape(3, 2), 1, "s"),
        Instance("n", scores, 2, "s"),
        Instance("n", scores, 1, "t"),
        LoadInstance("n", np.arange(6)),
        LoadSeries("n", np.arange(6).reshape(2, 3), "r"),
        LoadSeries("n", np.arange(6).reshape(2, 3), "s"),
    ]
    assert hashes({"n": Instance("n", np.asfortranarray(scores), 1, "s")}) == hashes({"n": one})
    assert len({hashes({"n": other})["n"] for other in [one, *others]}) == 9


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not a baseline"),
        ("[]", "is not a baseline"),
        ("[" * 100_000, "is not a baseline"),
        ('{"schema": "equipoise-baseline/0"}', "of the schema 'equipoise-baseline/0', this version reads"),
        (f'{{"schema": "{SCHEMA}"}}', "is not a baseline"),
        (
            f'{{"schema": "{SCHEMA}", "made": {{}}, "instances": {{}}, "gaps": {{"x": {{"a": 3}}}}}}',
            "is not a baseline",
        ),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_in_one_sentence(tmp_path, content, words):
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(InvalidFile, match=words) as raised:
        Baseline.load(tmp_path / "b.json")
    assert "\n" not in str(raised.value)


IMPROVABLE = """
import os
import numpy as np

def mine(scores, top_k):
    if os.path.exists("good"):
        return np.argsort(-scores, axis=1)[:, :top_k]
    return np.tile(np.arange(top_k), (len(scores), 1))
"""

AUDIT = ("audit", "mine:mine", "--trace", "trace.npz", "--baseline", "b.json")


def test_a_router_that_got_worse_fails_the_audit_and_one_that_got_better_is_named(folder):
    (folder / "mine.py").write_text(IMPROVABLE)
    missing = run(folder, *AUDIT)
    assert (missing.returncode, missing.stderr.strip()) == (
        2,
        "error: there is no baseline b.json; --update-baseline makes it",
    )
    (folder / "good").touch()
    assert run(folder, *AUDIT, "--update-baseline").returncode == 0
    stored = (folder / "b.json").read_bytes()
    again = run(folder, *AUDIT)
    assert again.returncode == 0, again.stderr
    assert "None of 6 gaps is worse" in again.stdout
    (folder / "good").unlink()
    worse = run(folder, *AUDIT, "--format", "markdown")
    assert worse.returncode == 1
    assert "gaps are worse than in b.json" in worse.stdout
    assert "| mine:mine | 0 | regret | 0.00% |" in worse.stdout
    document = json.loads(run(folder, *AUDIT, "--format", "json").stdout)
    assert {change["gap"] for change in document["baseline"]["worse"]} >= {"regret"}
    assert run(folder, *AUDIT, "--tolerance", "500%").returncode == 0
    assert (folder / "b.json").read_bytes() == stored
    assert run(folder, *AUDIT, "--update-baseline").returncode == 0
    (folder / "good").touch()
    better = run(folder, *AUDIT)
    assert better.returncode == 0
    assert "gaps are better than in b.json" in better.stdout
    assert "--update-baseline keeps what is better." in better.stdout


def test_a_broken_target_makes_no_baseline(folder):
    made = run(folder, "audit", "routers:breaks", "--trace", "trace.npz", "--baseline", "b.json", "--update-baseline")
    assert made.returncode == 1
    assert "b.json is not written" in made.stdout
    assert not (folder / "b.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--role", "scheduler", "even", "--trace", "loads.npz", "--slots", 12, "--devices", 4),
        ("--role", "placer", "eplb", "--trace", "loads.npz", "--slots", 12, "--devices", 4, "--time-limit", 0.1),
        ("--role", "placer", "eplb", "--trace", "loads.npz", "--against", "others.npz", "--slots", 12, "--devices", 4)
        + ("--time-limit", 0.1),
        ("topk", "--trace", "trace.npz", "--stream"),
        ("--role", "predictor", "ema", "--trace", "series.npz", "--horizon", 5),
        ("--role", "predictor", "ema", "--trace", "series.npz", "--horizon", 5, "--value"),
    ],
)
def test_every_audit_is_as_good_as_its_own_baseline_and_refuses_another_one(folder, options):
    rng = np.random.default_rng(0)
    for name in ("loads.npz", "others.npz"):
        np.savez(folder / name, load=rng.integers(1, 50, (2, 8)))
    np.savez(folder / "series.npz", load=rng.integers(1, 50, (20, 1, 8)))
    stored = ("--baseline", "b.json")
    assert run(folder, "audit", *options, *stored, "--update-baseline").returncode == 0
    again = run(folder, "audit", *options, *stored)
    assert again.returncode == 0, again.stderr
    assert "is worse than in b.json" in again.stdout
    other = run(folder, "audit", "topk", "--trace", "trace.npz", *stored)
    assert other.returncode == 2
    assert "the baseline was made with" in other.stderr


FORECASTS = """
import os
import numpy as np
from equipoise.errors import TargetUnable

def mine(history, horizon):
    if os.path.exists("unable"):
        raise TargetUnable("too little is known")
    return np.tile(history[-1] if os.path.exists("worse") else history.mean(axis=0), (horizon, 1))
"""


def test_a_predictor_that_got_worse_or_gives_no_forecast_any_more_fails_the_audit(folder):
    (folder / "mine.py").write_text(FORECASTS)
    loads = np.random.default_rng(0).multinomial(1000, np.full(4, 0.25), (40, 1))
    np.savez(folder / "series.npz", load=loads)
    command = ("audit", "mine:mine", "--trace", "series.npz", "--horizon", 10, "--origins", 2, "--baseline", "b.json")
    assert run(folder, *command, "--update-baseline").returncode == 0
    same = run(folder, *command)
    assert (same.returncode, "None of 8 gaps is worse" in same.stdout) == (0, True), same.stderr
    for change, words in (("worse", "| mine:mine | layer0 after 30, horizon 10 | mean |"), ("unable", "inf%")):
        (folder / change).touch()
        worse = run(folder, *command, "--format", "markdown")
        assert worse.returncode == 1, worse.stderr
        assert words in worse.stdout
    other = run(folder, *command, "--horizon", 5)
    assert "made with horizon [10], this audit has [10, 5]" in other.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--update-baseline"],
        ["--tolerance", "1%"],
        ["--baseline", "b.json", "--tolerance", "much"],
        ["--baseline", "b.json", "--update-baseline", "--tolerance", "1%"],
        ["--baseline", "no/such/folder/b.json", "--update-baseline"],
    ],
)
def test_wrong_use_gets_one_sentence_and_code_2(folder, options):
    failed = run(folder, "audit", "topk", "--trace", "trace.npz", *options)
    assert failed.returncode == 2
    assert sum(line.lower().startswith("error:") for line in failed.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("made", "now"),
    [
        ({"role": "router", "stream": False, "passes": 50}, {"role": "router", "variant": "", "passes": 50}),
        ({"role": "router", "stream": True, "passes": 1}, {"role": "router", "variant": "stream"}),
        (
            {"role": "scheduler", "placement": "eplb", "sizes": {"slots": 12, "devices": 4}},
            {"role": "scheduler", "variant": "", "placement": "eplb", "slots": 12, "devices": 4},
        ),
        (
            {"role": "predictor", "horizons": [5], "origins": 4},
            {"role": "predictor", "variant": "", "horizon": [5], "origins": 4},
        ),
        (
            {"role": "predictor", "horizons": [5], "origins": 1, "placement": "eplb"},
            {"role": "predictor", "variant": "value", "horizon": [5], "origins": 1, "placement": "eplb"},
        ),
    ],
)
def test_a_baseline_of_the_first_version_is_still_read(tmp_path, made, now):
    gaps = {"x": {"a": {"regret": 0.5}}}
    document = {"schema": "equipoise-baseline/1", "environment": {}, "made": made, "instances": INSTANCES, "gaps": gaps}
    (tmp_path / "b.json").write_text(json.dumps(document))
    assert Baseline.load(tmp_path / "b.json") == Baseline(now, INSTANCES, gaps)


def test_placers_of_the_first_version_are_read_under_todays_names_unless_two_records_were_crossed(tmp_path):
    made = {"role": "placer", "workloads": None, "sizes": {"slots": 12}}
    gaps = {"eplb": {"step0/layer0 of loads.npz": {"even": 0.5}}}
    document = {"schema": "equipoise-baseline/1", "environment": {}, "made": made, "instances": INSTANCES, "gaps": gaps}
    (tmp_path / "b.json").write_text(json.dumps(document))
    found = Baseline.load(tmp_path / "b.json")
    assert found.gaps == {"eplb": {"step0/layer0": {"even": 0.5}}}
    assert found.made == {"role": "placer", "variant": "", "slots": 12, "against": None}
    document["made"]["workloads"] = ["a.npz", "b.npz"]
    (tmp_path / "b.json").write_text(json.dumps(document))
    with pytest.raises(InvalidFile, match="of the schema"):
        Baseline.load(tmp_path / "b.json")
