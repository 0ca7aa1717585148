"""Every format of files, written by code of its own, is read back to the same numbers."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import read_loads, read_trace
from equipoise.traces import RecordedLayer, RecordedStep, apply_gate
from equipoise.traces.recorded_file import write_recording
from trace_files import QUICK, counted, megatron, refusal, token_ids


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
        ("expert,7\n", "without a line of numbers"),
        ("expert,count\n", "is text without a table of numbers"),
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


@given(token_ids(), st.sampled_from(["softmax", "sigmoid", "none"]))
@QUICK
def test_recordings_hold_scores_and_the_loads_of_what_was_chosen(tmp_path, drawn, gate):
    ids, experts = drawn
    steps, layers, _, top_k = ids.shape
    logits = np.arange(ids[..., 0].size * experts, dtype=np.float32).reshape(*ids.shape[:3], experts) / 8
    recorded = {}
    for layer in range(layers):
        recorded[f"router{layer}"] = RecordedLayer(gate, top_k)
        for step in range(steps):
            recorded[f"router{layer}"].steps[step] = RecordedStep(logits[step, layer], ids[step, layer])
    write_recording(tmp_path / "a.npz", recorded)
    assert np.array_equal(read_loads(tmp_path / "a.npz").loads, counted(ids, experts))
    for name in (None, "sqrtsoftplus"):
        for batch in read_trace(tmp_path / "a.npz", gate=name):
            layer, step = map(int, re.findall(r"\d+", batch.name))
            assert np.array_equal(batch.scores, apply_gate(logits[step, layer], name or gate))
