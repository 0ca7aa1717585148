"""Files of ``torch.save``: with torch itself where it is installed, and the door to it without."""

from __future__ import annotations

import os
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import read_loads
from equipoise.errors import ExtraMissing
from equipoise.traces.formats import torch_file
from trace_files import QUICK, recorder_file, refusal, token_ids


@given(drawn=token_ids(), per_token=st.booleans(), data=st.data())
@QUICK
def test_sglang_recorder_counts_logical_experts_by_step_and_ranks_are_merged(tmp_path_factory, drawn, per_token, data):
    torch = pytest.importorskip("torch")
    ids, physical = drawn
    folder = tmp_path_factory.mktemp("recorder")
    mapping = np.array([data.draw(st.permutations([*range(physical - 1), 0])) for _ in range(ids.shape[1])])
    logical = np.stack([mapping[layer][ids[:, layer]] for layer in range(ids.shape[1])], axis=1)
    expected = np.zeros((*ids.shape[:2], physical - 1), int)
    for step, layer, token, place in np.ndindex(logical.shape):
        expected[step, layer, logical[step, layer, token, place]] += 1
    recorder_file(torch, folder / "expert_distribution_recorder_1.5_0.pt", ids, mapping, 0, per_token)
    trace = read_loads(folder / "expert_distribution_recorder_1.5_0.pt")
    assert np.array_equal(trace.loads, expected)
    assert trace.steps == tuple(range(7, 7 + len(ids)))
    assert any("replicas" in warning for warning in trace.warnings)
    recorder_file(torch, folder / "expert_distribution_recorder_1.5_1.pt", ids, mapping, 1, per_token)
    assert np.array_equal(read_loads(folder).loads, 2 * expected)


def test_sglang_recorder_in_mode_stat_holds_logical_counts_and_empty_steps_are_left_out(tmp_path):
    torch = pytest.importorskip("torch")
    counts = torch.tensor([[[0, 0]], [[3, 1]], [[2, 2]]], dtype=torch.int32)
    rate = {"average_utilization_rate_over_window": None}
    torch.save({"rank": 0, "logical_count": counts, **rate}, tmp_path / "a.pt")
    trace = read_loads(tmp_path / "a.pt")
    assert (trace.loads.tolist(), trace.steps) == ([[[3, 1]], [[2, 2]]], (1, 2))
    assert trace.warnings == ("1 of 3 steps hold no tokens at all and are left out",)
    assert [one.name for one in trace.instances(1)] == ["step2/layer0"]


class Boom:
    def __reduce__(self):
        return (os.abort, ())


def test_torch_files_with_code_or_tensors_larger_than_their_storage_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"logical_count": Boom()}, tmp_path / "code.pt")
    torch.save({"logical_count": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "wide.pt")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    torch.save({"logical_count": torch.eye(2).to_sparse()}, tmp_path / "sparse.pt")
    torch.save({"routed_experts": torch.zeros(2, 2)}, tmp_path / "flat.pt")
    for name in ("code", "wide", "list", "sparse", "flat"):
        refusal(tmp_path / f"{name}.pt")


def test_a_torch_file_without_torch_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(ExtraMissing, match=r"needs torch: pip install 'equipoise\[train\]'"):
        read_loads(tmp_path / "a.pt")


def test_a_parquet_file_without_polars_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 PAR1")
    with pytest.raises(ExtraMissing, match=r"needs polars: pip install 'equipoise\[study\]'"):
        read_loads(tmp_path / "a.parquet")


class _Tensor:
    """What the reader asks of a tensor, with the answers of a NumPy array."""

    layout, is_quantized, dtype = "strided", False, "int32"

    def __init__(self, array, stored=None):
        self.array, self.shape, self.stored = array, array.shape, array.nbytes if stored is None else stored
        self.device = type("device", (), {"type": "cpu"})

    def numel(self):
        return self.array.size

    def element_size(self):
        return self.array.itemsize

    def untyped_storage(self):
        return type("storage", (), {"nbytes": lambda _: self.stored})()

    def detach(self):
        return self

    def numpy(self):
        return self.array


def stand_in(content):
    """A module that stands for torch and loads this content."""

    def load(file, *, map_location, weights_only):
        assert (map_location, weights_only) == ("cpu", True)
        return content

    return type("torch", (), {"load": load, "Tensor": _Tensor, "strided": "strided", "bfloat16": "bfloat16"})


def test_tensors_are_read_through_the_door_of_torch_and_compared_with_their_storage(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"")
    counts = np.array([[1, 2], [2, 1]])
    monkeypatch.setitem(sys.modules, "torch", stand_in({"rank": 0, "logical_count": _Tensor(counts)}))
    assert read_loads(path).loads.tolist() == [counts.tolist()]
    lying = {"logical_count": _Tensor(counts, stored=8)}
    monkeypatch.setitem(sys.modules, "torch", stand_in(lying))
    assert "larger than what it stores" in refusal(path)
    deep = []
    for _ in range(torch_file.DEEPEST + 1):
        deep = [deep]
    monkeypatch.setitem(sys.modules, "torch", stand_in({"records": deep}))
    assert "nested deeper" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"0" * 10**6)
    assert "more bytes than it has" in refusal(path)
