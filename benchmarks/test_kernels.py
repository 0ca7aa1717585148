"""The compiled kernels and the checker one by one, for pytest-benchmark: what became faster or slower?

    pip install -e '.[test,bench]'
    pytest benchmarks/test_kernels.py --benchmark-only
    pytest benchmarks/test_kernels.py --benchmark-only --benchmark-autosave     # then, after a change:
    pytest benchmarks/test_kernels.py --benchmark-only --benchmark-compare

`pytest` alone does not collect this file. A call before the first round compiles, and is not counted. The phases of
`dual-descent` are timed from fresh copies of what the phase before left.
"""

import copy

import numpy as np
import pytest

from equipoise import AssignmentProblem, SchedulingProblem, solve
from equipoise.solvers.assignment.dual_descent.engine import DualDescent
from equipoise.solvers.assignment.dual_descent.weights import exchange_weights
from equipoise.solvers.assignment.exchange import exchange_graph
from equipoise.solvers.assignment.margin import held_matrix, margin
from equipoise.solvers.assignment.mend import tokens_of
from equipoise.solvers.scheduling.push_relabel.batch import scheduled
from equipoise.solvers.scheduling.push_relabel.network import Network

pytest.importorskip("pytest_benchmark")

SIZES = {"4096x64": (4096, 64), "16384x256": (16384, 256), "65536x256": (65536, 256)}
PLACEMENTS = {"64-8-2": (64, 8, 2), "256-32-2": (256, 32, 2), "256-64-4": (256, 64, 4)}


@pytest.fixture(scope="module", params=SIZES.values(), ids=SIZES)
def problem(request):
    """Sigmoid gate, skew 1, K = 8."""
    random = np.random.default_rng(0)
    _, experts = request.param
    logits = random.normal(size=request.param) + random.normal(size=experts)
    made = AssignmentProblem((1 / (1 + np.exp(-logits))).astype(np.float32), 8)
    made.grid.values  # noqa: B018  # a cached property: made before the clock starts
    return made


@pytest.fixture(scope="module")
def solution(problem):
    return solve(problem, "dual-descent")


def test_assignment_descent(benchmark, problem):
    """Prices from samples, and the core of all tokens."""
    benchmark.pedantic(lambda: DualDescent(problem).approach(), rounds=5, warmup_rounds=1)


def test_assignment_repair(benchmark, problem):
    """Exact repair of that core."""
    state = DualDescent(problem)
    core, _ = state.approach()
    benchmark.pedantic(
        lambda one, arcs: one.settle(arcs), setup=lambda: (copy.deepcopy((state, core)), {}), rounds=5, warmup_rounds=1
    )


def test_assignment_engine(benchmark, problem):
    """From the scores to experts and prices."""
    benchmark.pedantic(lambda: DualDescent(problem).solve(), rounds=5, warmup_rounds=1)


def test_checker(benchmark, problem, solution):
    """The solver-free check of the certificate."""
    assert benchmark.pedantic(solution.certificate.verify, args=(problem,), rounds=5, warmup_rounds=1)


def test_exchange_weights(benchmark, problem, solution):
    benchmark.pedantic(exchange_weights, args=(problem, solution.experts), rounds=5, warmup_rounds=1)


def test_exchange_weights_by_numpy(benchmark, problem, solution):
    """What the kernel replaces above 100,000 scores: grid integers and booleans of all scores included."""

    def graph():
        fresh = AssignmentProblem(problem.scores, problem.top_k, problem.capacity)
        fresh.__dict__["grid"] = type(problem.grid)(problem.grid.rows, problem.grid.exponent, problem.grid.error)
        return exchange_graph(tokens_of(fresh), held_matrix(fresh, solution.experts))

    benchmark.pedantic(graph, rounds=3, warmup_rounds=1)


def test_margin(benchmark, problem, solution):
    benchmark.pedantic(margin, args=(problem, solution), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("zipf", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("size", PLACEMENTS.values(), ids=PLACEMENTS)
def test_scheduling(benchmark, size, zipf):
    """100 load vectors on one placement."""
    experts, devices, replicas = size
    random = np.random.default_rng(0)
    hosts = random.permuted(np.tile(np.arange(devices) < replicas, (experts, 1)), axis=1)
    share = random.permutation(np.arange(1, experts + 1) ** -zipf)
    loads = random.multinomial(65_536, share / share.sum(), 100)
    form, network = SchedulingProblem(np.zeros(experts, np.int64), hosts), Network.of(hosts)
    benchmark.pedantic(scheduled, args=(loads, form, network), rounds=20, warmup_rounds=2)
