"""Score files of every kind, hostile ones included, and the recorded trace."""

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import read_arrays, write_whole
from equipoise.traces import apply_gate, read_trace, recorded, recording
from equipoise.traces.read import read_problem

SCORES = np.arange(24.0).reshape(6, 4)


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def test_one_matrix_is_one_instance_in_every_format(tmp_path):
    np.save(tmp_path / "a.npy", SCORES)
    np.savez(tmp_path / "b.npz", scores=SCORES, top_k=2)
    (tmp_path / "c.json").write_text(json.dumps({"scores": SCORES.tolist(), "top_k": 2}))
    for name, top_k in (("a.npy", 2), ("b.npz", None), ("c.json", None)):
        (instance,) = read_trace(tmp_path / name, top_k)
        assert np.array_equal(instance.scores, SCORES)
        assert instance.top_k == 2


def test_the_callers_top_k_overrides_the_files(tmp_path):
    np.savez(tmp_path / "b.npz", scores=SCORES, top_k=2)
    assert read_trace(tmp_path / "b.npz", 3)[0].top_k == 3


def test_the_first_leading_axis_is_time_and_the_others_are_sequences(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 6, 4)))
    found = read_trace(tmp_path / "a.npy", 1)
    assert [instance.name for instance in found] == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]
    assert [instance.sequence for instance in found] == ["0", "1", "2", "0", "1", "2"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", ">i4"])
def test_every_byte_and_memory_order_reads_as_the_same_numbers(tmp_path, order, dtype):
    np.save(tmp_path / "a.npy", np.array(SCORES, dtype=dtype, order=order))
    assert np.array_equal(read_problem(tmp_path / "a.npy", 1).scores, SCORES)


def test_problem_files_carry_capacity_form_and_mask_and_arguments_override_them(tmp_path):
    mask = np.array([True] * 5 + [False])
    np.savez(tmp_path / "p.npz", scores=SCORES, top_k=1, capacity=[2, 2, 2, 2], drop=True, mask=mask)
    problem = read_problem(tmp_path / "p.npz")
    assert (problem.capacity.tolist(), problem.drop, problem.mask.tolist()) == ([2] * 4, True, mask.tolist())
    assert read_problem(tmp_path / "p.npz", capacity=3).capacity.tolist() == [3] * 4


def record(**changes):
    ids = np.array([[[0, 2], [1, 2]], [[3, 0], [1, 0]]], np.uint8)
    weights = np.array([[[0.5, 0.25], [0.5, 0.5]], [[1, 0], [0.25, 0.75]]], np.float32)
    return {"topk_ids": ids, "topk_weights": weights, "seq_len": np.array([2]), **changes}


def test_a_routing_record_becomes_one_instance_per_layer_with_unknown_scores_zero(tmp_path):
    np.savez(tmp_path / "r.npz", **record())
    first, second = read_trace(tmp_path / "r.npz")
    assert first.scores.tolist() == [[0.5, 0, 0.25, 0], [0, 0.5, 0.5, 0]]
    assert second.scores.tolist() == [[0, 0, 0, 1], [0.75, 0.25, 0, 0]]
    assert (first.top_k, first.sequence, second.sequence) == (2, "layer0", "layer1")
    assert "weights only" in first.name
    np.savez(tmp_path / "wide.npz", **record(num_experts=7))
    assert read_trace(tmp_path / "wide.npz")[0].scores.shape == (2, 7)


@pytest.mark.parametrize(
    "changes",
    [
        {"topk_ids": np.zeros((2, 2, 2), np.uint8)},
        {"topk_ids": np.zeros((2, 2, 2))},
        {"topk_ids": np.array([0, 1])},
        {"topk_weights": np.zeros((2, 2))},
        {"topk_weights": np.full((2, 2, 2), np.nan)},
        {"num_experts": 3},
        {"num_experts": 2**40},
        {"colour": np.array(1)},
    ],
)
def test_a_malformed_routing_record_is_refused_in_one_sentence(tmp_path, changes):
    np.savez(tmp_path / "r.npz", **record(**changes))
    with pytest.raises(InvalidFile) as raised:
        read_trace(tmp_path / "r.npz")
    assert "\n" not in str(raised.value)


def test_measured_routing_records_hold_distinct_experts_and_are_read_layer_by_layer():
    path = Path(os.environ.get("EQUIPOISE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "esft" / "law.npz"
    if not path.exists():
        pytest.skip(f"the measured traces are not at {path}; set EQUIPOISE_DATA")
    found = read_trace(path)
    assert len(found) == 26
    assert {instance.scores.shape[1] for instance in found} == {64}
    assert all(((instance.scores > 0).sum(axis=1) <= 6).all() for instance in found)


def test_gates_are_softmax_and_sigmoid_without_overflow():
    logits = np.array([[1000.0, 0.0, -1000.0], [1.0, 2.0, 3.0]], np.float32)
    softmax, sigmoid = apply_gate(logits, "softmax"), apply_gate(logits, "sigmoid")
    assert softmax.sum(axis=1) == pytest.approx([1, 1])
    assert softmax[0] == pytest.approx([1, 0, 0])
    assert sigmoid[0] == pytest.approx([1, 0.5, 0])
    assert sigmoid[1] == pytest.approx(1 / (1 + np.exp(-logits[1].astype(float))), rel=1e-6)


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def pickled_npy():
    return npy(np.array([Boom()], object), allow_pickle=True)


def lying_npy():
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000, 4000000000), }"
    header += b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def bomb():
    """Unpacks to far more than the header of its array declares, from few bytes."""
    return zipped(scores__npy=npy(np.zeros((2, 2)))[:-8])


HOSTILE = {
    "pickle.npy": pickled_npy(),
    "pickle.npz": zipped(scores__npy=pickled_npy()),
    "bare-pickle.npy": pickle.dumps([1, 2]),
    "lying.npy": lying_npy(),
    "lying.npz": zipped(scores__npy=lying_npy()),
    "short.npy": npy(SCORES)[:-8],
    "short.npz": bomb(),
    "empty.npy": b"",
    "empty.npz": b"",
    "empty.json": b"",
    "noise.npz": b"PK\x03\x04 not a zip",
    "evil-header.npy": npy(SCORES).replace(b"'<f8'", b"__im_"),
    "other-member.npz": zipped(readme__txt=b"hello"),
    "list.json": b"[[1, 2]]",
    "deep.json": b'{"scores": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "ragged.json": b'{"scores": [[1], [1, 2]], "top_k": 1}',
    "words.json": b'{"scores": [["a"]], "top_k": 1}',
    "latin.json": b'{"scores": "\xff"}',
    "unknown-key.json": b'{"scores": [[1]], "top_k": 1, "colour": 1}',
    "both.json": b'{"scores": [[1]], "logits": [[1]], "top_k": 1}',
    "neither.json": b'{"top_k": 1}',
    "no-k.json": b'{"scores": [[1]]}',
    "half-k.json": b'{"scores": [[1]], "top_k": 1.5}',
    "many-k.json": b'{"scores": [[1]], "top_k": [1, 2]}',
    "true-k.json": b'{"scores": [[1]], "top_k": true}',
    "no-gate.json": b'{"logits": [[1]], "top_k": 1}',
    "bad-gate.json": b'{"logits": [[1]], "gate": "relu", "top_k": 1}',
    "nan-logits.json": b'{"logits": [[NaN, 1]], "gate": "softmax", "top_k": 1}',
    "nan.json": b'{"scores": [[NaN, 1]], "top_k": 1}',
    "flat.json": b'{"scores": [1, 2], "top_k": 1}',
    "stack.json": b'{"scores": [[[1]]], "top_k": 1}',
    "zero.json": b'{"scores": [[]], "top_k": 1}',
    "object-capacity.json": b'{"scores": [[1]], "top_k": 1, "capacity": {"a": 1}}',
    "text.txt": b"1 2 3",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_file_is_refused_in_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises((InvalidFile, InvalidProblem)) as raised:
        read_problem(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    for name in ("missing.npz", "folder.npy"):
        with pytest.raises(InvalidFile, match="cannot be read"):
            read_arrays(tmp_path / name)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out.json"
    write_whole(target, b"old")
    with pytest.raises(TypeError):
        write_whole(target, None)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_writing_into_a_missing_folder_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InvalidFile, match="cannot be written"):
        write_whole(tmp_path / "missing" / "out.json", b"x")


def test_every_recorded_token_has_finite_logits_and_every_step_sends_k_assignments_per_token():
    trace = recorded()
    assert len(trace.runs) == 6
    for run in trace.runs:
        described = trace.provenance["runs"][run]
        loads = trace.loads(run)
        assert loads.shape == (described["steps"], 4, described["shape"]["experts"])
        assert (loads.sum(axis=2) == described["tokens_per_step"] * trace.top_k(run)).all()
        assert np.isfinite(trace.arrays[f"{run}/logits"]).all()


def test_recorded_instances_are_distinct_scores_with_unique_names():
    found = recorded().instances()
    assert len({instance.name for instance in found}) == len(found) == 64
    assert len({instance.scores.tobytes() for instance in found}) == len(found)
    for instance in found:
        assert ((instance.scores > 0) & (instance.scores <= 1)).all()


def test_streams_are_consecutive_steps_in_order():
    names = [instance.name for instance in recorded().streams() if instance.sequence == "E16-none/stream"]
    assert names == [f"E16-none/stream/step{step}" for step in range(1, 65)]


def test_a_damaged_recording_is_refused(tmp_path, monkeypatch):
    source = recording.files("equipoise.traces") / "recorded"
    folder = tmp_path / "recorded"
    folder.mkdir()
    for entry in source.iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    content = bytearray((folder / "e16.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "e16.npz").write_bytes(content)
    monkeypatch.setattr(recording, "files", lambda _: tmp_path)
    recording.recorded.cache_clear()
    with pytest.raises(InvalidFile, match="damaged"):
        recording.recorded()
    recording.recorded.cache_clear()
