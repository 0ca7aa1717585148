"""`equipoise study` as a process: output, exit codes, interruption."""

import json
import os
import signal
import subprocess
import sys

import polars
import pytest

from command_line import environment, run, wait_until
from equipoise import cli
from equipoise.cli.show import show_table
from study_cases import FAILING, SMALL

TINY = """
title = "Tiny"
seeds = [0]

[router]
methods = ["topk", "midpoint"{more}]
seconds = 20.0

[[router.instances]]
kind = "generated"
gate = ["softmax"]
skew = [{skews}]
size = [{{ tokens = 24, experts = 4, top_k = 2 }}]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "tiny.toml").write_text(TINY.format(more="", skews="1.0"))
    return tmp_path


def test_a_study_writes_rows_and_both_reports_and_says_where(folder):
    done = run(folder, "study", "tiny.toml", "--out", "mine")
    assert done.returncode == 0, done.stderr
    assert "midpoint" in done.stdout
    assert "mine/report.html" in done.stdout
    assert sorted(path.name for path in (folder / "mine").iterdir()) == ["report.html", "report.md", "rows.parquet"]
    again = run(folder, "study", "tiny.toml", "--out", "mine", "--format", "markdown", "--workers", 2)
    assert again.stdout == (folder / "mine" / "report.md").read_text()


def test_json_has_summaries_comparisons_failures_and_rows(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert cli.run(["study", "tiny.toml", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "equipoise-study/2"
    assert [one["balancer"] for one in document["summaries"]] == ["topk", "midpoint"]
    assert len(document["rows"]) == 2
    assert document["comparisons"][0]["differences"]["relative_regret"]["mean"] == 0.0
    assert document["failures"] == []


def test_predictors_have_lines_by_horizon_and_no_certificate_is_missed(folder, monkeypatch, capsys):
    (folder / "loads.json").write_text(json.dumps({"logical_count": [[[3 + s % 3, 5, 4, 8]] for s in range(30)]}))
    (folder / "mine.py").write_text(
        "import numpy as np\n\ndef last(history, horizon):\n    return history[[-1] * horizon]\n"
    )
    (folder / "loads.toml").write_text(
        'title = "Loads"\nseeds = [0]\n[predictor]\nmethods = ["persistence", "mine.py:last"]\nhorizons = [1, 10, 99]\n'
        '[[predictor.instances]]\nkind = "file"\npath = "loads.json"\n'
    )
    monkeypatch.chdir(folder)
    assert cli.run(["study", "loads.toml", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(one["group"]["horizon"], one["balancer"]) for one in document["summaries"]] == [
        (1, "persistence"),
        (1, "mine.py:last"),
        (10, "persistence"),
        (10, "mine.py:last"),
    ]
    assert [one["differences"]["error_step"]["mean"] for one in document["comparisons"]] == [0.0, 0.0]
    assert cli.run(["study", "loads.toml"]) == 0
    assert "per step: floor" in capsys.readouterr().out


def test_words_in_brackets_are_shown_and_not_taken_for_colours(capsys):
    show_table(["failure [kind]"], [["pip install 'equipoise[train]' [red]"]], "table", "[bold] title")
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("failure [kind]", "equipoise[train]' [red]", "[bold] title"))


def test_failures_are_code_1_and_nothing_but_failures_code_3(folder):
    (folder / "some.toml").write_text(TINY.format(more=', "failing:raises"', skews="1.0"))
    some = run(folder, "study", "some.toml", "--out", "some")
    assert some.returncode == 1
    assert "boom" in some.stdout
    (folder / "all.toml").write_text(
        TINY.format(more="", skews="1.0").replace('"topk", "midpoint"', '"failing:raises"')
    )
    everything = run(folder, "study", "all.toml", "--out", "all")
    assert everything.returncode == 3
    assert everything.stderr.startswith("error: all 1 rows of the study failed")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.toml"], "missing.toml cannot be read"),
        (["failing.py"], "failing.py is not TOML"),
        (["wrong.toml"], "wrong.toml: router has the key 'passs'; allowed: methods, passes"),
        (["tiny.toml", "--training", "."], "holds no finished training run"),
        (["tiny.toml", "--kill-matrix", "tiny.toml"], "is not a kill matrix"),
        (["tiny.toml", "--workers", "2", "--dask", "x"], "--workers is given beside --dask x"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(folder, arguments, says, monkeypatch, capsys):
    (folder / "wrong.toml").write_text(SMALL.replace("passes", "passs"))
    monkeypatch.chdir(folder)
    assert cli.run(["study", *arguments]) == 2
    words = capsys.readouterr().err
    assert says in words
    assert len(words.strip().splitlines()) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_with_130_and_finished_rows_are_kept(folder, workers):
    skews = ", ".join(f"{0.1 * number:.1f}" for number in range(60))
    (folder / "long.toml").write_text(TINY.format(more=', "failing:slow"', skews=skews))
    command = [sys.executable, "-m", "equipoise", "study", "long.toml", "--workers", str(workers)]
    study = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True
    )
    rows = folder / "study" / "rows.parquet"
    wait_until(rows.exists)
    os.killpg(study.pid, signal.SIGINT)
    _, words = study.communicate(timeout=60)
    assert study.returncode == 130
    assert words.decode().strip() == "interrupted"
    kept = polars.read_parquet(rows)
    assert 0 < len(kept) < 180
    assert kept["key"].is_unique().all()
    assert not [path for path in (folder / "study").iterdir() if path.name.endswith(".partial")]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_while_a_method_hangs_leaves_no_process_behind(folder, workers):
    (folder / "failing.py").write_text(
        FAILING.replace("    threading.Event", "    open(str(os.getpid()), 'w')\n    threading.Event")
    )
    (folder / "stuck.toml").write_text(TINY.format(more=', "failing:hangs"', skews="0.0, 1.0"))
    command = [sys.executable, "-m", "equipoise", "study", "stuck.toml", "--workers", str(workers)]
    study = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, env=environment(), start_new_session=True)
    wait_until(lambda: any(path.name.isdigit() for path in folder.iterdir()))
    stuck = [path for path in folder.iterdir() if path.name.isdigit()]
    os.killpg(study.pid, signal.SIGINT)
    study.communicate(timeout=60)
    assert study.returncode == 130
    assert stuck
    for path in stuck:
        wait_until(lambda process=int(path.name): not alive(process))


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
