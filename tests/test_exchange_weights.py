"""The exchange graph of compiled code against the one that NumPy makes."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import AssignmentProblem, margin, solve
from equipoise.solvers.assignment import margin as margins
from equipoise.solvers.assignment.dual_descent import weights
from equipoise.solvers.assignment.exchange import exchange_graph
from equipoise.solvers.assignment.margin import held_matrix
from equipoise.solvers.assignment.mend import tokens_of
from strategies_assignment import ALL, problems


def by_numpy(problem, experts):
    return exchange_graph(tokens_of(problem), held_matrix(problem, experts))


def any_assignment(problem, random):
    """Distinct experts for every real token, fewer than K in the drop form; capacities need not be kept."""
    experts = np.full((problem.num_tokens, problem.top_k), -1)
    for token in problem.tokens:
        experts[token] = random.permutation(problem.num_experts)[: problem.top_k]
        if problem.drop:
            experts[token, random.random(problem.top_k) < 0.3] = -1
    return experts


@given(problems(ALL), st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_compiled_weights_equal_those_of_numpy_for_any_assignment(problem, seed, block):
    experts = any_assignment(problem, np.random.default_rng(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_BLOCK", block)
        found = weights.exchange_weights(problem, experts)
    np.testing.assert_array_equal(found, by_numpy(problem, experts))


@pytest.mark.parametrize("experts", [weights._COLUMNS - 1, weights._COLUMNS, 2 * weights._COLUMNS + 3])
@pytest.mark.parametrize("drop", [False, True])
def test_neither_columns_nor_blocks_nor_threads_change_the_weights(monkeypatch, experts, drop):
    random = np.random.default_rng(experts)
    scores = random.normal(size=(200, experts)).astype(np.float32)
    problem = AssignmentProblem(scores, 5, drop=drop, mask=random.random(200) < 0.8)
    held = any_assignment(problem, random)
    monkeypatch.setattr(weights, "_BLOCK", 30 * experts)
    before = numba.get_num_threads()
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        np.testing.assert_array_equal(weights.exchange_weights(problem, held), by_numpy(problem, held))
    numba.set_num_threads(before)


def test_the_margin_is_the_same_by_either_way(monkeypatch):
    problem = AssignmentProblem(np.random.default_rng(3).random((300, 12), np.float32), 3)
    solution = solve(problem)
    expected = margin(problem, solution)
    monkeypatch.setattr(margins, "exchange_graph", None)
    monkeypatch.setattr(margins, "LARGE", 0)
    assert margin(problem, solution) == expected
