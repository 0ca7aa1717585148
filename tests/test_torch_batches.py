"""`equipoise.torch` on CPU tensors: the same optima as on the host, proved there, and bounds that hold."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import equipoise
from equipoise import AssignmentProblem, InvalidProblem
from equipoise.monitor import regret_bound as on_host
from strategies_assignment import ALL, GATES, TIES, problems

torch = pytest.importorskip("torch")
batches = pytest.importorskip("equipoise.torch")

TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int32, torch.int64, torch.uint8)


def as_tensor(problem: AssignmentProblem):
    scores = problem.scores.astype(np.int64) if problem.scores.dtype.kind == "u" else problem.scores
    given = (problem.top_k, problem.capacity, problem.drop, problem.mask)
    return batches.TensorProblem(torch.tensor(scores), *given)


def no_uint64(problem):
    return problem.scores.dtype != np.uint64


@given(problems(kinds=ALL).filter(no_uint64))
def test_any_small_batch_has_the_optimum_of_min_cost_flow_and_a_certificate_that_the_host_accepts(problem):
    solution = batches.solve(as_tensor(problem))
    assert (solution.status, solution.evidence, solution.repairs) == ("optimal", "certified", ())
    assert solution.objective == equipoise.solve(problem, "ortools-flow").objective
    assert solution.certificate.verify().valid
    assert solution.certificate.verify(problem).valid


@given(problems(kinds=ALL).filter(no_uint64))
def test_the_grid_is_the_same_as_of_a_copy_on_the_host(problem):
    there, here = as_tensor(problem).grid, AssignmentProblem(as_tensor(problem).scores, 1, problem.num_tokens).grid
    assert (there.exponent, there.error) == (here.exponent, here.error)
    assert (there.values == here.values).all()


def drawn(seed: int):
    random = np.random.default_rng(seed)
    tokens, experts = int(random.integers(1, 600)), int(random.integers(1, 40))
    top_k = int(random.integers(1, min(experts, 9) + 1))
    logits = random.normal(size=(tokens, experts)) + random.normal(size=experts) * random.choice([0, 1, 3])
    scores = torch.tensor(random.choice([1, 8, 100]) / (1 + np.exp(-logits))).to(TYPES[random.integers(len(TYPES))])
    mask = None if random.integers(2) else (random.random(tokens) < 0.8) | (np.arange(tokens) == 0)
    drop = bool(random.integers(2))
    return scores, top_k, random.integers(0, tokens + 1, experts) if drop else None, drop, mask


@given(st.integers(0, 2**32))
@example(0)
def test_batches_of_hundreds_of_tokens_in_every_type_have_the_optimum_of_the_host(seed):
    scores, top_k, capacity, drop, mask = drawn(seed)
    solution = batches.solve(scores, top_k, capacity, drop=drop, mask=mask)
    problem = AssignmentProblem(scores, top_k, capacity, drop, mask)
    assert (solution.evidence, solution.repairs) == ("certified", ())
    assert solution.objective == equipoise.solve(problem).objective
    assert solution.certificate.verify(problem).valid


def test_a_large_batch_sends_a_small_part_of_its_scores_to_the_host(monkeypatch):
    from equipoise.torch import descent

    sent, block = [], descent.Block
    monkeypatch.setattr(descent, "Block", lambda *parts: sent.append(len(parts[3])) or block(*parts))
    scores = torch.rand(20_000, 64, generator=torch.Generator().manual_seed(0))
    assert batches.solve(scores, 8).status == "optimal"
    assert 0 < sum(sent) < scores.numel() / 5


def test_the_solution_of_a_batch_starts_the_next_one_and_the_host():
    scores = torch.rand(3_000, 16, generator=torch.Generator().manual_seed(1))
    first = batches.solve(scores, 2)
    again = batches.solve(scores + 0.01, 2, start=first)
    host = equipoise.solve(AssignmentProblem(scores + 0.01, 2), start=first)
    assert again.objective == host.objective


def test_a_forged_answer_is_not_accepted_on_the_device():
    from equipoise.torch.solve import check

    problem = batches.TensorProblem(torch.tensor([[3, 1], [2, 1], [5, 4], [0, 9]]), 1)
    solution = batches.solve(problem)
    experts, prices = solution.experts, solution.certificate.prices
    assert check(problem, experts, prices).valid
    for wrong in (experts[::-1], np.zeros_like(experts), experts + 1, 1 - experts):
        assert not check(problem, wrong.copy(), prices).valid
    assert not check(problem, experts, prices + [0, 100]).valid
    assert not check(problem, experts, -prices - 1).valid


def test_where_descent_finds_no_proof_flow_answers_and_repairs_say_so(monkeypatch):
    from equipoise.torch.descent import TensorDescent

    monkeypatch.setattr(TensorDescent, "solve", lambda _: None)
    solution = batches.solve(torch.tensor([[3.0, 1.0], [2.0, 1.5]]), 1)
    assert solution.status == "optimal"
    assert solution.repairs[0] == "no proof was found on the device"


@given(problems(kinds=(TIES, GATES)), st.data())
def test_the_bound_on_regret_holds_and_is_that_of_the_monitor(problem, data):
    scores = torch.tensor(problem.scores.astype(np.float32))
    tokens, experts = scores.shape
    top_k = data.draw(st.integers(1, experts))
    order = [data.draw(st.permutations(range(experts))) for _ in range(tokens)]
    chosen = torch.tensor([row[:top_k] for row in order])
    bias = data.draw(st.none() | st.lists(st.integers(-3, 3), min_size=experts, max_size=experts))
    bound = batches.regret_bound(scores, chosen, None if bias is None else torch.tensor(bias))
    mask = np.zeros((tokens, experts), bool)
    np.put_along_axis(mask, chosen.numpy(), True, axis=1)
    peak = int(mask.sum(axis=0).max())
    best = equipoise.solve(AssignmentProblem(scores, top_k, peak)).objective
    regret = float(best) - float(np.where(mask, scores.numpy().astype(float), 0).sum())
    assert float(bound) >= regret - 1e-12
    assert float(bound) == pytest.approx(on_host(scores, mask, top_k, bias).regret, abs=1e-9)


def test_the_bound_leaves_gradients_alone_and_waits_for_nothing():
    scores = torch.rand(64, 8, requires_grad=True)
    chosen = torch.topk(scores, 2).indices
    bound = batches.regret_bound(scores, chosen)
    assert isinstance(bound, torch.Tensor)
    assert not bound.requires_grad
    scores.sum().backward()
    assert (scores.grad == 1).all()


@pytest.mark.parametrize(
    ("scores", "top_k", "message"),
    [
        ([[1.0]], 1, "a torch tensor"),
        (torch.zeros(3), 1, r"two dimensions \[T, E\]"),
        (torch.zeros(0, 3), 1, "at least one token"),
        (torch.zeros(2, 3), 4, "1 to E=3"),
        (torch.tensor([[0.0, float("nan")]]), 1, "nan at token 0, expert 1"),
        (torch.zeros(2, 2, dtype=torch.complex64), 1, "dense"),
        (torch.zeros(2, 2).to_sparse(), 1, "dense"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_sentence(scores, top_k, message):
    with pytest.raises(InvalidProblem, match=message):
        batches.solve(scores, top_k)


def test_routings_of_other_shapes_are_refused():
    scores = torch.zeros(4, 3)
    for chosen in (torch.zeros(4, 4, dtype=torch.long), torch.zeros(3, 1, dtype=torch.long), torch.zeros(4, 1)):
        with pytest.raises(InvalidProblem, match="chosen"):
            batches.regret_bound(scores, chosen)
    with pytest.raises(InvalidProblem, match="bias"):
        batches.regret_bound(scores, torch.zeros(4, 1, dtype=torch.long), torch.zeros(4))
