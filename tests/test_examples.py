"""The examples work as they stand: every command of the workflow and of the hooks runs in a copy of the folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLE = Path(__file__).parents[1] / "examples" / "router"
if not EXAMPLE.is_dir():
    pytest.skip("the tests run outside a checkout: examples/ is not here", allow_module_level=True)

WORKFLOW = yaml.safe_load((EXAMPLE / ".github" / "workflows" / "balance.yml").read_text())
STEPS = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
INSTALLING = [step for step in STEPS if step.startswith("pip install ")]
HOOKS = [
    hook["entry"]
    for source in yaml.safe_load((EXAMPLE / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in source["hooks"]
]


def run(command, folder):
    """Run as a workflow's step does: bash -e, with this environment's programs first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    return subprocess.run(
        ["bash", "-e", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "router", ignore=shutil.ignore_patterns("__pycache__", ".equipoise"))
    return tmp_path / "router"


def test_the_workflow_installs_once_and_then_checks_and_audits():
    assert len(INSTALLING) == 1
    assert STEPS[0] == INSTALLING[0] == "pip install 'equipoise[test]'"
    assert len(STEPS) >= 3


@pytest.mark.parametrize("command", sorted({*STEPS, *HOOKS} - set(INSTALLING)))
def test_every_command_but_the_installation_succeeds(copy, command):
    done = run(command, copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_router_that_stops_learning_fails_the_audit(copy):
    source = (copy / "myrouter.py").read_text()
    assert "0.01" in source
    (copy / "myrouter.py").write_text(source.replace("0.01", "0.0"))
    audit = next(step for step in STEPS if step.startswith("equipoise audit"))
    done = run(audit, copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "gaps are worse than in baseline.json" in done.stdout
