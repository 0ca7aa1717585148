"""`equipoise check --role predictor` as a process: what breaks is shown with a better answer and can be replayed."""

from command_line import run
from test_cli import folder

__all__ = ["folder"]

REMEMBERS = """
import numpy as np

seen = {}

def cached(history, horizon):
    return np.tile(seen.setdefault(history.shape, history.mean(axis=0)), (horizon, 1))

def mean(history, horizon):
    return np.tile(history.mean(axis=0), (horizon, 1))
"""


def test_a_broken_predictor_is_shown_with_its_case_and_can_be_replayed_until_fixed(folder):
    (folder / "mine.py").write_text(REMEMBERS)
    checked = run(folder, "check", "mine:cached", "--role", "predictor", "--examples", 15, "--seconds", 2)
    assert checked.returncode == 1, checked.stderr
    assert "history = np.array(" in checked.stdout
    assert "A better answer: [[" in checked.stdout
    identity = checked.stdout.split("equipoise replay ")[1].split()[0]
    assert run(folder, "replay", identity, "--target", "mine:mean").stdout.startswith("FIXED")
