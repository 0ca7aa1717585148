"""Workflows, the Action and the hooks do what they promise; the Action's script runs as GitHub would run it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise.checks.engine.registry import select
from equipoise.cli.github import LARGEST_SUMMARY, Annotation, post, source_of

ROOT = Path(__file__).parents[1]
if not (ROOT / "action.yml").is_file():
    pytest.skip("the tests run outside a checkout: action.yml is not here", allow_module_level=True)

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SCRIPT = ROOT / ".github" / "equipoise_check.py"
WORKFLOWS = {
    path.relative_to(ROOT).as_posix(): yaml.safe_load(path.read_text())
    for folder in (ROOT / ".github", ROOT / "examples" / "router" / ".github")
    for path in (folder / "workflows").glob("*.yml")
}
STEPS = [step for flow in WORKFLOWS.values() for job in flow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read_and_every_job_has_an_end(name):
    flow = WORKFLOWS[name]
    assert flow["permissions"] == {"contents": "read"}
    for job in flow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 360


def test_actions_are_pinned_to_a_major_version_and_checkouts_keep_no_credentials():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [name for name in used if name != "./" and not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []
    versions = {name.partition("@")[0]: set() for name in used if name != "./"}
    for name in set(used) - {"./"}:
        versions[name.partition("@")[0]].add(name)
    assert [found for found in versions.values() if len(found) > 1] == []
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_expression_is_pasted_into_a_shell():
    assert [step["run"] for step in [*STEPS, *ACTION["runs"]["steps"]] if "${{" in step.get("run", "")] == []


def test_tests_run_on_every_python_that_the_package_names_on_linux_and_macos():
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    matrix = WORKFLOWS[".github/workflows/tests.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == named
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos"]


def test_the_nightly_profile_is_one_that_the_tests_know():
    (job,) = WORKFLOWS[".github/workflows/nightly.yml"]["jobs"].values()
    assert f'register_profile("{job["env"]["EQUIPOISE_PROFILE"]}"' in (ROOT / "tests" / "conftest.py").read_text()


def test_every_input_of_the_action_reaches_its_script_as_a_variable_of_that_name():
    step = ACTION["runs"]["steps"][-1]
    inputs = set(ACTION["inputs"]) - {"working-directory"}
    assert step["env"] == {f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in inputs}
    read = set(re.findall(r'"([a-z-]+)"', SCRIPT.read_text().partition("def run")[0])) - {"check"}
    assert inputs == read | {"target"}
    assert shlex.split(step["run"]) == ["python", "$GITHUB_ACTION_PATH/.github/equipoise_check.py"]
    assert {"target", "role", "max-gap", "baseline"} <= inputs


ROUTERS = """
import numpy as np


def sound(scores, top_k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]


def faulty(scores, top_k):
    raise RuntimeError("::error::no % command, \\n::set-output name=x::y")


def rough(scores, top_k):
    return np.argsort(-np.round(scores, 2), axis=1, kind="stable")[:, :top_k]
"""
TRIED = ("router_answers", "router_gives_k_experts", "router_is_near_the_optimum")


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "routers.py").write_text(ROUTERS)
    np.save(tmp_path / "work" / "scores.npy", np.random.default_rng(0).random((32, 8)))
    left_out = [entry.name for entry in select("router") if entry.name not in TRIED]
    check = f"[check]\nexamples = 3\nexclude = {left_out}\n"
    audit = "[audit]\ntrace = 'scores.npy'\ntop-k = 2\n"
    (tmp_path / "work" / "equipoise.toml").write_text(f"targets = ['routers:sound']\n{check}{audit}")
    return tmp_path


def act(workspace, command=(sys.executable, str(SCRIPT)), **inputs):
    """Run the script as the Action does: inputs as variables, empty where there is none."""
    variables = dict.fromkeys(ACTION["runs"]["steps"][-1]["env"], "") | inputs
    fakes = {"GITHUB_STEP_SUMMARY": str(workspace / "summary.md"), "GITHUB_WORKSPACE": str(workspace)}
    done = subprocess.run(
        command,
        cwd=workspace / "work",
        env={**os.environ, **fakes, **variables, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    summary = workspace / "summary.md"
    return done.returncode, commands(done.stdout), summary.read_text() if summary.exists() else "", done.stderr


def commands(log):
    """Workflow commands that GitHub would obey, read as it reads them."""
    found, token = [], None
    for line in log.splitlines():
        if token is not None:
            token = None if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.startswith("::"):
            found.append(line)
    assert token is None
    return found


def test_a_target_that_passes_is_in_the_summary_and_nowhere_else(workspace):
    code, found, summary, _ = act(workspace)
    assert (code, found) == (0, [])
    assert "## equipoise check: router `routers:sound`" in summary
    assert "| router_answers | passed | " in summary
    assert "equipoise audit" not in summary


def test_a_finding_is_an_annotation_at_the_file_and_nothing_that_the_target_says_is_a_command(workspace):
    code, found, summary, _ = act(workspace, INPUT_TARGET="routers:sound\nrouters:faulty\n")
    assert code == 1
    assert [line.partition("::")[2].partition("::")[0] for line in found] == [
        "error title=router_answers%3A routers%3Afaulty,file=work/routers.py"
    ]
    assert "%25 command" in found[0]
    assert [summary.count(f"`routers:{name}`") for name in ("sound", "faulty")] == [1, 1]
    assert "FAILED" in summary


def test_a_gap_that_grew_fails_the_step_and_is_posted(workspace):
    made = subprocess.run(
        [sys.executable, "-m", "equipoise", "audit", "--baseline=b.json", "--update-baseline"], cwd=workspace / "work"
    )
    assert made.returncode == 0
    (workspace / "work" / "routers.py").write_text(ROUTERS.replace("-scores,", "-scores.round(1),"))
    code, found, summary, _ = act(workspace, INPUT_BASELINE="b.json")
    assert code == 1
    assert len(found) == 1
    assert found[0].startswith("::error title=audit of routers%3Asound,file=work/routers.py::")
    assert "gaps are worse than in b.json, most of all " in found[0]
    assert "## equipoise audit" in summary
    assert act(workspace, INPUT_BASELINE="b.json", INPUT_AUDIT="false")[0] == 0


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"INPUT_TARGET": "routers:gone"}, "gone"),
        ({"INPUT_TARGET": "$(touch pwned); `touch pwned`"}, "$(touch pwned); `touch pwned`"),
        ({"INPUT_TARGET": "--in-process"}, "--in-process"),
        ({"INPUT_MAX_GAP": "little"}, "'little' is not a share"),
        ({"INPUT_AUDIT": "yes"}, "allowed: true or false"),
        ({"INPUT_CONFIG": "gone.toml"}, "gone.toml cannot be read"),
        ({"INPUT_TARGET": "routers:sound", "INPUT_ROLE": "cook"}, "role is 'cook'"),
    ],
)
def test_wrong_input_ends_with_2_and_an_annotation_and_no_shell_reads_it(workspace, inputs, words):
    code, found, _, errors = act(workspace, **inputs)
    assert code == 2, errors
    assert len(found) == 1
    assert words in found[0]
    assert not (workspace / "work" / "pwned").exists()


def read_back(command):
    """Take a workflow command apart as GitHub's runner does."""
    head, _, message = command.removeprefix("::").partition("::")
    level, _, rest = head.partition(" ")
    pairs = dict(pair.split("=", 1) for pair in rest.split(","))

    def plain(text):
        for code, one in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, one)
        return text

    return level, {name: plain(value) for name, value in pairs.items()}, plain(message)


@given(st.text(), st.text(), st.text(min_size=1))
def test_an_annotation_is_one_line_that_says_what_was_put_in(title, message, file):
    line = str(Annotation("warning", title, message, file))
    assert "\n" not in line
    assert "\r" not in line
    assert read_back(line) == ("warning", {"title": title, "file": file}, message)


@pytest.mark.parametrize("before", [0, 100, LARGEST_SUMMARY - 10, LARGEST_SUMMARY])
def test_a_summary_never_outgrows_what_github_keeps(before, tmp_path, monkeypatch, capsys):
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * before)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    post("text", "é" * LARGEST_SUMMARY, [])
    assert before <= summary.stat().st_size <= LARGEST_SUMMARY
    assert summary.read_text().endswith("The rest is in the log.\n" if before <= 100 else "x")


def test_an_annotation_names_a_file_only_if_it_is_in_the_workspace(tmp_path, monkeypatch):
    (tmp_path / "inside" / "package").mkdir(parents=True)
    (tmp_path / "inside" / "package" / "route.py").touch()
    (tmp_path / "outside.py").touch()
    monkeypatch.chdir(tmp_path / "inside")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "inside"))
    assert source_of("package.route:f") == source_of("package/route.py:f") == "package/route.py"
    assert [source_of(name) for name in ("topk", "package.gone:f", "../outside.py:f", "cmd:./a")] == [None] * 4


HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_from_the_configuration_alone(hook, workspace):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    run = subprocess.run(
        shlex.split(hook["entry"]), cwd=workspace / "work", env={**os.environ, "PATH": path}, capture_output=True
    )
    assert run.returncode == 0, run.stderr
    assert b"routers:sound" in run.stdout


def test_every_file_states_the_same_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == equipoise.__version__
    assert re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == equipoise.__version__


def test_the_page_shows_inputs_and_hooks_that_are_there():
    page = (ROOT / "docs" / "how-to" / "ci.md").read_text()
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    (step,) = [one for one in shown[0]["jobs"]["balance"]["steps"] if "equipoise" in one.get("uses", "")]
    (repo,) = shown[1]["repos"]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert [step["uses"].partition("@")[2], repo["rev"]] == [f"v{equipoise.__version__}"] * 2
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in HOOKS]
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(ACTION["inputs"])
