"""Maps of experts: what is written is read back the same in every form, and nothing else is taken for a map."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import ExpertMap, InvalidFile, InvalidProblem, PlacementProblem, TargetError, read_map, write_map
from equipoise.deployment.maps import FORMS, tells_a_map
from equipoise.deployment.yaml import read_yaml


@st.composite
def expert_maps(draw, empty=False):
    """A map with every expert placed in every layer, of any layers, and its E."""
    experts, devices, layers = (draw(st.integers(1, 4)) for _ in range(3))
    width = draw(st.integers(-(-experts // devices), -(-experts // devices) + 2))
    spare = devices * width - experts
    more = st.lists(st.integers(-1 if empty else 0, experts - 1), min_size=spare, max_size=spare)
    rows = [draw(st.permutations([*range(experts), *draw(more)])) for _ in range(layers)]
    numbers = draw(st.sets(st.integers(0, 12), min_size=layers, max_size=layers))
    return ExpertMap(np.array(rows), tuple(sorted(numbers)), devices), experts


def name_for(form):
    return "map.yaml" if form == "tensorrt-llm" else "map.json"


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_map_that_is_written_reads_back_the_same(form, data, tmp_path_factory):
    given, experts = data.draw(expert_maps(empty=form == "vllm"))
    path = tmp_path_factory.mktemp("maps") / name_for(form)
    write_map(given, path, form, experts)
    read = read_map(path)
    assert read.rows(given.layers).tolist() == given.slots.tolist()
    assert read.devices == (given.devices if form == "ascend" else None)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_files_have_the_frameworks_keys_and_layers(tmp_path):
    given = ExpertMap(np.array([[0, 1, 1, 2], [2, 0, 1, 0]]), (3, 4), 2)
    for form in FORMS:
        write_map(given, tmp_path / f"{form}{name_for(form)}", form, 3)
    read = {form: (tmp_path / f"{form}{name_for(form)}").read_text() for form in FORMS}
    rows = given.slots.tolist()
    assert json.loads(read["vllm"]) == {"physical_to_logical_map": rows}
    assert json.loads(read["sglang"]) == {"physical_to_logical_map": [[0, 1, 2, 0]] * 3 + rows}
    ascend = json.loads(read["ascend"])
    assert ascend["moe_layer_count"] == 2
    assert [layer["layer_id"] for layer in ascend["layer_list"]] == [0, 1]
    devices = [{"device_id": 0, "device_expert": [2, 0]}, {"device_id": 1, "device_expert": [1, 0]}]
    assert ascend["layer_list"][1] == {"layer_id": 1, "device_count": 2, "device_list": devices}
    assert yaml.safe_load(read["tensorrt-llm"]) == {
        "num_slots": 4,
        "initial_global_assignments": dict(zip((3, 4), rows, strict=True)),
        "layer_updates_per_iter": 0,
    }


@settings(max_examples=100, deadline=None)
@given(
    names=st.dictionaries(
        st.from_regex(r"\A[a-z_]{3,8}\Z").filter(lambda name: name not in ("yes", "off", "null", "true", "false")),
        st.integers(-9, 999)
        | st.dictionaries(st.integers(0, 99), st.lists(st.integers(-1, 999), min_size=1), min_size=1),
        min_size=1,
    ),
    flow=st.sampled_from([True, False, None]),
    width=st.integers(10, 200),
)
def test_yaml_reads_as_an_independent_package_writes_it(names, flow, width):
    """In block style, flow style and the mixture, wrapped anywhere."""
    text = yaml.safe_dump(names, default_flow_style=flow, width=width)
    assert read_yaml(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "{a: 1",
        "{a: 1 b: 2}",
        "- 1\n",
        "a: 1.5",
        "a: true",
        "a: 'x'",
        "a: !!python/object:os.system 3",
        "a: &x 1\nb: *x",
        "a:",
        "a: [1]",
        "a:\n  3: 4",
        "a:\n  3: [1, [2]]",
        "a:\n  3: [1 2]",
        "a: 1\na: 2",
        "a:\n  3: [1]\n  3: [1]",
        "a: {3: [1]",
        "a: 99999999999999999999",
        "a:\t1",
        "3: [1]",
    ],
)
def test_other_yaml_is_refused_with_its_line(text):
    with pytest.raises(InvalidProblem, match=r"line \d+ of the YAML"):
        read_yaml(text)


@given(text=st.text(alphabet="a3:-[]{}, \n#'", max_size=30))
def test_any_text_is_read_or_refused_and_what_is_read_means_the_same_to_an_independent_package(text):
    try:
        found = read_yaml(text)
    except InvalidProblem:
        return
    try:
        other = yaml.safe_load(text)
    except yaml.YAMLError:
        return  # indentation that a strict reader refuses
    assert other == (found or None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "holds nothing; allowed: a map with one of the keys"),
        ({"logical_count": [[1]]}, "holds 'logical_count'"),
        ({"physical_to_logical_map": [[0, 1], [0]]}, "physical_to_logical_map is"),
        ({"physical_to_logical_map": []}, "physical_to_logical_map is of shape (0,)"),
        ({"physical_to_logical_map": [[0.5]]}, "not whole"),
        ({"physical_to_logical_map": [["a"]]}, "allowed: whole numbers"),
        ({"physical_to_logical_map": [[10**30]]}, "physical_to_logical_map is"),
        ({"layer_list": 3}, "layer_list is not a list of objects"),
        ({"layer_list": [{"layer_id": 0}]}, "device_list is not a list of objects"),
        ({"layer_list": [{"layer_id": 0, "device_list": [{"device_id": 1, "device_expert": [0]}]}]}, "the devices [1]"),
        (
            {"layer_list": [{"layer_id": 0, "device_list": [{"device_id": 0, "device_expert": [0]}]}] * 2},
            "layer_id is 0 twice",
        ),
        ({"initial_global_assignments": {}}, "is not a mapping"),
        ({"initial_global_assignments": {"x": [0]}}, "of layers such as 'x'"),
        ({"initial_global_assignments": {"99999": [0]}}, "of layers such as '99999'"),
        ({"initial_global_assignments": {"0": [0]}, "num_slots": 2}, "num_slots is 2; allowed: 1"),
        ({"schema": "equipoise-check/2"}, "schema is 'equipoise-check/2'"),
        ({"schema": "equipoise-placement/1", "layers": [{"layer": 0}]}, "layers is without best"),
    ],
)
def test_what_is_no_map_is_refused_in_one_sentence_that_names_the_file(tmp_path, content, words):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidFile) as caught:
        read_map(path)
    assert words in str(caught.value)
    assert "odd.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_alone_is_a_map_in_vllms_form_without_its_key(tmp_path):
    rows = [[0, 1, 2, 0], [2, 1, 0, -1]]
    (tmp_path / "list.json").write_text("\n" + json.dumps(rows))
    (tmp_path / "object.json").write_text(json.dumps({"physical_to_logical_map": rows}))
    found, same = read_map(tmp_path / "list.json"), read_map(tmp_path / "object.json")
    assert np.array_equal(found.slots, same.slots)
    assert found.layers == same.layers
    assert tells_a_map(tmp_path / "list.json")
    (tmp_path / "list.json").write_text("[1, 2")
    with pytest.raises(InvalidFile, match=r"list\.json"):
        read_map(tmp_path / "list.json")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    for name, content in (("a.json", b"{"), ("b.yaml", b"\xff"), ("c.txt", b"{}"), ("e.yaml", b"a: true")):
        (tmp_path / name).write_bytes(content)
    for name in ("a.json", "b.yaml", "c.txt", "d.yaml", "e.yaml", "f.json"):
        with pytest.raises(InvalidFile, match=name):
            read_map(tmp_path / name)
    with open(tmp_path / "large.yaml", "wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(InvalidFile, match="at most"):
        read_map(tmp_path / "large.yaml")


@pytest.mark.parametrize("form", FORMS)
def test_a_map_that_the_form_cannot_say_leaves_no_file(tmp_path, form):
    path = tmp_path / name_for(form)
    cases = [(np.array([[0, 1, 1, 1]]), 3, TargetError), (np.array([[0, 1, 2, 3]]), 3, TargetError)]
    if form != "vllm":
        cases.append((np.array([[0, 1, 2, 0, -1, 0]]), 3, InvalidProblem))
    for slots, experts, error in cases:
        with pytest.raises(error):
            write_map(ExpertMap(slots, (0,), 2), path, form, experts)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(given_map=expert_maps(empty=True), data=st.data())
def test_full_slots_move_no_load(given_map, data, tmp_path_factory):
    expert_map, experts = given_map
    try:
        written = write_map(expert_map, tmp_path_factory.mktemp("full") / "map.json", "sglang", experts)
    except InvalidProblem:
        return
    load = data.draw(st.lists(st.integers(0, 99), min_size=experts, max_size=experts))
    problem = PlacementProblem(load, expert_map.slots.shape[1], expert_map.devices, distinct=False)
    for before, after in zip(expert_map.slots, written.slots, strict=True):
        assert (after >= 0).all()
        assert (after[before >= 0] == before[before >= 0]).all()
        assert problem.even_peak(before) == problem.even_peak(after)
        assert ((problem.counts(before) > 0) == (problem.counts(after) > 0)).all()


@pytest.mark.parametrize(
    ("numbers", "layers", "rows"),
    [
        ((0, 1, 2), (0, 1, 2), [0, 1, 2]),
        ((0, 1, 2), (3, 5, 6), [0, 1, 2]),
        ((3, 5, 6), (3, 5, 6), [0, 1, 2]),
        ((0, 1, 2), (1, 2), [1, 2]),
        ((3, 5, 6), (3, 6), [0, 2]),
        ((3, 5, 6), (3, 4, 5), None),
        ((0, 1, 2), (1, 3), None),
        ((3, 5, 6), (0, 1, 2), None),
    ],
)
def test_layers_are_matched_in_order_where_there_are_as_many_else_by_number(numbers, layers, rows):
    slots = np.array([[0], [1], [2]])
    if rows is None:
        with pytest.raises(InvalidProblem, match="the map is of 3 layers"):
            ExpertMap(slots, numbers).rows(layers)
    else:
        assert ExpertMap(slots, numbers).rows(layers)[:, 0].tolist() == rows
