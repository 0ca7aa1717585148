"""`equipoise record`: a model and its batches, from a function, to a trace that can be audited."""

import sys
from pathlib import Path

import numpy as np
import pytest

import equipoise
from equipoise.cli import run
from equipoise.traces import read_recording

STANDIN = """
import sys

sys.path.insert(0, {tests!r})
from standin_routers import Model, SomeTopKRouter, hidden


def as_arguments():
    return Model(router=SomeTopKRouter()), (hidden(seed) for seed in range(5))


def as_keywords():
    return Model(router=SomeTopKRouter()), [{{"hidden": hidden(seed)}} for seed in range(5)]


def broken():
    return Model(router=SomeTopKRouter()), [hidden(), (1, 2, 3)]


def no_pair():
    return Model(router=SomeTopKRouter())


def stops():
    raise RuntimeError("no weights here")
"""

TORCH = """
import torch
from torch import nn


class TinyTopKRouter(nn.Module):
    def __init__(self):
        super().__init__()
        self.top_k, self.num_experts = 2, 6
        self.weight = nn.Parameter(torch.arange(48.0).reshape(6, 8).sin())

    def forward(self, hidden):
        logits = hidden.reshape(-1, 8) @ self.weight.T
        weights, ids = logits.softmax(-1).topk(2)
        assert not logits.requires_grad
        return logits, weights, ids


def make():
    torch.manual_seed(0)
    return nn.Sequential(TinyTopKRouter()), [torch.randn(1, 9, 8) for _ in range(3)]
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mymodel", raising=False)
    Path("mymodel.py").write_text(STANDIN.format(tests=str(Path(__file__).parent)))


@pytest.mark.parametrize("make", ["as_arguments", "as_keywords"])
def test_a_trace_holds_the_steps_that_were_asked_for_and_the_next_run_continues_it(script, make, capsys):
    options = ["record", f"mymodel.py:{make}", "--out", "trace.npz", "--steps", "4", "--every", "2", "--tokens", "7"]
    assert run(options) == 0
    assert "trace.npz: 4 steps of 1 routers" in capsys.readouterr().out
    (layer,) = read_recording("trace.npz").values()
    assert sorted(layer.steps) == [0, 2]
    assert len(layer.steps[0].logits) <= 7
    assert run(options) == 0
    (layer,) = read_recording("trace.npz").values()
    assert len(layer.steps) == 4
    assert len(equipoise.audit("topk", trace="trace.npz").rows) == 4


def test_a_model_that_raises_is_a_finding_and_what_was_recorded_is_kept(script, capsys):
    assert run(["record", "mymodel.py:broken", "--out", "trace.npz"]) == 1
    assert "mymodel.py:broken stopped at step" in capsys.readouterr().err
    (layer,) = read_recording("trace.npz").values()
    assert 0 in layer.steps


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("no_pair", "which returns a Model; allowed: (model, batches)"),
        ("stops", "makes no model: RuntimeError: no weights here"),
        ("missing", "has no attribute 'missing'"),
    ],
)
def test_what_makes_no_model_is_refused_in_a_sentence(script, capsys, make, words):
    assert run(["record", f"mymodel.py:{make}", "--out", "trace.npz"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not Path("trace.npz").exists()


def test_a_module_of_torch_is_recorded_without_gradients(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mytorch", raising=False)
    Path("mytorch.py").write_text(TORCH)
    assert run(["record", "mytorch.py:make", "--out", "trace.npz"]) == 0
    (layer,) = read_recording("trace.npz").values()
    assert (layer.gate, layer.top_k, len(layer.steps)) == ("softmax", 2, 3)
    assert np.isfinite(layer.steps[0].logits).all()
