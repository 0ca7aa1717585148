"""The dataset that ships: it is what its schema says, both parts load, and both export forms hold the same numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import ExtraMissing, InvalidFile, InvalidProblem
from equipoise.traces import recorded
from equipoise.traces.recording import ARRAYS, DESCRIPTIONS

FOLDER = Path(sys.modules["equipoise.traces"].__file__).parent / "recorded"


@pytest.fixture(params=list(DESCRIPTIONS))
def part(request):
    return recorded(request.param)


def test_every_array_is_one_that_the_schema_states_and_none_is_missing(part):
    for run in part.runs:
        own = {name.removeprefix(f"{run}/") for name in part.arrays if name.startswith(f"{run}/")}
        assert own <= set(ARRAYS)
        assert {name for name, array in ARRAYS.items() if not array.optional} <= own
    assert {name.split("/")[0] for name in part.arrays} == set(part.runs)


def test_types_and_axes_are_those_of_the_schema(part):
    for run in part.runs:
        shape = part.provenance["runs"][run]["shape"]
        sizes = {"L": shape["layers"], "E": shape["experts"]}
        for name, stated in ARRAYS.items():
            if f"{run}/{name}" in part.arrays:
                array = part.arrays[f"{run}/{name}"]
                assert array.dtype == stated.dtype
                axes = stated.axes.split()
                assert array.ndim == len(axes)
                for axis, size in zip(axes, array.shape, strict=True):
                    assert sizes.setdefault(axis, size) == size, (run, name, axis)


def test_loads_send_every_token_to_k_experts_at_steps_in_order(part):
    for run in part.runs:
        described, steps = part.provenance["runs"][run], part.load_steps(run)
        assert (part.loads(run).sum(axis=2) == described["tokens_per_step"] * part.top_k(run)).all()
        assert (np.diff(steps) > 0).all()
        assert 1 <= steps[0] <= steps[-1] == described["steps"]
        assert np.isfinite(part.arrays[f"{run}/logits"]).all()
        assert part.arrays[f"{run}/steps"][-1] == described["steps"]


def test_a_frozen_bias_evens_the_loads_of_the_tokens_that_it_was_not_learnt_on():
    part = recorded("balancers")
    evened = []
    for run in (name for name in part.runs if name.startswith("E16-") and "softmax" not in name):
        scores = 1 / (1 + np.exp(-part.arrays[f"{run}/logits"][-1].astype(float)))
        bias = part.arrays[f"{run}/bias"][-1][:, None]
        if bias.any():
            peaks = []
            for keys in (scores, scores + bias):
                chosen = np.argsort(-keys, axis=2)[..., : part.top_k(run)]
                peaks.append(np.mean([np.bincount(layer.ravel(), minlength=16).max() for layer in chosen]))
            evened.append(peaks[1] < peaks[0])
    assert all(evened)
    assert evened


def test_the_dataset_takes_at_most_eight_million_bytes_and_states_its_sizes():
    archives = {path.name: path.stat().st_size for path in FOLDER.glob("*.npz")}
    assert sum(archives.values()) <= 8_000_000
    stated = {name: file["bytes"] for part in DESCRIPTIONS for name, file in recorded(part).provenance["files"].items()}
    assert stated == archives


def test_arrays_cannot_be_written_to(part):
    with pytest.raises(ValueError, match="read-only"):
        next(iter(part.arrays.values()))[:] = 0


def test_the_balancers_give_instances_as_the_trace_does():
    part = recorded("balancers")
    found = part.instances()
    assert {instance.sequence.split("/")[0] for instance in found} == set(part.runs)
    assert len({instance.name for instance in found}) == len(found)
    assert all(((instance.scores > 0) & (instance.scores <= 1)).all() for instance in found)


def test_an_unknown_part_or_form_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InvalidProblem, match="trace or balancers"):
        recorded("all")
    with pytest.raises(InvalidProblem, match="npz or parquet"):
        recorded().export(tmp_path, "csv")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidFile, match="cannot be written"):
        recorded("balancers").export(tmp_path / "file", "npz")


def test_the_npz_export_reads_back_as_the_same_arrays(part, tmp_path):
    assert part.export(tmp_path / "new") == ["arrays.npz", "description.json"]
    with np.load(tmp_path / "new" / "arrays.npz", allow_pickle=False) as archive:
        assert set(archive.files) == set(part.arrays)
        for name in archive.files:
            np.testing.assert_array_equal(archive[name], part.arrays[name])
    assert json.loads((tmp_path / "new" / "description.json").read_text()) == part.provenance


def test_every_number_is_in_the_parquet_export_at_its_run_step_layer_and_token(part, tmp_path):
    polars = pytest.importorskip("polars")
    assert sorted(part.export(tmp_path, "parquet")) == [
        "bias.parquet",
        "description.json",
        "loads.parquet",
        "logits.parquet",
    ]
    tables = {name: polars.read_parquet(tmp_path / f"{name}.parquet") for name in ("logits", "bias", "loads")}
    rows = dict.fromkeys(tables, 0)
    for run in part.runs:
        steps = part.arrays[f"{run}/steps"]
        for index in (0, len(steps) - 1):
            for name in ("logits", "bias"):
                for layer in (0, 3):
                    found = tables[name].filter(run=run, step=int(steps[index]), layer=layer)
                    if name == "logits":
                        found = found.filter(text="held-out").sort("token")
                    values = np.array(found[name].to_list())
                    expected = part.arrays[f"{run}/{name}"][index, layer]
                    np.testing.assert_array_equal(values.reshape(expected.shape), expected)
        last = tables["loads"].filter(run=run, step=int(part.load_steps(run)[-1])).sort("layer")
        np.testing.assert_array_equal(np.array(last["loads"].to_list()), part.loads(run)[-1])
        rows["logits"] += part.arrays[f"{run}/logits"][..., 0].size
        if f"{run}/stream" in part.arrays:
            stream = part.arrays[f"{run}/stream"]
            rows["logits"] += stream[..., 0].size
            step = int(part.arrays[f"{run}/stream_steps"][2])
            found = tables["logits"].filter(run=run, text="training", step=step).sort("token")
            assert found["layer"].unique().to_list() == [part.provenance["stream_layer"]]
            np.testing.assert_array_equal(np.array(found["logits"].to_list()), stream[2])
        rows["bias"] += part.arrays[f"{run}/bias"][..., 0].size
        rows["loads"] += part.loads(run)[..., 0].size
    assert {name: len(table) for name, table in tables.items()} == rows


def test_parquet_without_polars_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ExtraMissing, match=r"equipoise\[study\]"):
        recorded("balancers").export(tmp_path / "new", "parquet")
    assert not (tmp_path / "new").exists()
