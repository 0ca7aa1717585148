"""`dual-descent` against min-cost flow and the solver-free check; lower thresholds make large inputs small."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import AssignmentProblem, InvalidProblem, solve
from equipoise.solvers.assignment.express import engine, rows
from equipoise.solvers.assignment.express.descent import rank
from equipoise.solvers.assignment.express.rounding import rounded
from equipoise.solvers.engines import engines_to_try
from strategies_assignment import ALL, INTEGRAL, fewer, problems


def express(problem, **options):
    return solve(problem, "express", **options)


def by_flow(problem):
    return solve(problem, "ortools-flow").objective


def assert_optimal(problem):
    solution = express(problem)
    assert (solution.status, solution.evidence, solution.repairs) == ("optimal", "certified", ())
    assert solution.raw_status == "OPTIMAL"
    assert solution.raw_objective == solution.objective == by_flow(problem)
    assert solution.certificate.verify(problem)


@fewer(2)
@given(problems(kinds=ALL))
def test_any_problem_is_solved_by_express_itself(problem):
    assert_optimal(problem)


@given(problems(kinds=INTEGRAL, max_tokens=12, max_experts=6))
def test_raw_claims_equal_those_of_min_cost_flow_on_integers(problem):
    assert express(problem).raw_objective == solve(problem, "ortools-flow").raw_objective


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
    "doubles": (random_scores().astype(float) ** 9, 2, {}),
}


@pytest.mark.parametrize(("scores", "top_k", "form"), FAMILIES.values(), ids=FAMILIES)
def test_hard_families_are_solved_by_express_itself(scores, top_k, form):
    assert_optimal(AssignmentProblem(scores, top_k, **form))


def test_scores_read_as_they_are_and_as_grid_integers_give_the_same_answer(monkeypatch):
    problem = AssignmentProblem(random_scores(3000, 24, 2.0), 4)
    answer = express(problem)
    monkeypatch.setattr(rows, "_MATERIALISE", 0)
    other = express(AssignmentProblem(problem.scores, 4))
    np.testing.assert_array_equal(answer.experts, other.experts)
    np.testing.assert_array_equal(answer.certificate.prices, other.certificate.prices)


def test_the_answer_depends_neither_on_the_number_of_threads_nor_on_the_run():
    problem = AssignmentProblem(random_scores(3000), 4)
    answers = []
    for threads in (1, numba.config.NUMBA_NUM_THREADS, 1):
        numba.set_num_threads(threads)
        answers.append(express(problem))
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer.experts, answers[0].experts)
        np.testing.assert_array_equal(answer.certificate.prices, answers[0].certificate.prices)


@pytest.mark.parametrize("form", ["prices", "solution", "nonsense"])
def test_a_start_changes_the_way_but_not_the_optimum(form):
    before, problem = (AssignmentProblem(random_scores(3000, seed=seed), 4) for seed in (1, 2))
    solution = express(before)
    prices = np.ldexp(solution.certificate.prices.astype(float), -solution.certificate.exponent)
    start = {"prices": prices, "solution": solution, "nonsense": prices[::-1] * 100}[form]
    assert express(problem, start=start).objective == express(problem).objective == by_flow(problem)


@pytest.mark.parametrize("start", [[1.0], np.full(24, np.nan), ["a"] * 24, None, solve])
def test_a_start_that_is_no_price_per_expert_is_refused(start):
    problem = AssignmentProblem(random_scores(), 2)
    if start is None:
        start = replace(express(problem), certificate=None)
    with pytest.raises(InvalidProblem, match="start"):
        express(problem, start=start)


def test_without_a_proof_another_engine_answers_and_the_solution_says_so(monkeypatch):
    monkeypatch.setattr(engine, "PASSES", 0)
    solution = express(AssignmentProblem(random_scores(), 2))
    assert solution.status == "optimal"
    assert solution.raw_status == "OPTIMAL by ortools-flow, since express found no proof"


def test_a_wrong_proof_is_mended_and_the_solution_says_so(monkeypatch):
    problem = AssignmentProblem(random_scores(60, 6), 2)
    greedy = np.argsort(-problem.scores, axis=1)[:, :2].astype(np.int32)
    monkeypatch.setattr(engine.Express, "solve", lambda self: (greedy, np.zeros(6, np.int64)))
    solution = express(problem)
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
