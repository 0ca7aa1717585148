"""The command line as a process: output, exit codes, wrong input, interruption."""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from command_line import environment, run, wait_until
from equipoise import cli
from equipoise.solvers.child import ChildFailed
from equipoise.solvers.engines import ENGINES
from test_docs import missing

ROUTERS = """
import numpy as np

def route(scores, top_k):
    print("noise")
    return np.argsort(-scores, axis=1)[:, :top_k]

def breaks(scores, top_k):
    raise ValueError("boom")

def slow(scores, top_k):
    import threading
    open("started", "w").close()
    threading.Event().wait()
"""


@pytest.fixture
def folder(tmp_path):
    """A working folder with a small score matrix, a trace and a module of routers."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "scores.npy", rng.random((64, 8), np.float32))
    np.savez(tmp_path / "trace.npz", scores=rng.random((3, 32, 4)), top_k=2)
    (tmp_path / "routers.py").write_text(ROUTERS)
    return tmp_path


def test_help_imports_no_array_library_and_no_solver():
    code = (
        "import sys\n"
        "from equipoise.cli import run\n"
        "assert run(['--help']) == 0\n"
        "heavy = {'numpy', 'ortools', 'pulp', 'numba', 'hypothesis', 'rich', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    "words", [["list"], ["check", "routers:breaks", "--examples", "5"], ["audit", "routers:breaks"], ["frobnicate"]]
)
def test_the_processes_of_these_tests_do_what_the_command_does(folder, words):
    command = [sys.executable, "-m", "equipoise", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment(), timeout=120)
    forked = run(folder, *words)
    assert (forked.returncode, forked.stdout, forked.stderr) == (done.returncode, done.stdout, done.stderr)


def test_what_solve_certifies_verify_accepts(folder):
    solved = run(folder, "solve", "scores.npy", "--top-k", 2, "-o", "proof.json", "--format", "json")
    assert solved.returncode == 0, solved.stderr
    answer = json.loads(solved.stdout)
    assert (answer["status"], answer["evidence"]) == ("optimal", "certified")
    assert answer["lower"] == answer["upper"] == answer["objective"]
    for more in ([], ["--problem", "scores.npy", "--top-k", 2]):
        verified = run(folder, "verify", "proof.json", *more)
        assert verified.returncode == 0
        assert verified.stdout.startswith("VERIFIED")


def tampered(folder, field, value):
    content = json.loads((folder / "proof.json").read_text())
    content[field][0] = value(content[field][0])
    (folder / "tampered.json").write_text(json.dumps(content))
    return run(folder, "verify", "tampered.json", "--format", "json")


def test_a_certificate_whose_bound_or_answer_is_tampered_with_is_rejected_with_code_1(folder):
    run(folder, "solve", "scores.npy", "--top-k", 2, "-o", "proof.json")
    for field, value in (("prices", lambda _: -1), ("experts", lambda _: [0, 0])):
        verified = tampered(folder, field, value)
        assert verified.returncode == 1
        document = json.loads(verified.stdout)
        assert (document["verdict"], document["status"], document["gap"]) == ("REJECTED", None, None)


def test_an_answer_that_does_not_meet_its_proved_bound_is_verified_as_bounded_with_code_3(folder):
    solved = run(folder, "solve", "scores.npy", "--top-k", 2, "-o", "proof.json", "--format", "json")
    best = Fraction(json.loads(solved.stdout)["objective"])
    verified = tampered(folder, "prices", lambda price: price + 1)
    assert verified.returncode == 3
    document = json.loads(verified.stdout)
    lower, upper = Fraction(document["lower"]), Fraction(document["upper"])
    assert (document["verdict"], document["status"]) == ("VERIFIED", "bounded")
    assert best == lower < upper
    assert Fraction(document["gap"]) == (upper - lower) / upper
    assert run(folder, "verify", "tampered.json").stdout.startswith("VERIFIED, bounded: ")


def test_solve_writes_the_proof_of_a_bound_where_nothing_more_is_proved(folder):
    problem = {"schema": "equipoise-problem/2", "kind": "communication", "alpha": "1/3"}
    problem["source_load"] = [[2, 0, 0, 0], [0, 4, 3, 3], [1, 3, 4, 2]]
    problem["hosts"] = [[1, 0, 0], [0, 0, 1], [1, 1, 1], [1, 1, 0]]
    (folder / "links.json").write_text(json.dumps(problem))
    solved = run(folder, "solve", "links.json", "-o", "bound.json", "--format", "json")
    found = json.loads(solved.stdout)
    assert (solved.returncode, found["status"], found["certificate"]) == (3, "bounded", "bound.json")
    verified = run(folder, "verify", "bound.json", "--problem", "links.json", "--format", "json")
    said = json.loads(verified.stdout)
    assert (verified.returncode, said["status"]) == (3, "bounded")
    assert (said["lower"], said["upper"]) == (found["lower"], found["objective"])


def test_a_certificate_of_another_problem_is_rejected_with_code_1(folder):
    run(folder, "solve", "scores.npy", "--top-k", 2, "-o", "proof.json")
    verified = run(folder, "verify", "proof.json", "--problem", "scores.npy", "--top-k", 3)
    assert verified.returncode == 1
    assert "another problem" in verified.stdout


def test_a_certificate_without_its_problem_needs_the_problems_file(folder):
    run(folder, "solve", "scores.npy", "--top-k", 2, "-o", "proof.json")
    content = json.loads((folder / "proof.json").read_text())
    content["problem"] = None
    (folder / "proof.json").write_text(json.dumps(content))
    alone = run(folder, "verify", "proof.json")
    assert alone.returncode == 2
    assert "--problem" in alone.stderr
    assert run(folder, "verify", "proof.json", "--problem", "scores.npy", "--top-k", 2).returncode == 0


def test_every_engine_solves_from_the_command_line_to_the_same_optimum(folder):
    listed = json.loads(run(folder, "list", "--format", "json").stdout)["solvers"]
    answers = set()
    names = [entry["name"] for entry in listed if entry["problem"] == "AssignmentProblem"]
    for name in names:
        solved = run(folder, "solve", "scores.npy", "--top-k", 2, "--solver", name, "--format", "json")
        assert solved.returncode == 0, solved.stderr
        answers.add(json.loads(solved.stdout)["objective"])
    assert len(names) == 7
    assert len(answers) == 1


def test_audit_of_a_module_is_pure_json_with_every_row_certified(folder):
    audited = run(folder, "audit", "routers:route", "bip", "--trace", "trace.npz", "--format", "json")
    assert audited.returncode == 0, audited.stderr
    document = json.loads(audited.stdout)
    assert document["schema"] == "equipoise-audit/2"
    assert {row["balancer"] for row in document["rows"]} == {"routers:route", "bip"}
    assert all(row["evidence"] == {"optimum": "certified"} for row in document["rows"])
    assert {tuple(row["warnings"]) for row in document["rows"]} == {(), ("it prints to standard output",)}
    assert len(document["rows"]) == 6
    assert document["environment"]["ortools"]


def test_audit_of_a_router_that_breaks_ends_with_code_1_and_says_where(folder):
    audited = run(folder, "audit", "routers.py:breaks", "--trace", "trace.npz")
    assert audited.returncode == 1
    assert "ValueError: boom (routers.py, line 9)" in audited.stdout
    assert "Traceback" not in audited.stdout + audited.stderr


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_audit_prints_one_line_per_router_in_every_human_format(folder, form):
    audited = run(folder, "audit", "topk", "loss-free", "--trace", "trace.npz", "--format", form, "--passes", 3)
    assert audited.returncode == 0
    assert "topk" in audited.stdout
    assert "loss-free" in audited.stdout
    assert "3 times" in audited.stdout
    assert audited.stderr == ""
    assert "\x1b" not in audited.stdout


def test_doctor_finds_every_engine_working_and_names_versions(folder):
    examined = run(folder, "doctor", "--format", "json")
    document = json.loads(examined.stdout)
    assert examined.returncode == 0
    assert {entry["outcome"] for entry in document["engines"]} == {"works"}
    assert len(document["engines"]) > 6
    assert {"equipoise", "python", "ortools", "pulp", "numpy"} <= set(document["versions"])


@pytest.mark.parametrize(
    "together", [ChildFailed("died"), TimeoutError("late"), ["broken", *["works"] * (len(ENGINES) - 1)]]
)
def test_doctor_tries_alone_what_did_not_work_together(together, monkeypatch, capsys):
    def call(module, function, kind, *, time_limit):
        if isinstance(together, Exception):
            raise together
        return [outcome for engine, outcome in zip(ENGINES, together, strict=True) if engine.problem.__name__ == kind]

    alone = []
    doctor = importlib.import_module("equipoise.cli.doctor")
    monkeypatch.setattr("equipoise.solvers.child.call", call)
    monkeypatch.setattr(doctor, "_try", lambda engine, limit: alone.append((engine, limit)) or f"{engine.name} broke")
    assert cli.run(["doctor", "--format", "json"]) == 3
    outcomes = [entry["outcome"] for entry in json.loads(capsys.readouterr().out)["engines"]]
    count = 1 if isinstance(together, list) else len(ENGINES)
    assert alone == [(engine, doctor.SECONDS) for engine in ENGINES[:count]]
    assert outcomes == [f"{engine.name} broke" for engine, _ in alone] + ["works"] * (len(ENGINES) - count)


def test_doctor_shows_its_progress_on_a_terminal_and_nothing_in_a_pipe(monkeypatch, capsys):
    steps = []

    @contextlib.contextmanager
    def progress(what):
        yield lambda done, total: steps.append((done, total))

    doctor = importlib.import_module("equipoise.cli.doctor")
    monkeypatch.setattr("equipoise.solvers.child.call", lambda *arguments, time_limit: ["works"] * len(ENGINES))
    monkeypatch.setattr(doctor, "groupby", lambda engines, key: [("all", engines)])
    assert cli.run(["doctor"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(doctor, "progress", progress)
    assert cli.run(["doctor"]) == 0
    assert steps == [(done, len(ENGINES)) for done in range(len(ENGINES) + 1)]


WRONG = {
    "no such command": ["frobnicate"],
    "no such option": ["audit", "--frobnicate"],
    "no such file": ["solve", "missing.npy", "--top-k", 2],
    "no top-k": ["solve", "scores.npy"],
    "top-k above E": ["solve", "scores.npy", "--top-k", 9],
    "top-k zero": ["solve", "scores.npy", "--top-k", 0],
    "top-k not a number": ["solve", "scores.npy", "--top-k", "two"],
    "capacity too small": ["solve", "scores.npy", "--top-k", 2, "--capacity", 15],
    "capacity negative": ["solve", "scores.npy", "--top-k", 2, "--capacity", -1],
    "capacity huge": ["solve", "scores.npy", "--top-k", 2, "--capacity", 10**30],
    "no such solver": ["solve", "scores.npy", "--top-k", 2, "--solver", "gurobi"],
    "time limit zero": ["solve", "scores.npy", "--top-k", 2, "--time-limit", 0],
    "time limit nan": ["solve", "scores.npy", "--top-k", 2, "--time-limit", "nan"],
    "output nowhere": ["solve", "scores.npy", "--top-k", 2, "-o", "missing/proof.json"],
    "not a certificate": ["verify", "scores.npy"],
    "certificate missing": ["verify", "missing.json"],
    "a module as certificate": ["verify", "routers.py"],
    "no such target": ["audit", "nonsense"],
    "no such module": ["audit", "no.such.module:route"],
    "no such attribute": ["audit", "routers:nothing"],
    "trace of the wrong kind": ["audit", "--trace", "routers.py"],
    "trace without k": ["audit", "topk", "--trace", "scores.npy"],
    "trace with k too large": ["audit", "topk", "--trace", "scores.npy", "--top-k", 99],
    "top-k without trace": ["audit", "topk", "--top-k", 2],
    "no passes": ["audit", "bip", "--passes", 0],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_gets_one_sentence_and_code_2(folder, name):
    failed = run(folder, *WRONG[name])
    assert failed.returncode == 2, failed.stdout + failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""
    sentence = [line for line in failed.stderr.splitlines() if line.lower().startswith("error:")]
    assert len(sentence) == 1
    assert not list(folder.glob("*.partial")) + list(folder.glob(".*.partial"))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "routers:slow", "--trace", "trace.npz"],
        ["solve", "large.npy", "--top-k", "8", "--solver", "ortools-flow", "-o", "p"],
    ],
)
def test_ctrl_c_ends_with_code_130_at_once_and_leaves_nothing_behind(folder, arguments):
    if "large.npy" in arguments:
        np.save(folder / "large.npy", np.random.default_rng(0).random((32_768, 128), np.float32))
    before = {path.name for path in folder.iterdir()}
    command = [sys.executable, "-m", "equipoise", *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=folder, env=environment(), **options) as process:
        busy = (folder / "started").exists if "audit" in arguments else lambda: has_children(process.pid)
        wait_until(lambda: process.poll() is not None or busy())
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, words = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in words
    assert {path.name for path in folder.iterdir()} - {"__pycache__", "started"} == before


def has_children(pid):
    """Whether a process has started another: the solver's, in which it runs."""
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def test_the_demo_shows_a_counter_example_of_one_token_more_than_a_tile_and_leaves_nothing_behind(tmp_path):
    shown = run(tmp_path, "demo")
    assert shown.returncode == 0, shown.stderr
    assert "smallest sizes that fail: T = 9" in " ".join(shown.stdout.split())
    assert "checks ran, 0 found something" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    readme = Path(__file__).parents[1] / "README.md"
    if readme.exists():
        told = readme.read_text().partition("    $ equipoise demo\n")[2].partition("\n\n")[0].splitlines()
        assert len(told) > 5
        assert missing([line.strip() for line in told], shown.stdout) is None
