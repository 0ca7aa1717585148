"""What is no file of a known format is refused in one sentence, quickly, whatever its bytes are."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise import InvalidFile, InvalidProblem, read_loads, read_trace
from equipoise.traces import RecordedLayer, RecordedStep
from equipoise.traces.formats.table import FORMATS
from equipoise.traces.read import read_problem
from equipoise.traces.recorded_file import write_recording
from trace_files import megatron, recorder_file, refusal

PAGE = "docs/reference/files.md"


def test_what_a_file_is_called_does_not_matter(tmp_path):
    np.savez(tmp_path / "a.npz", load=np.array([[1, 2]]))
    (tmp_path / "a.npz").rename(tmp_path / "a.txt")
    assert read_loads(tmp_path / "a.txt").loads.tolist() == [[[1, 2]]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name here")
@pytest.mark.parametrize("reader", [read_loads, read_trace, read_problem])
def test_pipes_and_devices_are_refused_and_never_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe")
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(refusal(tmp_path / "pipe", reader)), daemon=True)
    thread.start()
    thread.join(10)
    assert outcome
    assert "not a regular file" in outcome[0]
    assert "not a regular file" in refusal(os.devnull, reader)


def test_a_folder_is_one_trace_only_of_formats_that_are_written_by_rank(tmp_path):
    assert "without a trace" in refusal(tmp_path)
    np.savez(tmp_path / "a.npz", load=np.array([[1, 2]]))
    assert "Megatron router trace" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["scores", "loads"])
def test_the_refusal_of_an_unknown_file_lists_the_formats_and_names_the_page(tmp_path, kind):
    np.savez(tmp_path / "a.npz", colour=np.zeros(3))
    words = refusal(tmp_path / "a.npz", read_trace if kind == "scores" else read_loads)
    assert PAGE in words
    assert all(one.name in words for one in FORMATS if kind in one.kinds)


def test_every_format_is_named_once_and_holds_something():
    assert len({one.name for one in FORMATS}) == len(FORMATS)
    assert all(one.kinds and one.snippet and one.looks and one.writer for one in FORMATS)
    page = Path(__file__).parents[1] / PAGE
    if page.exists():
        assert "<!-- generated: formats -->" in page.read_text()


def valid_files(folder):
    """One small file of every format that needs no torch, by name."""
    np.save(folder / "scores.npy", np.eye(3))
    np.savez(folder / "record.npz", topk_ids=np.array([[[0, 1], [2, 1]]]), topk_weights=np.full((1, 2, 2), 0.5))
    np.savez_compressed(folder / "load.npz", load=np.array([[1, 2, 3]]))
    (folder / "sglang.json").write_text(json.dumps({"logical_count": [[1, 2], [2, 1]]}))
    (folder / "adrs.json").write_text(json.dumps({"load_history": [{"logical_expert_load": [[1, 2]]}]}))
    (folder / "routed.json").write_text(json.dumps({"routed_experts": [[[0, 1]], [[2, 1]]]}))
    (folder / "long.csv").write_text("step,layer,expert,count\n0,0,0,3\n0,0,1,4\n")
    megatron(folder, 0, np.array([[[[0, 1], [1, 2]]], [[[0, 1], [0, 2]]]]), np.zeros((2, 1, 2, 3)))
    meta = np.asarray(json.dumps({"schema": "ultra_ep_trace_v1"}))
    keys = {"microbatches": np.array([0]), "layers": np.array([3]), "pre_logical_loads": np.array([[1, 2]])}
    np.savez(folder / "ultra.npz", metadata=meta, **keys)
    layer = RecordedLayer("sigmoid", 1, {0: RecordedStep(np.eye(2, dtype=np.float32), np.array([[0], [1]], np.int32))})
    write_recording(folder / "recording.npz", {"router": layer})
    polars = pytest.importorskip("polars")
    polars.DataFrame({"indices": [[0, 1], [2, 1]], "scores": [[0.5, 0.25]] * 2}).write_parquet(folder / "flame.parquet")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    return valid_files(tmp_path_factory.mktemp("valid"))


@pytest.fixture(scope="module")
def torch_valid(tmp_path_factory):
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("valid") / "a.pt"
    recorder_file(torch, path, np.array([[[[0, 1], [1, 2]]]]), np.array([[0, 1, 1]]), 0, per_token=True)
    return path.read_bytes()


def read_anyhow(path):
    """Read a file in every way; whatever is wrong must be one sentence."""
    ways = [
        (read_loads, {}),
        (read_loads, {"axes": "tokens,layers,k"}),
        (read_loads, {"axes": "steps,experts"}),
        (read_trace, {"top_k": 1, "gate": "softmax"}),
        (read_trace, {}),
        (read_problem, {"top_k": 1}),
    ]
    refusals = []
    for reader, options in ways:
        try:
            reader(path, **options)
        except (InvalidFile, InvalidProblem) as error:
            refusals.append(str(error))
    assert [words for words in refusals if "\n" in words] == []


FUZZ = settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])


def damaged(data, content):
    """Cut a file short, or change some of its bytes."""
    if data.draw(st.booleans()):
        return content[: data.draw(st.integers(0, len(content)))]
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


@given(data=st.data())
@FUZZ
def test_damaged_files_end_in_one_sentence(tmp_path, valid, data):
    name = data.draw(st.sampled_from(sorted(valid)))
    (tmp_path / name).write_bytes(damaged(data, valid[name]))
    read_anyhow(tmp_path / name)


@given(data=st.data())
@FUZZ
def test_damaged_files_of_torch_end_in_one_sentence(tmp_path, torch_valid, data):
    (tmp_path / "a.pt").write_bytes(damaged(data, torch_valid))
    read_anyhow(tmp_path / "a.pt")


STARTS = (
    b"",
    b"\x93NUMPY\x01\x00",
    b"PK\x03\x04",
    b"PAR1",
    b'{"a": ',
    b"[",
    b"step,layer\n",
    b"\x80\x02",
    b"\xef\xbb\xbf",
)


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300), end=st.sampled_from((b"", b"PAR1", b"}")))
@FUZZ
def test_random_bytes_end_in_one_sentence(tmp_path, start, rest, end):
    (tmp_path / "a").write_bytes(start + rest + end)
    read_anyhow(tmp_path / "a")


NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3) | st.none() | st.booleans()
NESTED = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner))
KEYS = (
    "scores",
    "logits",
    "gate",
    "top_k",
    "capacity",
    "drop",
    "mask",
    "topk_ids",
    "topk_weights",
    "num_experts",
    "routed_experts",
    "logical_count",
    "load",
    "load_history",
    "prompt_routed_experts",
    "step",
    "layer",
    "rank",
    "top_indices",
    "topk",
    "logit_offset",
    "logit_bytes",
    "logit_shape",
)


@given(st.dictionaries(st.sampled_from(KEYS), NESTED, max_size=5), st.booleans())
@FUZZ
def test_json_of_any_content_ends_in_one_sentence(tmp_path, document, lines):
    (tmp_path / "a.json").write_text((json.dumps(document) + "\n") * (1 + lines))
    read_anyhow(tmp_path / "a.json")


ARRAYS = (
    np.zeros((0, 3)),
    np.array(["a"]),
    np.array(5),
    np.zeros((1, 1, 1, 1, 1)),
    np.array([[1 + 2j]]),
    np.array([[True]]),
    np.full((2, 2, 2), np.nan),
    np.array([[2**63]], np.uint64),
    np.full((2, 2, 2), -5),
    np.zeros(2, [("a", "i4")]),
    np.array(["2020-01-01"], "M8[D]"),
)


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "metadata", "layers", "microbatches", "pre_logical_loads"]), st.sampled_from(ARRAYS)
    )
)
@FUZZ
def test_arrays_of_wrong_types_and_shapes_end_in_one_sentence(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    read_anyhow(tmp_path / "a.npz")


def header(shape, dtype="<f8"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@given(
    st.lists(st.integers(-3, 2**66), min_size=1, max_size=40), st.sampled_from(["<f8", "|u1", "|V0", "|O", "<U0", "zz"])
)
@FUZZ
def test_huge_and_impossible_shapes_are_refused_before_memory_is_taken(tmp_path, shape, dtype):
    (tmp_path / "a.npy").write_bytes(header(tuple(shape), dtype))
    read_anyhow(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("load.npy", header(tuple(shape), dtype))
    read_anyhow(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "text", ['"""A router."""\n\nimport numpy as np\n', "# Loads\n\nSee below, or above.\n", "a,b\n"]
)
@pytest.mark.parametrize("reader", [read_loads, read_trace])
def test_text_that_is_no_table_is_not_said_to_hold_loads(tmp_path, reader, text):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(InvalidFile, match=r"mine\.py is text without a table of numbers; allowed for"):
        reader(tmp_path / "mine.py")


@pytest.mark.parametrize("text", ["1,x\n", "step,expert0\n0,-3\n", "expert,count\n0,1.5\n"])
def test_a_table_with_something_odd_in_it_is_told_what_is_odd(tmp_path, text):
    (tmp_path / "loads.csv").write_text(text)
    with pytest.raises(InvalidFile, match=r"line \d is|the table is"):
        read_loads(tmp_path / "loads.csv")
