"""The audit of schedulers and placers: what it compares them with, and that none takes it down."""

import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import command_line
import device_oracles
import equipoise
from equipoise import audit
from equipoise.audits.cluster import Cluster
from equipoise.balancers.find import Target
from equipoise.errors import InvalidProblem, TargetError
from equipoise.problems.scheduling import hosts_of
from equipoise.reference.placement.catalogue import PLACERS
from equipoise.reference.scheduling.catalogue import SCHEDULERS
from equipoise.roles.scheduler import read_schedule
from equipoise.traces import LoadInstance, recorded

SIZES = {"slots": 8, "devices": 4}
EPLB = PLACERS["eplb"].create()

loads = st.lists(st.integers(0, 60), min_size=6, max_size=6).map(lambda load: np.array(load, np.int64))


def instances(seed=0, count=3, experts=6):
    random = np.random.default_rng(seed)
    return [LoadInstance(f"layer{n}", random.integers(1, 100, experts)) for n in range(count)]


def optimal(load, hosts):
    given = {"load": load} if load.ndim == 1 else {"source_load": load}
    return equipoise.solve(equipoise.SchedulingProblem(hosts=hosts, **given)).split


def here(name, balancer, role):
    """A balancer that no other process can find: it runs in this one."""
    return Target(name, None, balancer, role)


def scheduled(scheduler, batch, **sizes):
    return audit([here("mine", scheduler, "scheduler")], role="scheduler", trace=batch, **(sizes or SIZES)).rows


def placed(placer, batch, **options):
    targets = [placer] if isinstance(placer, str) else [here("mine", placer, "placer")]
    return audit(targets, role="placer", trace=batch, **{**SIZES, "time_limit": 60.0, **options}).rows


@given(loads)
@settings(max_examples=20, deadline=None)
def test_the_optimum_as_a_scheduler_has_no_excess(load):
    (row,) = scheduled(optimal, [LoadInstance("one", load)])
    assert (row.evidence, row["excess"], row["relative_excess"]) == ({"optimum": "certified"}, 0, 0.0)
    assert row["balancedness"] == row["best_balancedness"]


@given(loads, st.sampled_from([name for name, entry in SCHEDULERS.items() if not entry.only_named]))
@settings(max_examples=30, deadline=None)
def test_no_scheduler_beats_the_optimum_of_an_independent_oracle(load, name):
    (row,) = audit([name], role="scheduler", trace=[LoadInstance("one", load)], **SIZES).rows
    placement = EPLB(load[None], 8, 1, 1, 4)[0]
    problem = equipoise.SchedulingProblem(load, hosts_of(placement, 6, 4))
    assert row["optimum"] == math.ceil(device_oracles.least_rational_peak(problem))
    assert row["excess"] == row["peak"] - row["optimum"] >= 0


def test_the_optimal_split_is_never_above_the_even_split_on_the_same_placement():
    for row in audit(role="placer", trace=instances(), **SIZES, time_limit=60.0).rows:
        assert row.evidence["split"] == "certified"
        assert row.proved
        assert row["mean"] <= row["free_bound"] <= row["split_peak"] <= row["even_peak"]
        assert row["free_bound"] <= row["even_bound"] <= row["even_peak"]
        assert row["split_balancedness"] >= row["even_balancedness"]


@given(st.lists(st.integers(0, 20), min_size=3, max_size=3), st.permutations([0, 0, 1, 2, 2, 1]))
@settings(max_examples=20, deadline=None)
def test_bounds_hold_for_every_placement_one_with_duplicates_included(load, slots):
    batch = [LoadInstance("one", np.array(load))]
    (row,) = placed(lambda *_: np.array([slots]), batch, slots=6, devices=3)
    assert row["even_bound"] <= row["even_peak"]
    assert row["free_bound"] <= row["split_peak"]
    assert row["duplicates"] == sum(one == other for one, other in zip(slots[::2], slots[1::2], strict=True))


def test_the_optimal_placement_as_a_placer_is_at_the_proved_bound():
    def best(load, slots, groups, nodes, devices):
        problem = equipoise.PlacementProblem(load[0], slots, devices, "even", groups, nodes, distinct=False)
        return equipoise.solve(problem).physical_to_logical[None]

    for row in placed(best, instances(), time_limit=None):
        assert (row["even_excess"], row.evidence["even bound"]) in ((0.0, "certified"), (0.0, "searched"))


def test_a_placement_that_breaks_groups_is_compared_with_the_form_without_groups():
    across = placed(lambda *_: np.array([[0, 1, 2, 3, 4, 5, 0, 1]]), instances(), nodes=2, groups=2)
    within = placed("eplb", instances(), nodes=2, groups=2)
    assert {row.compared_with for row in across} == {"all placements"}
    assert {row.compared_with for row in within} == {"placements that keep groups on nodes"}


def test_all_zero_loads_are_balanced_and_have_no_excess():
    batch = [LoadInstance("idle", np.zeros(6, np.int64))]
    (schedule,) = scheduled(optimal, batch)
    (placement,) = placed(lambda *_: np.array([[0, 1, 2, 3, 4, 5, 0, 1]]), batch)
    assert (schedule["excess"], schedule["balancedness"]) == (0, 1.0)
    assert (placement["even_excess"], placement["split_excess"], placement["split_balancedness"]) == (0.0, 0.0, 1.0)


def raises(*_):
    raise RuntimeError("no")


def leaves(*_):
    raise SystemExit(0)


def vandal(load, *_):
    load[:] = 0


@pytest.mark.parametrize("broken", [raises, leaves, vandal, lambda *_: "nonsense", lambda *_: np.zeros((2, 2))])
def test_a_balancer_that_breaks_is_a_row_and_the_others_go_on(broken):
    for role, fine in (("scheduler", here("fine", optimal, "scheduler")), ("placer", "eplb")):
        targets = [here("broken", broken, role), fine]
        options = {"time_limit": 60.0} if role == "placer" else {}
        result = audit(targets, role=role, trace=instances(), **SIZES, **options)
        assert [row.error is None for row in result.rows] == [False] * 3 + [True] * 3
        assert result.proved
        assert [summary["errors"] for summary in result.summary] == [3, 0]


def test_prints_of_a_balancer_do_not_reach_standard_output(capsys):
    def chatty(load, hosts):
        print("hello")
        return optimal(load, hosts)

    scheduled(chatty, instances(count=1))
    assert capsys.readouterr().out == ""


HOSTS = np.array([[True, True], [False, True]])


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([[1, 1], [0, 2]], "serves 2 of the 3 tokens of expert 0"),
        ([[1, 2], [1, 1]], "serves expert 1 on device 0, which does not host it"),
        ([[1.5, 1.5], [0, 2]], "serves 1.5 tokens of expert 0"),
        ([[np.nan, 3], [0, 2]], "serves nan tokens of expert 0"),
        ([[4, -1], [0, 2]], "serves -1 tokens"),
        ([3, 2], "of shape"),
        (None, "allowed: whole numbers of tokens"),
    ],
)
def test_what_is_no_schedule_is_refused_in_words(returned, words):
    with pytest.raises(TargetError, match=words):
        read_schedule(returned, np.array([3, 2]), HOSTS)


def test_flows_must_serve_the_tokens_of_every_source():
    source = np.array([[3, 0], [0, 2]])
    flows = np.zeros((2, 2, 2), np.int64)
    flows[0, 0] = 1, 2
    flows[1, 1, 1] = 2
    assert read_schedule(flows, source, HOSTS).split.tolist() == [[1, 2], [0, 2]]
    with pytest.raises(TargetError, match="serves 0 of the 3 tokens of expert 0"):
        read_schedule(flows[::-1], source, HOSTS)


def test_traffic_is_never_below_the_certified_least_and_left_out_where_sources_are_not_known():
    random = np.random.default_rng(3)
    batch = [LoadInstance("sources", random.integers(0, 30, (4, 6)))]
    for row in audit(list(SCHEDULERS), role="scheduler", trace=batch, **SIZES, nodes=2).rows:
        assert (row.error, row.evidence) == (None, {"optimum": "certified", "traffic": "certified"})
        assert row["traffic"] >= row["least_traffic"]
    assert {row["traffic"] for row in scheduled(optimal, instances())} == {None}


def test_loads_from_another_number_of_devices_are_refused():
    with pytest.raises(InvalidProblem, match="source_load is of 3 devices; allowed: 4 devices"):
        scheduled(optimal, [LoadInstance("one", np.ones((3, 6), np.int64))])


@pytest.fixture
def crossed(tmp_path):
    """Audits placers on one record of loads, scored on another too."""

    def table(placers, one, other):
        for name, batch in (("one", one), ("other", other)):
            np.savez(tmp_path / f"{name}.npz", load=np.stack([instance.load for instance in batch]))
        paths = {"trace": str(tmp_path / "one.npz"), "against": str(tmp_path / "other.npz")}
        rows = audit(placers, role="placer", **paths, **SIZES, time_limit=60.0).rows
        short = {"the trace": 0, paths["against"]: 1}
        return {(short[r["workload"]], short[r["scored_on"]], r["placed_on"]): r["even_peak"] for r in rows}

    return table


def test_two_equal_workloads_give_the_same_peaks_four_times_over(crossed):
    found = crossed(["eplb"], instances(), instances())
    quarters = {pair: [found[key] for key in found if key[:2] == pair] for pair in ((0, 0), (0, 1), (1, 0), (1, 1))}
    assert len({tuple(peaks) for peaks in quarters.values()}) == 1


def test_exchanging_the_workloads_exchanges_the_cross_table(crossed):
    one, other = instances(1), instances(2)
    exchanged = crossed(["eplb"], other, one)
    assert crossed(["eplb"], one, other) == {(1 - a, 1 - b, layer): peak for (a, b, layer), peak in exchanged.items()}


def test_a_placer_that_knows_no_load_scores_a_workload_the_same_wherever_it_was_placed(crossed):
    found = crossed(["random"], instances(1), instances(2))
    assert all(found[0, scored, layer] == found[1, scored, layer] for _, scored, layer in found)


def test_workloads_of_other_shapes_are_refused(crossed):
    with pytest.raises(InvalidProblem, match="of 3 layers of 6 experts and 2 layers of 6 experts"):
        crossed(["eplb"], instances(), instances(count=2))


@pytest.mark.parametrize(("experts", "slots", "devices"), [(8, 16, 8), (16, 24, 8), (64, 72, 8), (256, 288, 32)])
def test_default_sizes(experts, slots, devices):
    assert Cluster.of(experts) == Cluster(slots, devices)


@pytest.mark.parametrize(
    "sizes", [{"slots": 5}, {"devices": 0}, {"nodes": 3}, {"nodes": 2, "groups": 5}, {"slots": 17}]
)
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(InvalidProblem):
        Cluster.of(16, **sizes)


@pytest.mark.parametrize("name", [name for name in PLACERS if name != "micromoe-symmetric"])
def test_every_placer_of_the_catalogue_places_every_expert(name):
    load = np.arange(12).reshape(2, 6)
    with Target(name, name, role="placer").hold(in_process=True) as placer:
        layers = placer.ask(load, 8, 1, 1, 4)
    assert all(set(layer.tolist()) >= set(range(6)) for layer in layers)


def test_the_symmetric_placer_takes_its_own_sizes_and_refuses_others():
    symmetric = Target("micromoe-symmetric", "micromoe-symmetric").hold(in_process=True)
    slots = symmetric.ask(np.ones((1, 16), np.int64), 32, 1, 1, 8)[0]
    assert np.bincount(slots).tolist() == [2] * 16
    with pytest.raises(TargetError, match="24 slots for 16 experts; allowed: two for each"):
        symmetric.ask(np.ones((1, 16), np.int64), 24, 1, 1, 8)


def test_reading_the_catalogues_imports_no_balancer():
    code = (
        "import sys, equipoise.reference.placement.catalogue, equipoise.reference.scheduling.catalogue\n"
        "held = [name for name in sys.modules if name.startswith('equipoise.reference.') and name.count('.') == 3]\n"
        "assert {name.rpartition('.')[2] for name in held} == {'catalogue'}, held"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_recorded_loads_are_the_last_steps_of_every_run_and_layer():
    one = recorded().load_instances(1)
    assert len({instance.name for instance in one}) == len(one) == 24
    assert all(instance.total.sum() > 0 for instance in one)
    assert {instance.name for instance in one} <= {instance.name for instance in recorded().load_instances(3)}


PLANTED = """
import numpy as np

def fine(load, hosts):
    return np.where(np.cumsum(hosts, axis=1) == 1, hosts, 0) * load[:, None]

def broken(load, *sizes):
    raise RuntimeError("planted")
"""


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", load=random.integers(0, 50, (2, 8)))
    (tmp_path / "b.json").write_text(json.dumps({"logical_count": random.integers(1, 50, (2, 8)).tolist()}))
    steps = [{"logical_expert_load": random.integers(1, 50, (3, 8)).tolist()} for _ in range(2)]
    (tmp_path / "adrs.json").write_text(json.dumps({"load_history": steps}))
    np.savez(tmp_path / "scores.npz", scores=random.random((8, 4)))
    (tmp_path / "mine.py").write_text(PLANTED)
    return tmp_path


def run(folder, *arguments):
    return command_line.run(folder, "audit", *arguments)


def test_command_audits_schedulers_in_exact_json(folder):
    done = run(
        folder, "--role", "scheduler", "mine.py:fine", "even", "--trace", "adrs.json", "--steps", "2", "--format=json"
    )
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (result["schema"], result["options"]["placement"]) == ("equipoise-audit/2", "eplb")
    assert result["about"]["clusters"] == {"8": {"slots": 16, "devices": 8, "nodes": 1, "groups": 1}}
    assert len(result["rows"]) == 2 * 2 * 3
    assert all(Fraction(row["mean"]) <= row["optimum"] <= row["peak"] for row in result["rows"])


def test_command_shows_the_cross_table_in_markdown(folder):
    done = run(folder, "--role=placer", "eplb", "--trace=a.npz", "--against=b.json", "--format=markdown")
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("| eplb")]
    pairs = [tuple(cell.strip() for cell in line.split("|")[2:4]) for line in table]
    assert pairs == [(one, other) for one in ("the trace", "b.json") for other in ("the trace", "b.json")]


@pytest.mark.parametrize("role", ["scheduler", "placer"])
def test_command_says_which_target_broke_and_exits_with_1(folder, role):
    done = run(folder, "--role", role, "mine.py:broken", "--trace", "b.json")
    assert done.returncode == 1
    assert "mine.py:broken broke on 2 of 2 instances, first on step0/layer0" in done.stdout
    assert "RuntimeError: planted" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--role", "scheduler", "--trace", "missing.json"], "cannot be read"),
        (["--role", "placer", "--trace", "scores.npz"], "holds scores; allowed for loads: recording, routing record, "),
        (
            ["--role", "placer", "--trace", "drift"],
            "trace is 'drift', which holds scores; allowed: recorded, or a file of loads",
        ),
        (["--role", "placer", "--trace", "a.npz", "--against", "adrs.json"], "the same layers and experts"),
        (["--role", "scheduler", "--trace", "a.npz", "--slots", "12"], "a multiple of the 8 devices"),
        (["--role", "scheduler", "--trace", "a.npz", "--placement", "nobody"], "one of eplb"),
        (["--role", "scheduler", "--against", "a.npz"], "--against is given for a scheduler; allowed: only for placer"),
        (["--role", "placer", "--placement", "eplb"], "--placement is given for a placer; allowed: only for"),
        (["--role", "placer", "--stream"], "--stream is given for a placer; allowed: only for router"),
        (["--role", "scheduler", "eplb"], "one of even"),
        (["--slots", "12"], "--slots is given for a router; allowed: only for placer, planner and scheduler"),
        (["--role", "nobody"], "'nobody'"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(folder, arguments, words):
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.lower().startswith("error")]) == 1


@pytest.mark.parametrize(
    ("name", "eplb_peak", "even", "free"),
    [
        ("FlashLB", 232, Fraction(590, 3), Fraction(725, 4)),
        ("EPLB README, layer 0, flat", Fraction(277, 2), 136, Fraction(517, 4)),
        ("EPLB README, layer 1, flat", 172, 172, 146),
    ],
)
def test_golden_table(name, eplb_peak, even, free):
    row = golden().golden(name)
    assert row.eplb == eplb_peak
    assert [(one.objective, one.evidence) for one in (row.even, row.free)] == [(even, "searched"), (free, "certified")]


def test_golden_peaks_of_the_hierarchical_readme_cases():
    peaks = [golden().published(f"EPLB README, layer {layer}, 4 groups on 2 nodes")[0] for layer in (0, 1)]
    assert peaks == [156, Fraction(359, 2)]
    assert golden().published("FlashLB")[1] == 200


def golden():
    import importlib.util

    path = Path(__file__).parents[1] / "benchmarks" / "golden.py"
    if not path.exists():
        pytest.skip("the tests run outside a checkout: benchmarks/ is not here")
    specification = importlib.util.spec_from_file_location("golden", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules["golden"] = module
    specification.loader.exec_module(module)
    return module
