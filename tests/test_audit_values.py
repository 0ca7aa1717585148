"""What a forecast is worth, and how often to place anew: against enumeration, and in cases one can see through."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import audit, cli
from equipoise.audits.cluster import Cluster, placed_by
from equipoise.audits.forecast_value import NOTHING, TRUTH, WINDOW
from equipoise.audits.replanning import (
    best_plan,
    experts_moved,
    fewest_moved,
    hindsight_plan,
    interval_plan,
    nearby,
    plan_of,
)
from equipoise.balancers.find import Target
from equipoise.errors import InvalidProblem, TargetUnable
from equipoise.reference.placement.floors import round_robin
from equipoise.traces import LoadSeries

CLUSTER = Cluster(6, 3)


def moving(steps=40, experts=8, seed=0):
    """Loads whose favourites change halfway."""
    random = np.random.default_rng(seed)
    shares = np.repeat(random.dirichlet(np.full(experts, 0.5), size=2), steps // 2, axis=0)
    return LoadSeries("moving", np.stack([random.multinomial(2000, p) for p in shares]), "a")


def valued(predictor, series=None, horizon=10, **options):
    target = Target("mine", None, predictor, "predictor")
    options = {"value": True, "placement": "eplb", **options}
    return audit([target], role="predictor", trace=[series or moving()], horizon=horizon, **options).rows


def by_method(rows):
    return {row.balancer: row for row in rows}


@st.composite
def plans(draw):
    blocks, placements = draw(st.integers(1, 4)), draw(st.integers(1, 3))

    def table(rows):
        row = st.lists(st.integers(0, 20), min_size=placements, max_size=placements)
        return draw(st.lists(row, min_size=rows, max_size=rows))

    return np.array(table(blocks)), np.array(table(placements)), draw(st.integers(0, 5))


@given(plans())
def test_the_best_plan_costs_what_the_best_of_all_plans_costs(case):
    peaks, moves, price = case
    costs = []
    for plan in itertools.product(range(peaks.shape[1]), repeat=len(peaks)):
        path = [0, *plan]
        moved = sum(int(moves[old, new]) for old, new in itertools.pairwise(path))
        costs.append(sum(int(peaks[t, j]) for t, j in enumerate(plan)) + price * moved)
    best = best_plan(peaks, moves, price)
    assert best.cost == min(costs)
    assert best == plan_of(peaks, moves, price, best.placements)


def test_a_plan_of_no_blocks_is_refused():
    with pytest.raises(InvalidProblem, match="peaks"):
        best_plan(np.zeros((0, 1)), np.zeros((1, 1)), 1)


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 0),
        ([0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4], 0),
        ([0, 1, 2, 3, 4, 5], [2, 3, 0, 1, 4, 5], 4),
        ([0, 1, 2, 3, 4, 5], [0, 0, 2, 0, 4, -1], 1),
        ([0, 1, 2, 3, 4, 5], [2, 2, 2, 3, 4, 5], 1),
    ],
)
def test_moving_counts_the_experts_that_a_device_did_not_hold(old, new, moved):
    assert experts_moved(np.array(old), np.array(new), 3) == moved


@pytest.mark.parametrize("price", [0, 3, 10**6])
def test_no_interval_beats_the_best_schedule_in_hindsight(price):
    blocks = moving(8, 4).loads
    start = round_robin(4, CLUSTER.slots)

    def place(load):
        return placed_by("eplb", CLUSTER, load)

    def truth(now, until):
        return blocks[now:until].sum(axis=0)

    best = hindsight_plan(blocks, start, place, CLUSTER, price)
    fixed = [interval_plan(blocks, start, every, truth, place, CLUSTER, price) for every in (1, 2, 4, 8)]
    assert best.cost <= min(plan.cost for plan in fixed)
    assert (best.moved == 0) == (price == 10**6)
    assert all(plan.cost == plan.peaks + price * plan.moved for plan in [best, *fixed])
    with pytest.raises(InvalidProblem, match="interval"):
        interval_plan(blocks, start, 0, truth, place, CLUSTER, price)


@pytest.mark.parametrize("price", [0, 50, 10**6])
def test_relabelling_and_placements_nearby_never_make_the_best_plan_worse(price):
    blocks, start = moving(6, 4).loads, round_robin(4, CLUSTER.slots)

    def place(load):
        return placed_by("eplb", CLUSTER, load)

    plain = hindsight_plan(blocks, start, place, CLUSTER, price)
    also = nearby(blocks, start, CLUSTER.devices, 2)
    assert all(experts_moved(start, one, CLUSTER.devices) <= 2 for one in also)
    wider = hindsight_plan(blocks, start, place, CLUSTER, price, also=also)
    renumbered = hindsight_plan(blocks, start, place, CLUSTER, price, also=also, moved=fewest_moved)
    assert renumbered.cost <= wider.cost <= plain.cost


def test_placing_on_a_perfect_forecast_is_placing_on_the_truth():
    series = moving()
    rows = by_method(valued(lambda past, horizon: series.loads[len(past) : len(past) + horizon], series))
    assert rows["mine"]["peak"] == rows[TRUTH]["peak"]
    assert rows["mine"]["beyond_hindsight"] == 0.0
    assert all(row.evidence == {"peak": "certified"} for row in rows.values())


def test_a_forecast_that_repeats_the_last_window_is_worth_what_the_window_is():
    rows = by_method(valued(lambda past, horizon: past[-horizon:]))
    assert rows["mine"]["peak"] == rows[WINDOW]["peak"]
    assert set(rows) == {TRUTH, "mine", WINDOW, NOTHING}


def test_on_loads_that_stay_placing_on_the_past_beats_placing_on_nothing():
    loads = np.tile([400, 10, 10, 10, 10, 10, 10, 10], (40, 1))
    rows = by_method(valued(lambda past, horizon: past[-horizon:], LoadSeries("still", loads, "a")))
    assert rows["mine"]["peak"] == rows[TRUTH]["peak"] <= rows[NOTHING]["peak"]
    assert rows["mine"]["balancedness"] <= 1


def test_a_predictor_that_breaks_or_cannot_is_a_row():
    def breaks(history, horizon):
        raise ValueError

    def cannot(history, horizon):
        raise TargetUnable("too little is known")

    assert "it raised ValueError" in by_method(valued(breaks))["mine"].error
    rows = valued(cannot)
    mine = by_method(rows)["mine"]
    assert (mine.error, mine.at_fault) == ("too little is known", False)


def test_a_horizon_longer_than_half_of_every_series_is_refused():
    with pytest.raises(InvalidProblem, match="allowed: half of the longest series: up to 20 steps"):
        valued(lambda past, horizon: past[-horizon:], horizon=21)


def run(capsys, *arguments):
    return cli.run(["audit", "--role", "predictor", *arguments]), *capsys.readouterr()


def test_the_command_line_shows_the_value(capsys, tmp_path):
    path = tmp_path / "loads.npz"
    np.savez(path, load=moving().loads[:, None])
    arguments = ("persistence", "--value", "--trace", str(path), "--horizon", "10", "--placement", "eplb")
    code, out, _ = run(capsys, *arguments, "--format", "json")
    document = json.loads(out)
    assert (code, document["variant"], document["options"]["placement"]) == (0, "value", "eplb")
    assert [summary["balancer"] for summary in document["summary"]] == ["persistence", TRUTH, WINDOW, NOTHING]
    assert "| the last window |" in run(capsys, *arguments, "--format", "markdown")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--value", "--horizon", "5", "--horizon", "6"), "--horizon is given 2 times; allowed: once with --value"),
        (("--placement", "eplb"), "--placement is given without --value; allowed: only with --value"),
        (("--value", "--horizon", "4001"), "half of the longest series: up to 4000 steps"),
    ],
)
def test_wrong_usage_is_one_sentence(capsys, arguments, words):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert words in err
