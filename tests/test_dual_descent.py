"""Dual descent against min-cost flow and the solver-free check, and its passes against NumPy."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import AssignmentProblem, InvalidProblem, solve
from equipoise.solvers.assignment.dual_descent import engine, rows
from equipoise.solvers.assignment.dual_descent.core import Windows
from equipoise.solvers.assignment.dual_descent.floor import Floor
from equipoise.solvers.assignment.dual_descent.limits import FAR
from equipoise.solvers.assignment.dual_descent.rounding import rounded
from equipoise.solvers.assignment.dual_descent.selection import rank
from equipoise.solvers.assignment.dual_descent.tuning import TUNING
from equipoise.solvers.engines import engines_to_try
from strategies_assignment import ALL, INTEGRAL, fewer, problems


def descended(problem, **options):
    return solve(problem, "dual-descent", **options)


def by_flow(problem):
    return solve(problem, "ortools-flow").objective


def assert_optimal(problem):
    solution = descended(problem)
    assert (solution.status, solution.evidence, solution.repairs) == ("optimal", "certified", ())
    assert solution.raw_status == "OPTIMAL"
    assert solution.raw_objective == solution.objective == by_flow(problem)
    assert solution.certificate.verify(problem)


@fewer(2)
@given(problems(kinds=ALL))
def test_any_problem_is_solved_by_dual_descent_itself(problem):
    assert_optimal(problem)


@given(problems(kinds=INTEGRAL, max_tokens=12, max_experts=6))
def test_raw_claims_equal_those_of_min_cost_flow_on_integers(problem):
    assert descended(problem).raw_objective == solve(problem, "ortools-flow").raw_objective


def random_scores(tokens=700, experts=24, skew=1.0, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(tokens, experts)) + skew * random.normal(size=experts)
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


STAIRS = np.add.outer(np.arange(300), np.arange(12)) % 12
CHAIN = np.where(np.abs(np.subtract.outer(np.arange(400) // 20, np.arange(20)) - 0.5) < 1, 1, 0)
FAMILIES = {
    "all equal": (np.zeros((600, 16), np.int64), 3, {}),
    "two levels": ((random_scores() > 0.5).astype(np.int64), 4, {}),
    "stairs": (STAIRS, 2, {}),
    "stairs by tokens": (STAIRS * np.arange(300)[:, None], 2, {}),
    "one expert wanted by all": (random_scores() + 5 * (np.arange(24) == 7), 2, {}),
    "one kind of token": (np.tile(random_scores(1), (650, 1)), 2, {}),
    "chain of ties": (CHAIN, 1, {"capacity": [1, *[21] * 18, 40]}),
    "experts that take none or all": (random_scores(), 2, {"capacity": [0, 700] * 12}),
    "more experts than tokens": (random_scores(20, 60), 3, {}),
    "much room": (random_scores(), 2, {"capacity": 200}),
    "a little room": (random_scores(), 2, {"capacity": 60}),
    "uneven": (random_scores(), 2, {"capacity": list(range(36, 84, 2))}),
    "dropping": (random_scores() - np.float32(0.6), 3, {"capacity": 50, "drop": True}),
    "dropping under pressure": (random_scores(), 4, {"capacity": 20, "drop": True}),
    "every expert": (random_scores(100, 5), 5, {}),
    "padding": (random_scores(), 2, {"mask": np.arange(700) % 3 > 0}),
    "negative": (-random_scores(skew=3), 2, {}),
    "17 levels": (np.round(random_scores() * 16) / 16, 4, {}),
    "1e38 beside 1e-38": (random_scores() * np.float32([1e38, 1e-38] * 12), 2, {}),
    "a little room and many experts": (random_scores(3000, 90), 8, {}),
    "popularities of many magnitudes": (random_scores(3000, 48) ** np.float32(40), 8, {}),
    "bf16": ((random_scores(3000, 48).view(np.uint32) & 0xFFFF0000).view(np.float32), 8, {}),
    "popular experts climb together": (np.round(random_scores(6000, 16, 3.0) * 16) / 16, 1, {"capacity": 420}),
    "near copies of experts": (np.tile(random_scores(2000, 8), (1, 6)) + random_scores(2000, 48) / 1000, 4, {}),
    "doubles": (random_scores().astype(float) ** 9, 2, {}),
}


@pytest.mark.parametrize(("scores", "top_k", "form"), FAMILIES.values(), ids=FAMILIES)
def test_hard_families_are_solved_by_dual_descent_itself(scores, top_k, form):
    assert_optimal(AssignmentProblem(scores, top_k, **form))


def test_scores_read_as_they_are_and_as_grid_integers_give_the_same_answer():
    problem = AssignmentProblem(random_scores(3000, 24, 2.0), 4)
    answer = descended(problem)
    other = descended(AssignmentProblem(problem.scores.astype(np.float64), 4))
    np.testing.assert_array_equal(answer.experts, other.experts)
    np.testing.assert_array_equal(answer.certificate.prices, other.certificate.prices)


@pytest.mark.parametrize("kind", ["a little room and many experts", "17 levels", "dropping under pressure", "padding"])
def test_the_answer_depends_neither_on_threads_nor_on_room_for_arcs_nor_on_the_run(kind):
    scores, top_k, form = FAMILIES[kind]
    problem = AssignmentProblem(scores, top_k, **form)
    before = numba.get_num_threads()
    answers = []
    for threads, arcs in (
        (1, TUNING.arcs),
        (numba.config.NUMBA_NUM_THREADS, TUNING.arcs),
        (numba.config.NUMBA_NUM_THREADS, 1),
        (1, TUNING.arcs),
    ):
        numba.set_num_threads(threads)
        answers.append(engine.DualDescent(problem, tuning=TUNING._replace(arcs=arcs)).solve())
    numba.set_num_threads(before)
    for experts, prices in answers[1:]:
        np.testing.assert_array_equal(experts, answers[0][0])
        np.testing.assert_array_equal(prices, answers[0][1])


@st.composite
def priced(draw):
    """State of a small problem under any prices, the reduced values ``[T, E]``, and the unit of the grid in them.

    Without noise bits values tie, and arcs lie on the edge of a window.
    """
    problem = draw(problems(kinds=INTEGRAL, max_tokens=12, max_experts=6))
    state = engine.DualDescent(problem, tuning=TUNING._replace(noise_bits=draw(st.sampled_from([0, 20]))))
    scale = 1 << state.rows.shift
    state.price[:-1] = draw(st.lists(st.integers(0, 30), min_size=state.experts, max_size=state.experts))
    state.price *= scale
    reduced = np.empty((state.tokens, state.experts), np.int64)
    for token in range(state.tokens):
        rows.reduced_row(state.rows, token, state.price, reduced[token])
    return state, reduced, scale


@given(priced(), st.data())
def test_a_core_is_the_arcs_within_the_windows_and_the_boundaries_of_their_tokens(given_state, data):
    state, reduced, scale = given_state
    width = st.lists(st.integers(0, 20), min_size=state.experts, max_size=state.experts)
    below, above = (np.array(data.draw(width)) * scale for _ in range(2))
    core = state.gather(np.arange(state.tokens), Windows(below, above))
    expected = {}
    for token, r in enumerate(reduced):
        held = np.isin(np.arange(state.experts), core.chosen[token])
        free = state.top_k - held.sum()
        worth = np.append(r, [state.form.nothing] * state.top_k)
        assert r[held].sum() + free * state.form.nothing == np.sort(worth)[-state.top_k :].sum()
        inside = min(r[held].min(initial=FAR), state.form.nothing if free else FAR)
        outside = r[~held].max(initial=state.form.nothing)
        near = np.where(held, r - above <= outside, r + below >= inside)
        if near.any():
            arcs = np.flatnonzero(near | (r == np.where(held, inside, outside)))
            expected[token] = [*arcs, *([state.experts] if state.drop else [])]
    start, node, value, held, places = core.by_token
    found = {token: list(node[start[m] : start[m + 1]]) for m, token in enumerate(core.member)}
    assert found == expected
    for m, token in enumerate(core.member):
        arcs = slice(start[m], start[m + 1] - state.drop)
        np.testing.assert_array_equal(held[arcs], np.isin(node[arcs], core.chosen[token]))
        np.testing.assert_array_equal(value[arcs], (reduced[token] + state.price[:-1])[node[arcs]])
        assert places[m] == held[arcs].sum() + (core.chosen[token] < 0).sum()


@given(priced(), st.integers(0, 5))
def test_a_window_reaches_to_the_bid_that_is_so_many_ranks_from_the_price(given_state, half):
    state, reduced, _ = given_state
    core = state.gather(np.arange(state.tokens), state.everything())
    ranks = np.full(state.experts, half)
    windows = state.widen(core, state.edges(core), ranks, Windows(ranks + 1, ranks + 2))
    for expert, (price, room) in enumerate(zip(state.price[:-1], state.room(core), strict=True)):
        others = np.delete(reduced, expert, axis=1)[core.member]
        padded = np.pad(np.maximum(others, state.form.nothing), ((0, 0), (0, 1)), constant_values=state.form.nothing)
        last = np.sort(padded, axis=1)[:, -min(state.top_k, padded.shape[1])]
        bids = np.sort(reduced[core.member, expert] + price - last)[::-1]
        held = (bids >= price).sum()
        idle = price <= state.floor.bound and held < room  # room that is left there stays
        room, wide = (held, state.tuning.idle * half) if idle else (room, half)
        first, final = min(room, held) - wide, max(room, held) + wide - 1
        assert windows.above[expert] == (max(bids[first] - price, 0) if 0 <= first < len(bids) else 2 * (half + 2) + 1)
        assert windows.below[expert] == (max(price - bids[final], 0) if 0 <= final < len(bids) else 2 * (half + 1) + 1)


@given(st.data(), st.integers(0, 30))
def test_the_floor_rises_as_far_as_the_spare_capacity_allows(data, spare):
    numbers = st.lists(st.integers(-10, 10), max_size=8)
    price = np.array(data.draw(st.lists(st.integers(-10, 10), min_size=1, max_size=5)), np.int64)
    bids = {int(e): np.sort(np.array(data.draw(numbers), np.int64)) for e in np.argsort(price, kind="stable")}
    room = np.array([data.draw(st.integers(-2, 8)) for _ in price])
    floor, before = Floor(spare, True, int(price.min())), price.copy()
    floor.rise(price, bids, room, spare)

    def left(q):
        return sum(max(0, room[e] - (bids[e] >= q).sum()) for e in bids if before[e] < q)

    heights = range(before.min(), before.max() + 1)
    assert floor.least == max(q for q in heights if q == before.min() or left(q) <= spare)
    np.testing.assert_array_equal(price, np.maximum(before, floor.least))


@pytest.mark.parametrize("form", ["prices", "solution", "nonsense"])
def test_a_start_changes_the_way_but_not_the_optimum(form):
    before, problem = (AssignmentProblem(random_scores(3000, seed=seed), 4) for seed in (1, 2))
    solution = descended(before)
    prices = np.ldexp(solution.certificate.prices.astype(float), -solution.certificate.exponent)
    start = {"prices": prices, "solution": solution, "nonsense": prices[::-1] * 100}[form]
    assert descended(problem, start=start).objective == descended(problem).objective == by_flow(problem)


@pytest.mark.parametrize("start", [[1.0], np.full(24, np.nan), ["a"] * 24, None, solve])
def test_a_start_that_is_no_price_per_expert_is_refused(start):
    problem = AssignmentProblem(random_scores(), 2)
    if start is None:
        start = replace(descended(problem), certificate=None)
    with pytest.raises(InvalidProblem, match="start"):
        descended(problem, start=start)


def test_without_a_proof_another_engine_answers_and_the_solution_says_so(monkeypatch):
    monkeypatch.setattr(engine, "TUNING", TUNING._replace(work=0, looks=0))
    solution = descended(AssignmentProblem(random_scores(), 2))
    assert solution.status == "optimal"
    assert solution.raw_status == "OPTIMAL by ortools-flow, since dual descent found no proof"


def test_a_wrong_proof_is_mended_and_the_solution_says_so(monkeypatch):
    problem = AssignmentProblem(random_scores(60, 6), 2)
    greedy = np.argsort(-problem.scores, axis=1)[:, :2].astype(np.int32)
    monkeypatch.setattr(engine.DualDescent, "solve", lambda self: (greedy, np.zeros(6, np.int64)))
    solution = descended(problem)
    assert solution.status == "optimal"
    assert solution.objective == by_flow(problem)
    assert solution.raw_objective > solution.objective
    assert solution.repairs


def test_small_problems_never_wait_for_a_compiler():
    assert engines_to_try(None, AssignmentProblem(np.zeros((1000, 100)), 1))[0].name == "ortools-flow"
    assert engines_to_try(None, AssignmentProblem(np.zeros((1001, 100)), 1))[0].name == "dual-descent"


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=30), st.integers(1, 12), st.data())
def test_rounded_prices_keep_every_comparison_that_the_noise_cannot_decide(prices, bits, data):
    """Whatever ``q'[e] - q'[f] < d * M + H`` allows, ``Q[e] - Q[f] <= d`` holds, and zero stays zero."""
    shift = bits + int(np.ceil(np.log2(len(prices) + 2)))
    before = np.array(prices, np.int64)
    after = rounded(before, shift, 2**bits - 1)
    gap = before[:, None] - before[None, :]
    allowed = -(-(gap - (2**bits - 1)) // 2**shift)
    assert (after[:, None] - after[None, :] <= np.maximum(allowed, after.min() - after.max())).all() or len(prices) == 0
    assert (after[before == 0] == 0).all()
    assert (after >= 0).all()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.data())
def test_selection_finds_the_number_of_a_rank_and_puts_it_there(numbers, data):
    place = data.draw(st.integers(0, len(numbers) - 1))
    array = np.array(numbers, np.int64)
    assert rank(array, len(array), place) == sorted(numbers, reverse=True)[place]
    assert (array[:place] >= array[place]).all()
    assert (array[place:] <= array[place]).all()
