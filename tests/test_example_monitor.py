"""The example of the monitor runs, in a short form, and what it writes is what it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "monitor" / "train.py"
if not EXAMPLE.is_file():
    pytest.skip("the tests run outside a checkout: examples/ is not here", allow_module_level=True)


def test_the_example_trains_and_every_exact_regret_is_within_the_bound_of_its_step(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--steps", "60", "--exact-every", "20"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    steps = {line["step"]: line for line in lines if line["kind"] == "step"}
    exact = [line for line in lines if line["kind"] == "exact"]
    assert list(steps) == list(range(60))
    assert exact
    for line in exact:
        assert line["error"] is None
        assert line["regret"] <= steps[line["step"]]["regret_bound"]
    assert lines[-1]["kind"] == "end"
    assert lines[-1]["audited"] + lines[-1]["skipped"] == 3
