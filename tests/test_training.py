"""The training benchmark: its order, what counts as finished, its table; and, with torch, its loop."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from equipoise import AssignmentProblem, metrics, traces
from equipoise.reference.routing.topk import topk
from equipoise.roles.router import read_routing

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / "benchmarks" / "training", ROOT / "benchmarks" / "recording"]


@pytest.fixture
def benchmark(monkeypatch):
    """Import a script of the benchmark by name; nothing of it stays imported."""
    if not FOLDERS[0].is_dir():
        pytest.skip("the tests run outside a checkout: benchmarks/ is not here")
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*map(str, FOLDERS), *sys.path])
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


def test_a_table_of_every_method_exists_before_a_second_seed_starts(benchmark):
    runs = list(benchmark("plan").plan().values())
    methods = benchmark("plan").METHODS
    assert [(run.experts, run.seed) for run in runs] == [(16, 0)] * 10 + [(64, 0)] * 5 + [(16, 1)] * 10
    assert [run.method for run in runs[:10]] == [run.method for run in runs[15:]]
    assert len({run.name for run in runs}) == 25
    assert {run.method for run in runs} <= set(methods)
    assert len({run.steps for run in runs if run.experts == 16}) == len({run.steps for run in runs[10:15]}) == 1


def test_the_plan_of_the_first_steps_has_three_seeds_of_fifteen_methods_and_two_of_six(benchmark):
    runs = benchmark("plan").first_plan().values()
    assert sorted((run.experts, run.seed) for run in runs) == sorted(
        [(16, seed) for seed in range(3)] * 15 + [(64, seed) for seed in range(2)] * 6
    )
    assert {run.steps for run in runs} == {200}


def test_quantile_balancing_from_midpoints_routes_by_earlier_batches_and_then_sweeps_once(benchmark):
    from equipoise.reference.routing.midpoint import Midpoint

    router, before = benchmark("plan").QuantileMidpoint(), Midpoint(1)
    scores = np.random.default_rng(0).random((2, 32, 4))
    assert read_routing(router(scores[0], 2), scores[0], 2).mask.tolist() == topk_mask(scores[0])
    before(scores[0], 2)
    assert router.prices.tolist() == before.prices.tolist()
    assert read_routing(router(scores[1], 2), scores[1], 2).mask.tolist() == topk_mask(scores[1] - before.prices)


def topk_mask(scores, top_k=2):
    return (scores >= np.sort(scores, axis=1)[:, [-top_k]]).tolist()


def test_every_layer_gets_a_router_of_its_own(benchmark):
    for name, method in benchmark("plan").METHODS.items():
        first, second = method.router(), method.router()
        assert first is not second or first is topk, name


def test_only_runs_with_measurements_are_passed_over_and_the_order_stays(benchmark, tmp_path):
    plan = benchmark("plan")
    planned = plan.plan()
    names = list(planned)
    for done in (names[0], names[7]):
        (tmp_path / done).mkdir()
        (tmp_path / done / plan.FINISHED).touch()
    (tmp_path / names[1]).mkdir()
    (tmp_path / names[1] / "checkpoint.pt").touch()
    left = [run.name for run in plan.unfinished(tmp_path, planned)]
    assert left == [name for name in names if name not in (names[0], names[7])]


def test_the_optimum_as_router_is_balanced_and_beats_every_other_balanced_routing(benchmark):
    scores = np.random.default_rng(0).random((64, 8), np.float32) + np.linspace(0, 1, 8, dtype=np.float32)
    router = benchmark("plan").Optimum()
    problem = AssignmentProblem(scores, 2)
    mask = read_routing(router(scores, 2), scores, 2).mask
    assert metrics.loads(mask, 8).tolist() == [16] * 8
    assert metrics.dual_value(problem, router.bias) == metrics.score(problem, mask)


def finish(folder, name, loads, perplexity=10.0, steps=4):
    """Write a run folder as train.py leaves it."""
    (folder / name).mkdir(parents=True)
    shape = {"top_k": 1, "layers": loads.shape[1], "gate": "sigmoid"}
    about = {"threads": 1, "machine": "abacus", "versions": {"python": "3", "torch": "2", "numpy": "1"}}
    run = {"steps": steps, "tokens_per_step": 8, "learning_rate": 1e-3, "corpus": {}, "shape": shape, **about}
    (folder / name / "run.json").write_text(json.dumps(run))
    times = dict.fromkeys(("seconds", "cpu_seconds"), np.array([0.1, 0.2, 0.3, 9.0]))
    np.savez(
        folder / name / "metrics.npz",
        loads=loads,
        validation_loads=loads,
        validation_perplexity=np.array(perplexity),
        fresh_loads=loads[:2],
        fresh_perplexity=np.array(perplexity),
        loss=np.array([4.0, 3.0, 2.0, 1.0]),
        regret=np.array([[0.0, 0.5], [0.25, 0.25]]),
        balancer_seconds=np.array([0.01, 0.01, 0.02, 0.02]),
        **times,
    )


LOADS = np.array([[[2, 2, 2, 2], [8, 0, 0, 0]], [[4, 2, 1, 1], [2, 2, 2, 2]]] * 2, np.uint16)


def test_figures_of_a_run_follow_their_definitions(benchmark, tmp_path):
    finish(tmp_path, "run", LOADS)
    figures = benchmark("table").measure(tmp_path / "run")
    assert figures["avg_max_vio"] == pytest.approx((0 + 3 + 1 + 0) / 4)
    assert figures["sup_max_vio"] == 3
    assert figures["min_vio"] == pytest.approx((0 - 1 - 0.5 + 0) / 4)
    # Loads over the validation set, layer by layer: 12 8 6 6 and 20 4 4 4.
    assert figures["max_vio_global"] == pytest.approx((12 / 8 - 1 + 20 / 8 - 1) / 2)
    assert figures["fresh_max_vio"] == figures["validation_max_vio"] == pytest.approx(1)
    assert figures["validation_over_training"] == pytest.approx(1)
    assert figures["loss_last"] == 2.5
    assert figures["regret"] == 0.25
    assert figures["step_ms"] == pytest.approx(250)
    assert figures["balancer_ms"] == pytest.approx(15)


def test_the_table_fills_as_runs_end(benchmark, tmp_path):
    table, planned = benchmark("table"), benchmark("plan").plan()
    assert table.markdown(table.collect(tmp_path, planned), planned) == "No run has finished yet.\n"
    finish(tmp_path, "E16-none-seed0", LOADS, 10.0)
    (tmp_path / "E16-quantile-seed0").mkdir()
    one = table.markdown(table.collect(tmp_path, planned), planned)
    assert "1 of 20 runs finished" in one
    assert "| none | 1/2 | 10.00 | 2.500 | 1.000 |" in one
    assert "quantile" not in one
    assert "E = 64" not in one
    finish(tmp_path, "E16-none-seed1", LOADS, 12.0)
    finish(tmp_path, "E64-midpoint-seed0", LOADS)
    two = table.markdown(table.collect(tmp_path, planned), planned)
    assert "| none | 2/2 | 11.00 ± 1.41 | 2.500 ± 0.000 | 1.000 ± 0.000 |" in two
    assert "1 of 5 runs finished" in two


def test_differences_are_taken_seed_by_seed(benchmark, tmp_path):
    table, planned = benchmark("table"), benchmark("plan").plan()
    for seed, none, midpoint in ((0, 10.0, 10.5), (1, 20.0, 20.5)):
        finish(tmp_path, f"E16-none-seed{seed}", LOADS, none)
        finish(tmp_path, f"E16-midpoint-seed{seed}", LOADS, midpoint)
    page = table.markdown(table.collect(tmp_path, planned), planned)
    assert "| midpoint sweep, 4 before - none | 2 | +0.50 ± 0.00 | +0.0000 ± 0.0000 |" in page


def test_runs_of_different_length_do_not_share_a_table(benchmark, tmp_path):
    finish(tmp_path, "E16-none-seed0", LOADS)
    finish(tmp_path, "E16-none-seed1", LOADS, steps=5)
    with pytest.raises(SystemExit, match="mixes runs of different settings"):
        benchmark("table").collect(tmp_path, benchmark("plan").plan())


def test_writing_replaces_the_marked_block_alone_and_twice_is_once(benchmark):
    table = benchmark("table")
    page = f"before\n\n{table.BEGIN}\nold\n{table.END}\n\nafter\n"
    once = table.written(page, "new\n")
    assert once == f"before\n\n{table.BEGIN}\n\nnew\n\n{table.END}\n\nafter\n"
    assert table.written(once, "new\n") == once
    for broken in ("no markers", f"{table.END} {table.BEGIN}", page + page):
        with pytest.raises(SystemExit, match="needs one line"):
            table.written(broken, "new\n")


def test_the_page_has_the_table_of_the_stored_results(benchmark):
    table = benchmark("table")
    page = (ROOT / "docs" / "measured" / "training.md").read_text()
    stored = json.loads((FOLDERS[0] / "results.json").read_text())
    timed = table.speed(json.loads(table.SPEED.read_text()))
    assert table.written(page, table.markdown(stored, benchmark("plan").plan()) + "\n" + timed) == page


def test_every_figure_that_the_pages_say_of_the_runs_stands_in_the_table(benchmark):
    page = (ROOT / "docs" / "measured" / "training.md").read_text()
    table = benchmark("table")
    block = page[page.index(table.BEGIN) : page.index(table.END)]
    corrected = (ROOT / "docs" / "explanation" / "quantile-corrected.md").read_text()
    said = page.partition("**Does balance in training")[2].partition("## The first 200")[0]
    figures = re.findall(r"\d+\.\d+", said + corrected.partition("What it buys in training")[2])
    assert len(figures) > 20
    assert [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", block)] == []


@pytest.mark.parametrize("loads", [[5, 0, 3, 0, 9], [0, 0, 0, 0, 1], [7] * 5])
def test_grouped_experts_equal_those_one_by_one_to_rounding_and_so_do_their_gradients(training, benchmark, loads):
    import torch

    speed, load = benchmark("speed"), torch.tensor(loads)
    found = []
    for experts in speed.FORMS.values():
        torch.manual_seed(0)
        shapes = ((sum(loads), 16), (sum(loads),), (5, 16, 8), (5, 8, 16))
        given = [torch.randn(shape, requires_grad=True) for shape in shapes]
        result = experts(given[0], given[1], load, given[2], given[3])
        result.square().sum().backward()
        found.append([result.detach(), *(tensor.grad for tensor in given)])
    assert len(found) == 2
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(one.abs().max()))


@pytest.fixture
def training(benchmark):
    """train.py with a tiny corpus and model."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.set_num_threads(1)
    train = benchmark("train")
    draw = np.random.default_rng(0).integers
    train.tiny_corpus = train.Corpus(*(draw(0, 50, 5000).astype(np.uint16) for _ in range(2)), [], "", 0)
    train.tiny = train.Shape(4, 2, 8, "sigmoid", vocabulary=50, width=16, layers=2, heads=2, length=16)
    train.CHECKPOINT_EVERY, train.REGRET_EVERY = 5, 4
    return train


@pytest.mark.parametrize(
    "method", ["none", "loss-controlled", "loss-free-multiplicative-0.01", "bip-4", "smebu", "optimum"]
)
def test_a_stopped_run_continues_to_the_same_measurements(training, tmp_path, monkeypatch, method):
    run, step = training.Run(4, method, 0, 12), training.Learner.step
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    training.train(run, training.tiny, training.tiny_corpus, tmp_path / "whole")

    def failing(learner, number, *rest):
        if number == 8:
            raise KeyboardInterrupt
        return step(learner, number, *rest)

    monkeypatch.setattr(training.Learner, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        training.train(run, training.tiny, training.tiny_corpus, tmp_path / "stopped")
    monkeypatch.undo()
    assert not (tmp_path / "stopped" / "metrics.npz").exists()
    training.train(run, training.tiny, training.tiny_corpus, tmp_path / "stopped")
    whole, stopped = (np.load(tmp_path / folder / "metrics.npz") for folder in ("whole", "stopped"))
    assert whole["loads"].sum() == 12 * 2 * 2 * 8 * 16
    for name in whole.files:
        if "seconds" not in name:
            np.testing.assert_array_equal(whole[name], stopped[name], err_msg=name)


def test_loss_free_in_the_loop_routes_as_the_recording_does(training):
    from equipoise.reference.routing.loss_free import LossFree

    seen = []
    for reference in (True, False):
        learner = training.Learner(training.tiny, 0, 1e-3, 5)
        mixtures = learner.model.mixtures
        for mixture in mixtures if reference else ():
            mixture.choose = training.Balanced(LossFree(2**-8), 2)
        for step in range(1, 9):
            learner.step(step, training.tiny_corpus)
            seen.append([mixture.load.tolist() for mixture in mixtures])
            for mixture in () if reference else mixtures:
                mixture.bias += 2**-8 * (mixture.load.float().mean() - mixture.load).sign()
    assert seen[:8] == seen[8:]
    assert seen[0] != seen[7]


def test_validation_freezes_a_router_and_uses_what_it_has_learnt(training):
    import torch

    router = training.METHODS["bip-4"].router()
    balanced = training.Balanced(router, 1)
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.4], [0.6, 0.5]])
    balanced(scores, True)
    prices = router.prices.copy()
    assert prices.any()
    frozen = balanced(scores.flip(0)[:3], False)
    assert (router.prices == prices).all()
    assert frozen.tolist() == (scores.flip(0)[:3].double() - torch.tensor(prices)).argmax(dim=1, keepdim=True).tolist()


def test_regret_is_zero_for_the_optimum_and_for_plain_top_k_and_positive_for_a_worse_routing(training):
    import torch

    scores = torch.from_numpy(np.random.default_rng(1).random((32, 4), np.float32))
    for router in (training.METHODS["optimum"].router(), topk):
        balanced = training.Balanced(router, 2)
        balanced(scores, True)
        assert balanced.relative_regret() == 0
    worst = training.Balanced(lambda scores, top_k: topk(-scores, top_k), 2)
    worst(scores, True)
    assert worst.relative_regret() > 1


def test_the_recording_still_describes_the_runs_that_ship(benchmark, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr(sys, "path", [str(FOLDERS[1]), *sys.path])
    recording = benchmark("train")
    shipped = json.loads((Path(traces.__file__).parent / "recorded" / "provenance.json").read_text())["runs"]
    assert set(recording.RUNS) == set(shipped) != set()
    corpus = recording.Corpus(np.empty(0), np.empty(0), [], "", 0)
    for name, run in recording.RUNS.items():
        described = recording.describe(name, run, corpus)
        for key in set(described) - {"corpus", "versions", "machine", "date"}:
            assert described[key] == shipped[name][key], (name, key)


def test_the_recording_still_routes_as_in_the_trace_that_ships(benchmark, monkeypatch, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr(sys, "path", [str(FOLDERS[1]), *sys.path])
    recording = benchmark("train")
    name, folder = "E16-loss-free", Path(traces.__file__).parent / "recorded"
    shipped = json.loads((folder / "provenance.json").read_text())["runs"][name]
    corpus = recording.load_corpus()
    now = recording.describe(name, recording.RUNS[name], corpus)
    if any(now[key] != shipped[key] for key in ("corpus", "versions", "machine")):
        pytest.skip("the trace was recorded with another Python, torch or NumPy, or on another kind of machine")
    torch.set_num_threads(1)
    run = recording.RUNS[name]
    learner = recording.Learner(run.shape, run.seed, run.learning_rate, run.warmup)
    with np.load(folder / "e16.npz") as archive:
        expected = archive[f"{name}/loads"][:2]
    for step in (1, 2):
        learner.step(step, corpus)
        for layer, mixture in enumerate(learner.model.mixtures):
            np.testing.assert_array_equal(mixture.load.numpy(), expected[step - 1, layer])
            mixture.bias += run.bias_step * torch.sign(mixture.load.float().mean() - mixture.load)
