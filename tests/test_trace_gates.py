"""Gates and axes are said and never guessed; what was never written is named."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import InvalidProblem, audit, cli, read_loads, read_trace, solve
from equipoise.deployment.maps import tells_a_map
from equipoise.deployment.place import place
from equipoise.traces import apply_gate
from equipoise.traces.formats.table import FORMATS
from equipoise.traces.read import read_problem
from trace_files import refusal


def test_far_more_layers_than_tokens_are_asked_for_and_either_answer_is_taken(tmp_path):
    ids = np.stack([np.random.default_rng(n).permutation(4)[:2] for n in range(40 * 3)]).reshape(40, 3, 2)
    np.savez(tmp_path / "a.npz", topk_ids=ids)
    words = refusal(tmp_path / "a.npz")
    assert "--axes layers,tokens,k or --axes tokens,layers,k" in words
    assert read_loads(tmp_path / "a.npz", axes="tokens,layers,k").loads.shape == (1, 3, 4)
    assert read_loads(tmp_path / "a.npz", axes="layers,tokens,k").loads.shape == (1, 40, 4)
    np.savez(tmp_path / "b.npz", routed_experts=ids.transpose(1, 0, 2))
    assert "--axes tokens,layers,k or --axes layers,tokens,k" in refusal(tmp_path / "b.npz")
    np.savez(tmp_path / "d.npz", topk_ids=ids[:4])
    assert any("read as 4 layers of 3 tokens" in warning for warning in read_loads(tmp_path / "d.npz").warnings)
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


def test_the_command_line_solves_logits_after_a_gate_and_lists_the_formats(tmp_path, capsys):
    logits = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    np.save(tmp_path / "a.npy", logits)
    assert cli.run(["solve", str(tmp_path / "a.npy"), "--top-k", "1", "--gate", "sigmoid", "--format", "json"]) == 0
    solved = json.loads(capsys.readouterr().out)
    assert Fraction(solved["objective"]) == solve(read_problem(tmp_path / "a.npy", 1, gate="sigmoid")).objective
    assert cli.run(["list", "--formats", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)["formats"]
    assert [one["name"] for one in listed] == [one.name for one in FORMATS]


def test_place_takes_the_axes_of_a_file(tmp_path):
    ids = np.array([[[0, 1], [1, 2]], [[2, 0], [1, 0]], [[3, 0], [3, 1]]])
    np.save(tmp_path / "a.npy", ids)
    sizes = {"slots": 4, "devices": 2}
    placed = place(tmp_path / "a.npy", axes="tokens,layers,k", **sizes)
    assert [layer.load for layer in placed.layers] == [6, 6]
    with pytest.raises(InvalidProblem, match="axes"):
        place([1, 2, 3, 4], axes="experts", **sizes)


def test_maps_are_told_from_records_of_loads_in_any_format(tmp_path):
    (tmp_path / "loads.csv").write_text("step,layer,expert,count\n0,0,0,3\n0,0,1,4\n")
    (tmp_path / "map.json").write_text(json.dumps({"physical_to_logical_map": [[0, 1, 1, 0]]}))
    assert [tells_a_map(tmp_path / name) for name in ("loads.csv", "map.json", ".")] == [False, True, False]
    out = tmp_path / "out.json"
    sizes = ["--slots", "4", "--devices", "2"]
    assert cli.run(["export", str(tmp_path / "loads.csv"), "--to", "vllm", "-o", str(out), *sizes]) == 0
    assert tells_a_map(out)
