"""Files of recordings: written and read as they are, merged rank by rank, and refused where they are none."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise.errors import InvalidFile
from equipoise.traces import RecordedLayer, RecordedStep, merge, read_recording
from equipoise.traces.recorded_file import write_recording
from standin_routers import Model, SomeTopKRouter, T, TopKRouter, hidden, top


def ranks(tmp_path, monkeypatch, *models):
    paths = []
    for rank, (model, seeds) in enumerate(models):
        monkeypatch.setenv("WORLD_SIZE", str(len(models)))
        monkeypatch.setenv("RANK", str(rank))
        with equipoise.record(model, tmp_path / "trace.npz") as recording:
            for seed in seeds:
                model(hidden(seed))
        paths.append(recording.path)
    return paths


def test_ranks_write_files_of_their_own_and_merge_into_one_batch_a_step(tmp_path, monkeypatch):
    router = SomeTopKRouter()
    seen = [[0, 1], [0, 1], [2, 3], [2, 3]]  # two tensor-parallel ranks each of two data-parallel ones
    paths = ranks(tmp_path, monkeypatch, *((Model(r=router), seeds) for seeds in seen))
    assert [path.name for path in paths] == [f"trace.rank{rank}.npz" for rank in range(4)]
    merge(paths, tmp_path / "all.npz")
    steps = read_recording(tmp_path / "all.npz")["r"].steps
    assert list(steps) == [0, 1]
    joined = np.concatenate([router.logits(hidden(0)), router.logits(hidden(2))])
    assert (steps[0].logits == joined).all()
    assert len(steps[1].chosen) == 2 * T


def test_ranks_that_see_the_same_tokens_count_once_and_pipeline_stages_keep_their_layers(tmp_path, monkeypatch):
    router, later = SomeTopKRouter(), TopKRouter()
    paths = ranks(tmp_path, monkeypatch, (Model(r=router), [0]), (Model(r=router), [0]), (Model(x=later), [0]))
    merge(paths, tmp_path / "all.npz")
    layers = read_recording(tmp_path / "all.npz")
    assert list(layers) == ["r", "layer7"]
    assert len(layers["r"].steps[0].logits) == T


def test_files_that_do_not_fit_each_other_are_not_merged(tmp_path):
    for index, layer in enumerate([RecordedLayer("softmax", 2), RecordedLayer("sigmoid", 2)]):
        layer.steps[0] = RecordedStep(np.ones((2, 3), np.float32))
        write_recording(tmp_path / f"{index}.npz", {"a": layer})
    with pytest.raises(InvalidFile, match="another gate"):
        merge([tmp_path / "0.npz", tmp_path / "1.npz"], tmp_path / "all.npz")
    with pytest.raises(InvalidFile, match="nothing to merge"):
        merge([], tmp_path / "all.npz")
    assert not (tmp_path / "all.npz").exists()


GOOD = {
    "format": "equipoise-recording/1",
    "layers": ["a"],
    "gate": ["softmax"],
    "top_k": [1],
    "logits_0": np.ones((3, 4), np.float32),
    "chosen_0": [[0], [1], [-1]],
    "steps_0": [0, 5],
    "tokens_0": [2, 1],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "equipoise-recording/9"}, "allowed: 'equipoise-recording/1'"),
        ({"gate": ["hard"]}, "gates"),
        ({"gate": ["softmax", "softmax"]}, "gates"),
        ({"layers": ["a", "a"]}, "top_k"),
        ({"top_k": [5]}, "top_k"),
        ({"top_k": [0]}, "top_k"),
        ({"logits_0": np.ones(3)}, "logits_0"),
        ({"logits_0": np.full((3, 4), np.nan)}, "logits_0"),
        ({"chosen_0": [[0], [1], [4]]}, "chosen_0"),
        ({"chosen_0": [[0], [1]]}, "chosen_0"),
        ({"steps_0": [5, 0]}, "steps_0"),
        ({"steps_0": [0]}, "tokens_0"),
        ({"tokens_0": [1, 1]}, "steps_0"),
        ({"tokens_0": None}, "lacks 'tokens_0'"),
    ],
)
def test_files_that_are_no_recordings_are_refused(changes, message, tmp_path):
    arrays = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    np.savez(tmp_path / "trace.npz", **arrays)
    with pytest.raises(InvalidFile, match=message):
        equipoise.read_trace(tmp_path / "trace.npz")


def test_a_recording_may_be_json(tmp_path):
    arrays = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in GOOD.items()}
    (tmp_path / "trace.json").write_text(json.dumps(arrays))
    assert [one.name for one in equipoise.read_trace(tmp_path / "trace.json")] == ["a/step0", "a/step5"]


@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_what_is_written_is_read(data, tmp_path_factory):
    path, layers = tmp_path_factory.mktemp("record") / "trace.npz", {}
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    for name in data.draw(st.lists(st.sampled_from(["a", "b.c", "layer7"]), unique=True)):
        experts = data.draw(st.integers(1, 5))
        layer = RecordedLayer(data.draw(st.sampled_from(["softmax", "sigmoid", "none"])), 1)
        for number in data.draw(st.lists(st.integers(0, 9), unique=True, min_size=1)):
            logits = random.standard_normal((data.draw(st.integers(1, 4)), experts)).astype(np.float16)
            layer.steps[number] = RecordedStep(logits, top(logits, 1).astype(np.int32))
        layers[name] = layer
    write_recording(path, layers)
    again = read_recording(path)
    assert list(again) == list(layers)
    for name, layer in layers.items():
        assert (again[name].gate, again[name].top_k) == (layer.gate, layer.top_k)
        assert list(again[name].steps) == sorted(layer.steps)
        for number, step in layer.steps.items():
            assert (again[name].steps[number].logits == step.logits).all()
            assert (again[name].steps[number].chosen == step.chosen).all()
