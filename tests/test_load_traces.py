"""Load records: what frameworks write is read as it is, what cannot be is refused, what looks wrong is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import InvalidFile, PlacementProblem, solve
from equipoise.traces.loads import read_loads

DATA = Path(os.environ.get("EQUIPOISE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_sglang_record_drops_dense_layers_and_keeps_their_numbers(tmp_path):
    path = write(tmp_path / "sglang.json", {"logical_count": [[0.0, 0.0], [6.0, 2.0], [1.0, 7.0]]})
    trace = read_loads(path, top_k=2)
    assert trace.loads.tolist() == [[[6, 2], [1, 7]]]
    assert (trace.layers, trace.warnings) == ((1, 2), ())
    steps = write(tmp_path / "steps.json", {"logical_count": [[[6, 2]], [[4, 4]]]})
    assert read_loads(steps).loads.shape == (2, 1, 2)


def test_adrs_record_is_a_list_of_steps(tmp_path):
    history = [{"logical_expert_load": [[1, 3], [2, 2]], "other": 1}, {"logical_expert_load": [[4, 0], [0, 4]]}]
    trace = read_loads(write(tmp_path / "adrs.json", {"load_history": history}))
    assert trace.loads.tolist() == [[[1, 3], [2, 2]], [[4, 0], [0, 4]]]


@given(data=st.data())
def test_token_level_record_is_counted(data, tmp_path_factory):
    layers, tokens, top_k = (data.draw(st.integers(1, 3)) for _ in range(3))
    experts = data.draw(st.integers(top_k, 5))
    rows = [data.draw(st.permutations(range(experts)))[:top_k] for _ in range(layers * tokens)]
    ids = np.array(rows, np.uint8).reshape(layers, tokens, top_k)
    path = tmp_path_factory.mktemp("trace") / "ids.npz"
    np.savez(path, topk_ids=ids)
    trace = read_loads(path, num_experts=experts)
    assert trace.layers == tuple(range(layers))
    for layer in range(layers):
        assert trace.loads[0, layer].tolist() == [int((ids[layer] == e).sum()) for e in range(experts)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"logical_count": [[1.5, 2]]}, "not whole"),
        ({"logical_count": [[-1, 2]]}, "too small"),
        ({"logical_count": [1, 2]}, "shape (2,)"),
        ({"logical_count": [[1], [1, 2]]}, "the load is"),
        ({"logical_count": [[0, 0]]}, "no tokens at all"),
        ({"load_history": 3}, "not a list of objects"),
        ({"load_history": [{"x": 1}]}, "the load is"),
        ({"expert_counts": [[1]]}, "a record of 'expert_counts'"),
        ({}, "a record of nothing"),
    ],
)
def test_what_is_no_record_is_refused_in_one_sentence(tmp_path, content, words):
    with pytest.raises(InvalidFile) as caught:
        read_loads(write(tmp_path / "bad.json", content))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tokens_that_name_an_expert_twice_or_one_that_does_not_exist_are_refused(tmp_path):
    path = tmp_path / "ids.npz"
    np.savez(path, topk_ids=np.array([[[0, 1], [2, 2]]]))
    with pytest.raises(InvalidFile, match=r"naming an expert twice \(step 0, layer 0, token 1\)"):
        read_loads(path)
    np.savez(path, topk_ids=np.array([[[0, 9]]]))
    with pytest.raises(InvalidFile, match="too large"):
        read_loads(path, num_experts=9)
    np.savez(path, topk_ids=np.zeros((1, 0, 2), int))
    with pytest.raises(InvalidFile, match="none of them 0"):
        read_loads(path)
    np.savez(path, load=np.array([[{}]], object))
    with pytest.raises(InvalidFile, match="pickled"):
        read_loads(path)


@pytest.mark.parametrize(
    ("loads", "top_k", "words"),
    [
        ([[[4, 4]], [[5, 2]]], 4, "layer 0, step 1: 7 is not a multiple of K=4"),
        ([[[4, 4], [8, 8]]], None, "the layers' totals differ by 50.00%"),
        ([[[4, 4], [0, 0]], [[4, 4], [8, 0]]], None, "layer 1 has no tokens in step 0"),
        ([[[0, 0, 3, 3, 0, 0]]], None, "only experts 2 to 3 ever get tokens"),
        ([[[1, 2], [1, 2]]], None, "layers 0 and 1 have the same loads"),
    ],
)
def test_what_looks_wrong_is_said(tmp_path, loads, top_k, words):
    warnings = read_loads(write(tmp_path / "odd.json", {"logical_count": loads}), top_k).warnings
    assert any(words in warning for warning in warnings)


def test_dummy_tokens_are_noticed(tmp_path):
    ids = np.array([[[0, 1], [2, 3], [2, 3], [1, 0]], [[3, 1], [0, 2], [2, 0], [0, 1]]])
    np.savez(tmp_path / "ids.npz", topk_ids=ids)
    assert any("dummy tokens" in warning for warning in read_loads(tmp_path / "ids.npz").warnings)


@pytest.mark.skipif(not (DATA / "deepseek-v3").is_dir(), reason="no DeepSeek-V3 counts (set EQUIPOISE_DATA)")
@pytest.mark.parametrize("name", ["decode_in2000out100", "prefill_in1024"])
def test_deepseek_v3_counts_are_sound_and_a_layer_is_placed_at_the_mean(name):
    trace = read_loads(DATA / "deepseek-v3" / f"{name}.json", top_k=8)
    assert trace.loads.shape == (1, 58, 256)
    assert (trace.layers[0], trace.warnings) == (3, ())
    load = trace.loads[0, 7]
    solution = solve(PlacementProblem(load, 288, 32, "free"))
    assert (solution.status, solution.objective) == ("optimal", load.sum() / 32)
