"""`place`: what it says of a deployed map and the one it finds, against brute force and plain recomputation."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from command_line import run
from device_oracles import keeps_groups, least_placement_peak, placement_peak, placements
from equipoise import InvalidProblem, TargetError, place
from equipoise.audits.replanning import experts_moved
from equipoise.deployment.layer import filled, relabelled
from equipoise.reference.placement.eplb import eplb
from equipoise.solvers.placement.bounds import group_bound, mean_bound, replica_bound
from equipoise.solvers.placement.greedy import greedy_counts

DATA = Path(os.environ.get("EQUIPOISE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")) / "deepseek-v3"


def maps_of(problem):
    """Any feasible map: a random one, every expert in it."""
    spare = problem.num_slots - problem.num_experts
    extra = st.lists(st.integers(-1, problem.num_experts - 1), min_size=spare, max_size=spare)
    return extra.flatmap(lambda more: st.permutations([*range(problem.num_experts), *more])).map(np.array)


@st.composite
def deployments(draw):
    problem = draw(placements(splits=("even", "free"), nodes=False))
    return problem, draw(maps_of(problem))


def restated(problem, current=None):
    """The same problem in which replicas may share a device if they do so in the deployed map."""
    sizes = (problem.num_slots, problem.num_devices, problem.split, problem.num_groups, problem.num_nodes)
    strict = equipoise.PlacementProblem(problem.load, *sizes)
    if current is None or strict.violation(current) is None:
        return strict
    return equipoise.PlacementProblem(problem.load, *sizes, distinct=False)


def asked(problem, current=None, **options):
    machine = {"groups": problem.num_groups, "nodes": problem.num_nodes, "split": problem.split}
    options |= {"current": current, "time_limit": 60}
    return place(problem.load, problem.num_slots, problem.num_devices, **machine, **options)


@settings(max_examples=60, deadline=None)
@given(deployment=deployments())
def test_bound_is_below_the_optimum_and_best_between_it_and_the_current_map(deployment):
    problem, current = deployment
    [layer] = asked(problem, current, worth=0.0).layers
    same = restated(problem, current)
    assert layer.bound <= least_placement_peak(same) <= layer.best.peak <= layer.current.peak
    assert layer.best.peak == placement_peak(same, layer.best.slots.tolist())
    assert layer.current.peak == placement_peak(same, current.tolist())
    assert same.violation(layer.best.slots) is None
    assert (layer.evidence["best"] in ("certified", "searched")) == (layer.best.peak == layer.bound)


@settings(max_examples=40, deadline=None)
@given(deployment=deployments(), worth=st.sampled_from([0.0, 0.01, 0.3]))
def test_experts_are_copied_only_for_a_gain_that_is_worth_it(deployment, worth):
    problem, current = deployment
    [layer] = asked(problem, current, worth=worth).layers
    assert layer.moved == experts_moved(current, layer.best.slots, problem.num_devices)
    assert layer.best.peak <= layer.current.peak
    if layer.moved:
        assert layer.best.peak < layer.current.peak * (1 - Fraction(worth))
    else:
        assert layer.best.peak == layer.current.peak


@settings(max_examples=30, deadline=None)
@given(problem=placements(splits=("even", "free"), nodes=True))
def test_the_best_map_of_several_nodes_keeps_groups_on_them(problem):
    [layer] = asked(problem).layers
    assert keeps_groups(problem, layer.best.slots.reshape(problem.num_devices, -1).tolist())
    assert restated(problem).violation(layer.best.slots) is None
    assert layer.bound <= least_placement_peak(restated(problem)) <= layer.best.peak
    assert (layer.current, layer.moved) == (None, None)


@settings(max_examples=60, deadline=None)
@given(deployment=deployments())
def test_a_schedule_of_the_same_map_is_never_worse_than_an_even_split(deployment):
    problem, current = deployment
    [layer] = asked(problem, current).layers
    for one in (layer.best, layer.current):
        assert one.free_peak <= one.even_peak
        assert one.peak == (one.even_peak if problem.split == "even" else one.free_peak)
        even, free = (
            equipoise.PlacementProblem(problem.load, problem.num_slots, problem.num_devices, split, distinct=False)
            for split in ("even", "free")
        )
        assert one.even_peak == placement_peak(even, one.slots.tolist())
        assert one.free_peak == placement_peak(free, one.slots.tolist())


@settings(max_examples=60, deadline=None)
@given(data=st.data(), problem=placements(splits=("even", "free"), nodes=False))
def test_devices_are_numbered_so_that_no_other_order_copies_less_and_nothing_else_changes(data, problem):
    from itertools import permutations

    slots, current = data.draw(maps_of(problem)), data.draw(maps_of(problem))
    cluster = equipoise.audits.cluster.Cluster(problem.num_slots, problem.num_devices)
    numbered, word = relabelled(slots, current, cluster)
    devices = slots.reshape(problem.num_devices, -1)
    orders = permutations(range(problem.num_devices))
    least = min(experts_moved(current, devices[list(order)].ravel(), problem.num_devices) for order in orders)
    assert experts_moved(current, numbered, problem.num_devices) == least
    assert word == "certified"
    assert sorted(map(sorted, numbered.reshape(devices.shape).tolist())) == sorted(map(sorted, devices.tolist()))
    old = current.reshape(devices.shape)
    for before, after in zip(old.tolist(), numbered.reshape(devices.shape).tolist(), strict=True):
        for expert in set(before):
            stays = min(before.count(expert), after.count(expert))
            assert sum(a == b == expert for a, b in zip(before, after, strict=True)) == stays


@settings(max_examples=60, deadline=None)
@given(data=st.data(), problem=placements(splits=("even", "free"), nodes=True))
def test_filling_empty_slots_never_raises_the_peak(data, problem):
    problem = restated(problem)
    counts = greedy_counts(problem)
    spare = np.argwhere((counts > 0) & (counts.sum(axis=1, keepdims=True) > 1)).tolist()
    if spare:
        expert, device = data.draw(st.sampled_from(spare))
        counts[expert, device] -= 1
    from equipoise.solvers.placement.certify import peak_of_counts

    after = filled(problem, counts)
    assert (after >= counts).all()
    assert peak_of_counts(problem, after) <= peak_of_counts(problem, counts)
    assert (after <= np.maximum(1, counts)).all()
    if problem.split == "free" and problem.num_nodes == 1 and problem.slots_per_device <= problem.num_experts:
        assert after.sum() == problem.num_slots


SERIES = np.random.default_rng(5).integers(0, 60, (6, 2, 8))


def test_the_answer_is_for_the_sum_of_the_steps_or_of_the_last_ones():
    assert [layer.load for layer in place(SERIES, 12, 4).layers] == SERIES.sum(axis=(0, 2)).tolist()
    last = place(SERIES, 12, 4, steps=2)
    assert [layer.load for layer in last.layers] == SERIES[-2:].sum(axis=(0, 2)).tolist()
    assert last.steps == 2


@pytest.mark.parametrize(("window", "parts"), [(1, 6), (2, 3), (4, None), (3, 2)])
@pytest.mark.parametrize("split", ["even", "free"])
def test_lag_serves_every_part_on_the_map_made_for_the_one_before(window, parts, split):
    if parts is None:
        with pytest.raises(InvalidProblem, match="6 steps in parts of 4"):
            place(SERIES, 12, 4, lag=True, window=window, split=split)
        return
    current = np.stack([np.arange(12) % 8] * 2)
    answer = place(SERIES, 12, 4, lag=True, window=window, split=split, current=current, time_limit=60)
    sums = SERIES.reshape(parts, window, 2, 8).sum(axis=1)
    assert [(one.part, one.layer) for one in answer.lag] == [(t, layer) for t in range(1, parts) for layer in (0, 1)]
    for one in answer.lag:
        problems = [equipoise.PlacementProblem(sums[t, one.layer], 12, 4, split) for t in (one.part - 1, one.part)]
        [made] = place(sums[one.part - 1, one.layer], 12, 4, split=split, time_limit=60).layers
        assert one.placed == placement_peak(problems[1], made.best.slots.tolist())
        assert one.current == placement_peak(problems[1], current[one.layer].tolist())
        assert one.load == sums[one.part, one.layer].sum()
        assert one.bound <= one.hindsight <= one.placed
    assert "in hindsight" in answer.verdict()


def test_workers_make_no_difference():
    def said(answer):
        return {**answer.to_dict(), "stopped": None}

    assert said(place(SERIES, 12, 4, workers=2, time_limit=60)) == said(place(SERIES, 12, 4, time_limit=60))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((1, 3, 8), "names expert 8 in slot 3 of layer 1"),
        ((0, 2, -2), "names expert -2 in slot 2 of layer 0"),
        ((1, 5, 0), "places expert 5 of layer 1 nowhere"),
    ],
)
def test_an_invalid_map_is_named_by_layer_and_expert(change, words):
    current = np.stack([np.arange(12) % 8] * 2)
    layer, slot, expert = change
    current[layer, slot] = expert
    with pytest.raises(TargetError, match=words):
        place(SERIES, 12, 4, current=current)


def test_any_record_of_loads_can_be_exported(folder):
    (folder / "counts.csv").write_text("layer,expert,count\n0,0,5\n0,1,3\n")
    done = run(folder, "export", "counts.csv", "--slots", 2, "--devices", 2, "--to", "vllm", "-o", "x.json")
    assert done.returncode == 0, done.stderr
    assert sorted(equipoise.read_map(folder / "x.json").slots[0].tolist()) == [0, 1]


def test_a_map_that_tears_a_group_is_refused_with_groups_and_judged_without():
    current = np.arange(12) % 8
    with pytest.raises(TargetError, match="in layer 0, group 0 is on more than one node"):
        place(SERIES[0, 0], 12, 4, groups=4, nodes=2, current=current)
    assert place(SERIES[0, 0], 12, 4, current=current).layers[0].current is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slots": 7}, "num_slots is 7"),
        ({"slots": 12, "devices": 5}, "num_slots is 12; allowed: a multiple of the 5 devices"),
        ({"slots": 12, "devices": 4, "split": "odd"}, "split is 'odd'"),
        ({"steps": 0}, "steps is 0"),
        ({"window": 0, "lag": True}, "window is 0"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"worth": 1.0}, "worth is 1.0"),
        ({"current": np.arange(12) % 8}, "the map is of 1 layers"),
        ({"current": np.stack([np.arange(12) % 8] * 2), "slots": 16, "devices": 4}, "the map is of 12 slots"),
        ({"current": [[0.5] * 12] * 2}, "not whole"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(options, words):
    with pytest.raises(InvalidProblem) as caught:
        place(SERIES, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_layers_without_load_and_single_devices_have_an_answer():
    answer = place(np.array([[[0, 0, 0], [5, 0, 1]]]), 4, 1)
    assert [layer.best.peak for layer in answer.layers] == [0, 6]
    assert "proved optimal (2 certified)" in answer.verdict()
    assert repr(answer)


def test_the_table_fits_80_columns_shows_the_worst_layers_and_says_so():
    loads = np.random.default_rng(1).integers(1, 10**9, (40, 16))
    answer = place(loads, 20, 4, current=np.stack([np.arange(20) % 16] * 40), worth=0.05)
    text = answer.table(80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "the worst 12 of 40" in " ".join(text.split())
    assert max(answer.rows, key=lambda row: row["current_gap"])["layer"] in {
        int(line.split()[0]) for line in text.splitlines() if line.split() and line.split()[0].isdigit()
    }
    assert answer.to_markdown().count("\n| ") == 1 + 40 + 1
    assert answer.total["current_peak"] == sum(row["current_peak"] for row in answer.rows)
    assert f"{answer.total['moved']:,} experts" in answer.verdict()


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "loads.npz", load=SERIES)
    good = np.stack([np.arange(12) % 8] * 2)
    (tmp_path / "map.json").write_text(json.dumps({"physical_to_logical_map": good.tolist()}))
    good[1, 5] = 0
    (tmp_path / "bad.json").write_text(json.dumps({"physical_to_logical_map": good.tolist()}))
    return tmp_path


def test_the_command_says_the_same_as_python(folder):
    asked = ("loads.npz", "--devices", 4, "--current", "map.json", "--lag", "--time-limit", 60)
    done = run(folder, "place", *asked, "--format", "json")
    assert done.returncode == 0, done.stderr
    answer = place(folder / "loads.npz", devices=4, current=folder / "map.json", lag=True, time_limit=60)
    mine = {**json.loads(json.dumps(answer.to_dict())), "loads": "loads.npz", "current": "map.json"}
    mine["notes"] = [note.replace(f"{folder}/", "") for note in mine["notes"]]
    assert json.loads(done.stdout) == mine
    table = run(folder, "place", "loads.npz", "--devices", 4, "--current", "map.json")
    assert table.returncode == 0
    assert "The current map is" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["place", "loads.npz", "--devices", 4, "--current", "bad.json"], 1, "places expert 5 of layer 1 nowhere"),
        (["place", "none.npz"], 2, "cannot be read"),
        (["place", "map.json"], 2, "allowed for loads: "),
        (["place", "loads.npz", "--slots", 13, "--devices", 4], 2, "num_slots is 13"),
        (["place", "loads.npz", "--current", "loads.npz"], 2, "allowed: a map with one of the keys"),
        (["place", "loads.npz", "--devices", 4, "--current", "map.json", "--worth", "many"], 2, "worth"),
        (["export", "bad.json", "--to", "vllm", "-o", "x.json"], 1, "places expert 5 of layer 1 nowhere"),
        (["export", "map.json", "--to", "odd", "-o", "x.json"], 2, "allowed: vllm, sglang, ascend, tensorrt-llm"),
        (["export", "map.json", "--to", "ascend", "-o", "x.json"], 2, "--devices is not given"),
        (["export", "map.json", "--to", "vllm", "-o", "x.yaml"], 2, "allowed for vllm: .json"),
        (["export", "map.json", "--to", "vllm", "-o", "none/x.json"], 2, "cannot be written"),
    ],
)
def test_exit_codes_and_one_sentence(folder, arguments, code, words):
    done = run(folder, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "x.json").exists()


@pytest.mark.parametrize("form", ["vllm", "sglang", "ascend", "tensorrt-llm"])
def test_export_takes_an_answer_a_map_or_a_record(folder, form):
    name = "out.yaml" if form == "tensorrt-llm" else "out.json"
    machine = ["--slots", 12, "--devices", 4, "--time-limit", 60]
    (folder / "answer.json").write_text(run(folder, "place", "loads.npz", *machine, "--format", "json").stdout)
    for source in ("answer.json", "map.json", "loads.npz"):
        done = run(folder, "export", source, "--to", form, "-o", name, *machine)
        assert done.returncode == 0, done.stderr
        assert "2 layers of 12 slots" in done.stdout
        expected = json.loads((folder / "answer.json").read_text())["layers"]
        wanted = [layer["best"]["physical_to_logical"] for layer in expected]
        if source == "map.json":
            wanted = [[*range(8), 0, 1, 2, 3]] * 2
        read = equipoise.read_map(folder / name).rows((0, 1))
        for load, before, after in zip(SERIES.sum(axis=0), np.array(wanted), read, strict=True):
            assert (after == before)[(before >= 0) | (form == "vllm")].all()
            problem = equipoise.PlacementProblem(load, 12, 4, distinct=False)
            assert problem.even_peak(before) == problem.even_peak(after)
        again = run(folder, "place", "loads.npz", *machine, "--current", name, "--worth", "0%", "--format", "json")
        assert again.returncode == 0, again.stderr
        if source != "map.json" and form == "vllm":
            assert json.loads(again.stdout)["total"]["moved"] == 0


@pytest.mark.skipif(not DATA.is_dir(), reason="no DeepSeek-V3 counts (set EQUIPOISE_DATA)")
def test_deepseek_v3_is_placed_within_a_thousandth_of_the_bound():
    answer = place(DATA / "decode_in2000out100.json", 288, 32)
    assert [layer.layer for layer in answer.layers] == list(range(3, 61))
    assert answer.num_experts == 256
    assert answer.proved
    assert answer.total["gap"] < 0.001


def test_golden_loads_of_vllm_ascend_have_their_known_peaks():
    """Pull request 3042 of vllm-ascend: EPLB's map has a peak of 232, the optimum is 590/3, scheduled 181.25."""
    loads = [600, 560, 120, 120, 20, 10, 10, 10]
    current = eplb(np.array([loads]), 16, 1, 1, 8)
    [even] = place(loads, 16, 8, current=current, worth=0.0, time_limit=60).layers
    assert (even.current.peak, even.current.free_peak, even.best.peak) == (232, 200, Fraction(590, 3))
    assert even.evidence["best"] == "searched"
    [free] = place(loads, 16, 8, current=current, worth=0.0, split="free", time_limit=60).layers
    assert (free.current.peak, free.best.peak, free.bound) == (200, Fraction(725, 4), Fraction(725, 4))
    assert free.evidence["best"] == "certified"


def test_the_command_exits_with_3_if_something_is_not_proved(folder, monkeypatch, capsys):
    from equipoise import Placement, cli

    monkeypatch.chdir(folder)
    assert cli.run(["place", "loads.npz", "--devices", "4"]) == 0
    monkeypatch.setattr(Placement, "proved", False)
    assert cli.run(["place", "loads.npz", "--devices", "4"]) == 3
    assert "The map found is" in capsys.readouterr().out


@settings(max_examples=60, deadline=None)
@given(problem=placements(splits=("even", "free"), nodes=True))
def test_the_bound_by_groups_holds_for_every_map_that_keeps_them(problem):
    known = max(mean_bound(problem), replica_bound(problem), key=lambda bound: bound.value)
    bound = group_bound(problem, known)
    if bound is not None:
        assert known.value < bound.value <= least_placement_peak(problem)


@given(load=st.lists(st.integers(0, 30), min_size=4, max_size=8).filter(lambda one: len(one) % 2 == 0))
def test_with_one_expert_a_device_the_bound_by_groups_is_the_best_pairing(load):
    """Pairs of groups of one expert on nodes of one device: heaviest with lightest is best."""
    problem = equipoise.PlacementProblem(load, len(load), len(load) // 2, "even", len(load), len(load) // 2)
    ordered = sorted(load)
    best = max(a + b for a, b in zip(ordered, ordered[::-1], strict=True))
    bound = group_bound(problem, mean_bound(problem)) or mean_bound(problem)
    assert bound.value == best


def test_deepseek_groups_on_nodes_leave_next_to_no_gap():
    load = np.random.default_rng(0).lognormal(9, 1, 256).astype(int)
    placed = place(load, 288, 32, groups=8, nodes=4, time_limit=60)
    assert placed.total["gap"] < 0.01
