"""Every format of files, written by code of its own and read back; what is no such file is refused in one sentence."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise import InvalidFile, InvalidProblem, audit, read_loads, read_trace
from equipoise.errors import ExtraMissing
from equipoise.traces import apply_gate
from equipoise.traces.formats import torch_file
from equipoise.traces.formats.table import FORMATS
from equipoise.traces.read import read_problem

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PAGE = "docs/reference/files.md"


@st.composite
def token_ids(draw, least_tokens=1, most_layers=3):
    """Ids [steps, layers, tokens, K] of distinct experts, and E, which the largest id attains."""
    steps, layers, tokens = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, most_layers)),
        draw(st.integers(least_tokens, 4)),
    )
    experts = draw(st.integers(2, 6))
    top_k = draw(st.integers(2, experts))
    rows = [draw(st.permutations(range(experts)))[:top_k] for _ in range(steps * layers * tokens)]
    ids = np.array(rows).reshape(steps, layers, tokens, top_k)
    ids[0, 0, 0] = sorted({experts - 1, *ids[0, 0, 0].tolist()}, reverse=True)[:top_k]
    return ids, experts


def counted(ids, experts):
    """Tokens per expert, one at a time: [steps, layers, experts]."""
    loads = np.zeros((*ids.shape[:2], experts), int)
    for step, layer, token, place in np.ndindex(ids.shape):
        loads[step, layer, ids[step, layer, token, place]] += 1
    return loads


def refusal(path, reader=read_loads, **options):
    with pytest.raises(InvalidFile) as raised:
        reader(path, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# What each format says is what is read.


@given(token_ids())
@QUICK
def test_routing_records_and_routed_experts_count_the_same(tmp_path, drawn):
    ids, experts = drawn
    one, nested = ids[0], ids[0].transpose(1, 0, 2)
    np.savez(tmp_path / "a.npz", topk_ids=one.astype(np.uint16))
    np.savez(tmp_path / "b.npz", routed_experts=nested.astype(np.int32))
    (tmp_path / "c.json").write_text(json.dumps({"routed_experts": nested.tolist()}))
    sent = io.BytesIO()
    np.save(sent, nested.astype(np.uint8))
    (tmp_path / "d.json").write_text(json.dumps({"routed_experts": base64.b64encode(sent.getvalue()).decode()}))
    np.save(tmp_path / "e.npy", nested)
    for name in ("a.npz", "b.npz", "c.json", "d.json", "e.npy"):
        axes = "tokens,layers,k" if name == "e.npy" else None
        trace = read_loads(tmp_path / name, num_experts=experts, axes=axes)
        assert np.array_equal(trace.loads, counted(one[None], experts)), name


def test_tokens_of_the_prompt_are_counted_beside_those_that_were_generated(tmp_path):
    ids = np.array([[[0, 1]], [[2, 1]], [[0, 2]]])
    document = {"prompt_routed_experts": ids[:2].tolist(), "routed_experts": ids[2:].tolist()}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert read_loads(tmp_path / "a.json").loads.tolist() == [[[2, 2, 2]]]


def megatron(folder, rank, ids, logits=None, **more):
    """Write a trace as Megatron-LM's tracer does: a line for each step and layer, logits in bfloat16 beside it."""
    lines, binary = [], b""
    for step, layer in np.ndindex(ids.shape[:2]):
        record = {"step": step, "stage": "pre_dispatch", "block": "decoder", "layer": layer, "rank": rank}
        record |= {"num_tokens": ids.shape[2], "topk": ids.shape[3], "top_indices": ids[step, layer].tolist(), **more}
        if logits is not None:
            content = b"".join(value.tobytes()[2:] for value in logits[step, layer].astype("<f4").ravel())
            record |= {"logit_offset": len(binary), "logit_bytes": len(content)}
            record["logit_shape"] = list(logits[step, layer].shape)
            binary += content
        lines.append(json.dumps(record))
    (folder / f"router_trace_rank{rank}.jsonl").write_text("".join(line + "\n" for line in lines))
    if logits is not None:
        (folder / f"logits_rank{rank}.bin").write_bytes(binary)
    return folder / f"router_trace_rank{rank}.jsonl"


@given(token_ids(), st.integers(0, 2**32 - 1))
@QUICK
def test_megatron_traces_give_loads_and_gated_logits_and_ranks_are_merged(tmp_path_factory, drawn, seed):
    folder = tmp_path_factory.mktemp("trace")
    ids, experts = drawn
    steps, layers, tokens, top_k = ids.shape
    eighths = np.random.default_rng(seed).integers(-40, 40, (steps, layers, tokens, experts)) / 8  # exact in bfloat16
    path = megatron(folder, 0, ids, eighths)
    loads = counted(ids, experts)
    assert np.array_equal(read_loads(path).loads, loads)
    batches = read_trace(path, gate="sigmoid")
    assert {batch.name for batch in batches} == {f"layer{la}/step{s}" for s, la in np.ndindex(steps, layers)}
    for batch in batches:
        layer, step = map(int, re.findall(r"\d+", batch.name))
        assert batch.top_k == top_k
        assert batch.scores == pytest.approx(1 / (1 + np.exp(-eighths[step, layer])), rel=1e-5)
    megatron(folder, 1, ids, eighths)
    assert np.array_equal(read_loads(folder).loads, 2 * loads)
    doubled = read_trace(folder, gate="sigmoid")
    assert [len(batch.scores) for batch in doubled] == [2 * tokens] * len(batches)


def test_megatron_logits_need_a_gate_and_multi_token_prediction_is_left_out(tmp_path):
    ids = np.array([[[[0, 1], [1, 2]]]])
    path = megatron(tmp_path, 0, ids, np.zeros((1, 1, 2, 3)))
    assert "--gate softmax" in refusal(path, read_trace)
    with path.open("a") as file:
        file.write(json.dumps({"step": 0, "block": "mtp", "layer": 0, "top_indices": [[2, 0]], "topk": 2}) + "\n")
    trace = read_loads(path)
    assert trace.loads.tolist() == [[[1, 2, 1]]]
    assert any("1 records are not of decoder layers" in warning for warning in trace.warnings)


def test_megatron_logits_past_the_end_of_their_file_are_refused(tmp_path):
    path = megatron(tmp_path, 0, np.array([[[[0, 1]]]]), np.zeros((1, 1, 1, 2)))
    (tmp_path / "logits_rank0.bin").write_bytes(b"\0\0")
    assert "past the end" in refusal(path, read_trace, gate="softmax")
    (tmp_path / "logits_rank0.bin").unlink()
    assert "cannot be read" in refusal(path, read_trace, gate="softmax")


@given(token_ids())
@QUICK
def test_flame_moe_parquet_is_one_layer_of_experts_and_their_scores(tmp_path, drawn):
    polars = pytest.importorskip("polars")
    ids, experts = drawn
    rows = ids[0, 0]
    weights = (np.arange(rows.size).reshape(rows.shape) + 1) / 8
    frame = {
        "indices": polars.Series(rows.tolist(), dtype=polars.List(polars.Int16)),
        "scores": polars.Series(weights.tolist(), dtype=polars.List(polars.Float32)),
    }
    polars.DataFrame(frame).write_parquet(tmp_path / "layer.parquet")
    assert np.array_equal(read_loads(tmp_path / "layer.parquet").loads, counted(rows[None, None], experts))
    (batch,) = read_trace(tmp_path / "layer.parquet")
    for token, (chosen, values) in enumerate(zip(rows, weights, strict=True)):
        expected = dict(zip(chosen.tolist(), values.tolist(), strict=True))
        assert batch.scores[token].tolist() == [expected.get(expert, 0) for expert in range(experts)]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(3, 4), st.lists(st.integers(1, 9), min_size=4, max_size=4))))
@QUICK
def test_ultra_ep_micro_batches_are_steps_and_records_of_one_key_are_added(tmp_path, records):
    path = tmp_path / "epg0.chunk000000.npz"
    records = [*records, (0, 3, [1, 1, 1, 1])]
    np.savez(
        path,
        metadata=np.asarray(json.dumps({"schema": "ultra_ep_trace_v1", "dropped_records": 2})),
        microbatches=np.array([step for step, _, _ in records], np.int64),
        layers=np.array([layer for _, layer, _ in records], np.int32),
        virtual_layers=np.zeros(len(records), np.int32),
        pre_logical_loads=np.array([load for _, _, load in records], np.int32),
        post_physical_loads=np.zeros((len(records), 6), np.int32),
    )
    trace = read_loads(path)
    assert "2 records were dropped while recording" in trace.warnings
    for row, step in enumerate(trace.steps):
        for column, layer in enumerate(trace.layers):
            same = [load for s, la, load in records if (s, la) == (step, layer)]
            assert trace.loads[row, column].tolist() == [sum(values) for values in zip(*same, strict=True)] or not same


@given(st.data())
@QUICK
def test_tables_of_counts_are_read_in_long_form_and_as_matrices(tmp_path, data):
    steps, layers, experts = (data.draw(st.integers(1, 3)) for _ in range(3))
    counts = st.lists(st.integers(1, 2**44), min_size=steps * layers * experts, max_size=steps * layers * experts)
    loads = np.array(data.draw(counts)).reshape(steps, layers, experts)
    rows = [(*place, int(loads[place])) for place in np.ndindex(loads.shape)]
    columns = data.draw(st.permutations(range(4)))
    names = ("step", "layer", "expert", "count")
    lines = [",".join(names[c] for c in columns)]
    lines += [",".join(str(row[c]) for c in columns) for row in data.draw(st.permutations(rows))]
    (tmp_path / "long.csv").write_text("\n".join(lines) + "\n")
    assert np.array_equal(read_loads(tmp_path / "long.csv").loads, loads)
    matrix = "\n".join(",".join(map(str, row)) for row in loads[:, 0].tolist())
    (tmp_path / "matrix.csv").write_text(matrix)
    assert np.array_equal(read_loads(tmp_path / "matrix.csv", axes="steps,experts").loads, loads[:, :1])
    labelled = "\n".join(f"{step},{line}" for step, line in enumerate(matrix.splitlines()))
    head = ",".join(["step", *(f"e{e}" for e in range(experts))])
    (tmp_path / "labelled.csv").write_text(f"\ufeff{head}\r\n{labelled}\r\n", encoding="utf-8")
    assert np.array_equal(read_loads(tmp_path / "labelled.csv").loads, loads[:, :1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2\n3,4\n", "--axes steps,experts or layers,experts"),
        ("expert,count\n0,1\n0,2\n", "two counts of one expert"),
        ("expert,count,colour\n0,1,2\n", "step,layer,expert,count"),
        ("expert,count\n0,-1\n", "'-1'"),
        ("expert,count\n0\n", "1 cells; allowed: 2"),
        ("expert,count\n0,1.5\n", "'1.5'"),
        ("expert,count\n99999999,1\n", "at most 65536 experts"),
        ("expert,count\n", "without a line of numbers"),
        ("step,e0\n1,2\n1,3\n", "step twice"),
    ],
)
def test_tables_that_say_too_little_or_nonsense_are_refused(tmp_path, text, words):
    (tmp_path / "a.csv").write_text(text)
    assert words in refusal(tmp_path / "a.csv")


def test_sparse_steps_that_would_need_a_huge_table_are_refused_before_it_is_made(tmp_path):
    lines = ["step,layer,expert,count", *(f"{n},{n},60000,1" for n in range(2000))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert "most layers in most steps" in refusal(tmp_path / "a.csv")


# Files of torch: with torch itself, and the door without it.


def recorder_file(torch, path, ids, mapping, rank, per_token):
    """Write what SGLang's recorder dumps on one rank: forward passes of physical experts."""
    records = []
    for step, of_step in enumerate(ids):
        counts = np.zeros(mapping.shape, np.int32)
        for layer, token, place in np.ndindex(of_step.shape):
            counts[layer, of_step[layer, token, place]] += 1
        record = {"forward_pass_id": 7 + step, "rank": rank, "gatherer_key": "primary"}
        if per_token:
            record |= {
                "topk_ids_of_layer": torch.tensor(of_step, dtype=torch.int32),
                "input_ids": [0],
                "positions": [0],
            }
        else:
            record |= {"global_physical_count": torch.tensor(counts)}
        records.append(record)
    torch.save({"records": records, "last_physical_to_logical_map": torch.tensor(mapping)}, path)


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
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(ExtraMissing, match=r"needs torch: pip install 'equipoise\[train\]'"):
        read_loads(tmp_path / "a.pt")


def test_a_parquet_file_without_polars_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
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
    monkeypatch.setitem(__import__("sys").modules, "torch", stand_in({"rank": 0, "logical_count": _Tensor(counts)}))
    assert read_loads(path).loads.tolist() == [counts.tolist()]
    lying = {"logical_count": _Tensor(counts, stored=8)}
    monkeypatch.setitem(__import__("sys").modules, "torch", stand_in(lying))
    assert "larger than what it stores" in refusal(path)
    deep = []
    for _ in range(torch_file.DEEPEST + 1):
        deep = [deep]
    monkeypatch.setitem(__import__("sys").modules, "torch", stand_in({"records": deep}))
    assert "nested deeper" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"0" * 10**6)
    assert "more bytes than it has" in refusal(path)


# Axes are said, never guessed; what was never written is named.


def test_far_more_layers_than_tokens_are_asked_for_and_either_answer_is_taken(tmp_path):
    ids = np.stack([np.random.default_rng(n).permutation(4)[:2] for n in range(40 * 3)]).reshape(40, 3, 2)
    np.savez(tmp_path / "a.npz", topk_ids=ids)
    words = refusal(tmp_path / "a.npz")
    assert "--axes layers,tokens,k or --axes tokens,layers,k" in words
    assert read_loads(tmp_path / "a.npz", axes="tokens,layers,k").loads.shape == (1, 3, 4)
    assert read_loads(tmp_path / "a.npz", axes="layers,tokens,k").loads.shape == (1, 40, 4)
    np.savez(tmp_path / "b.npz", routed_experts=ids.transpose(1, 0, 2))
    assert "--axes tokens,layers,k or --axes layers,tokens,k" in refusal(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", ids)
    assert "does not say its axes" in refusal(tmp_path / "c.npy")


@pytest.mark.parametrize("axes", ["tokens,layers", "tokens,tokens,k", "colour,k", "", "tokens,layers,experts,k", "k"])
def test_axes_that_name_no_array_of_ids_are_refused(tmp_path, axes):
    np.savez(tmp_path / "a.npz", topk_ids=np.array([[[0, 1]]]))
    assert "--axes" in refusal(tmp_path / "a.npz", axes=axes)


@pytest.mark.parametrize(("dtype", "mark"), [("i2", -1), ("u1", 255), ("u2", 65535), ("i4", 255)])
def test_rows_never_written_are_left_out_and_counted(tmp_path, dtype, mark):
    ids = np.array([[[0, 1], [2, 1], [0, 0]], [[2, 0], [1, 2], [0, 0]]])
    ids[:, 2] = mark
    np.savez(tmp_path / "a.npz", topk_ids=ids.astype(dtype))
    trace = read_loads(tmp_path / "a.npz")
    assert trace.loads.tolist() == [[[1, 2, 1], [1, 1, 2]]]
    told = f"2 of 6 rows (a token at a layer) hold {mark} alone: never written, left out"
    assert told in trace.warnings
    weights = np.full(ids.shape, 0.5, np.float32)
    np.savez(tmp_path / "b.npz", topk_ids=ids.astype(dtype), topk_weights=weights)
    scores = read_trace(tmp_path / "b.npz")
    assert [len(batch.scores) for batch in scores] == [2, 2]
    assert told in scores.warnings
    np.savez(tmp_path / "c.npz", topk_ids=np.full((1, 2, 2), mark).astype(dtype))
    assert "never written in any row" in refusal(tmp_path / "c.npz")


def test_an_expert_may_be_called_255(tmp_path):
    ids = np.array([[[255], [3]]])
    np.savez(tmp_path / "a.npz", topk_ids=ids.astype(np.uint8))
    assert read_loads(tmp_path / "a.npz").loads[0, 0, 255] == 1
    np.savez(tmp_path / "b.npz", topk_ids=np.array([[[255, 300], [3, 255]]], np.uint16))
    assert read_loads(tmp_path / "b.npz").loads[0, 0, 255] == 2


def test_layers_of_zeros_alone_are_dense(tmp_path):
    ids = np.array([[[0, 0], [0, 1]], [[0, 0], [2, 1]]])  # [tokens, layers, K]
    np.savez(tmp_path / "a.npz", routed_experts=ids)
    trace = read_loads(tmp_path / "a.npz")
    assert (trace.layers, trace.loads.tolist()) == ((1,), [[[1, 2, 1]]])
    assert any("layers 0 hold zeros alone" in warning for warning in trace.warnings)


# Gates.


@given(st.lists(st.floats(-80, 80), min_size=2, max_size=8))
def test_sqrtsoftplus_is_the_root_of_the_logarithm_of_one_plus_the_exponential(values):
    expected = [np.sqrt(np.log1p(np.exp(np.longdouble(value)))) for value in values]
    assert apply_gate(np.array([values]), "sqrtsoftplus")[0] == pytest.approx(np.array(expected, float), rel=1e-5)


def test_the_callers_gate_makes_scores_of_any_numbers_and_goes_before_the_files(tmp_path):
    logits = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    np.save(tmp_path / "a.npy", logits)
    np.savez(tmp_path / "b.npz", logits=logits, gate="sigmoid", top_k=1)
    for path in (tmp_path / "a.npy", tmp_path / "b.npz"):
        (batch,) = read_trace(path, 1, gate="sqrtsoftplus")
        assert np.array_equal(batch.scores, apply_gate(logits, "sqrtsoftplus"))
        assert np.array_equal(read_problem(path, 1, gate="softmax").scores, apply_gate(logits, "softmax"))
    assert "softmax, sigmoid, sqrtsoftplus, none" in refusal(tmp_path / "a.npy", read_trace, top_k=1, gate="relu")


def test_negative_scores_without_a_gate_give_a_warning_that_names_it(tmp_path):
    scores = np.array([[1.0, -2.0], [0.5, 3.0]])
    np.save(tmp_path / "a.npy", scores)
    assert any("--gate softmax" in warning for warning in read_trace(tmp_path / "a.npy", 1).warnings)
    assert read_trace(tmp_path / "a.npy", 1, gate="none").warnings == ()
    np.savez(tmp_path / "b.npz", scores=scores, gate="none")
    assert read_trace(tmp_path / "b.npz", 1).warnings == ()
    np.save(tmp_path / "c.npy", np.abs(scores))
    assert read_trace(tmp_path / "c.npy", 1).warnings == ()


def test_audits_take_gate_and_axes_and_show_the_warnings_of_files_and_arrays(tmp_path):
    scores = np.array([[1.0, -2.0], [0.5, 3.0]])
    np.save(tmp_path / "a.npy", scores)
    for given_trace in (str(tmp_path / "a.npy"), scores):
        assert any("--gate" in warning for warning in audit("topk", trace=given_trace, top_k=1).notes)
        quiet = audit("topk", trace=given_trace, top_k=1, gate="sigmoid")
        assert not any("--gate" in warning for warning in quiet.notes)
    assert any("--gate" in w for w in audit("topk", trace=read_trace(tmp_path / "a.npy", 1)).notes)
    np.save(tmp_path / "b.npy", np.array([[[0, 1], [1, 2]], [[2, 0], [1, 0]]]))
    options = {"trace": str(tmp_path / "b.npy"), "slots": 4, "devices": 2, "axes": "tokens,layers,k"}
    assert len(audit("eplb", role="placer", **options).rows) == 2
    for name in ("gate", "axes"):
        with pytest.raises(InvalidProblem, match=name):
            audit("topk", trace="drift", **{name: "none"})


# What is refused, and how.


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
    assert "no regular file" in outcome[0]
    assert "no regular file" in refusal(os.devnull, reader)


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
