"""Assignment to experts of at most M groups per token: bounds, certificates and cross-checks."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import AssignmentProblem, GroupLimitedProblem, InvalidFile, InvalidProblem
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.kinds.group_limited import GroupLimitedCertificate
from equipoise.solvers.claim import Claim
from equipoise.solvers.group_limited import cross_check
from equipoise.solvers.group_limited.dual import best_choices
from equipoise.solvers.judge import judge
from equipoise.solvers.solve import claim

LARGEST = np.finfo(float).max
WITNESSES = ("ortools-cpsat", "ortools-cpsat-plain", "pulp-cbc")


@st.composite
def problems(draw, tokens=3):
    """Up to 3 tokens, 4 experts in 2 or 4 groups, K up to 2, small integers with many ties."""
    groups, count_t = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, tokens))
    row = st.lists(st.integers(-6, 9), min_size=4, max_size=4)
    scores = np.array(draw(st.lists(row, min_size=count_t, max_size=count_t)))
    top_k, drop = draw(st.integers(1, 2)), draw(st.booleans())
    mask = draw(st.one_of(st.none(), st.lists(st.booleans(), min_size=count_t, max_size=count_t).filter(any)))
    capacity = np.array(draw(st.lists(st.integers(0, count_t), min_size=4, max_size=4)))
    mask = None if mask is None else np.array(mask)
    try:
        plain = AssignmentProblem(scores, top_k, capacity, drop, mask)
    except InvalidProblem:
        plain = AssignmentProblem(scores, top_k, count_t, drop, mask)
    least = 1 if drop else -(-top_k * groups // 4)
    return GroupLimitedProblem(plain, groups, draw(st.integers(least, groups)))


def choices(problem: GroupLimitedProblem) -> list[tuple[int, ...]]:
    """All that a token may choose."""
    plain, size = problem.assignment, problem.assignment.num_experts // problem.num_groups
    sizes = range(plain.top_k + 1) if plain.drop else (plain.top_k,)
    every = (row for count in sizes for row in itertools.combinations(range(plain.num_experts), count))
    return [row for row in every if len({expert // size for expert in row}) <= problem.topk_groups]


def brute_force(problem: GroupLimitedProblem) -> Fraction | None:
    plain = problem.assignment
    best = None
    for rows in itertools.product(choices(problem), repeat=len(plain.tokens)):
        load = np.bincount([expert for row in rows for expert in row], minlength=plain.num_experts)
        if (load <= plain.capacity).all():
            value = sum(
                Fraction(plain.scores[t, e].item()) for t, row in zip(plain.tokens, rows, strict=True) for e in row
            )
            best = value if best is None else max(best, value)
    return best


@given(problems())
@settings(max_examples=40, deadline=None)
def test_default_engine_finds_the_brute_force_optimum_with_evidence(problem):
    solution, best = equipoise.solve(problem), brute_force(problem)
    if best is None:
        assert (solution.status, solution.evidence) == ("infeasible", "cross-checked")
        return
    assert (solution.status, solution.objective, solution.lower) == ("optimal", best, best)
    assert solution.evidence in ("certified", "cross-checked")
    assert solution.upper >= best
    if solution.evidence == "certified":
        assert solution.upper == best
        assert solution.certificate.verify(problem)


@pytest.mark.parametrize("engine", ["lagrangian", *WITNESSES])
@given(problem=problems())
@settings(max_examples=12, deadline=None)
def test_every_engine_alone_gives_rigorous_bounds_and_never_claims_more(engine, problem):
    solution, best = equipoise.solve(problem, engine), brute_force(problem)
    assert solution.evidence in ("certified", "claimed")
    if best is None:
        assert solution.status == "unknown"
        return
    assert best <= solution.upper
    if solution.objective is not None:
        assert solution.lower == solution.objective <= best
        assert (solution.status == "optimal") == (solution.lower == solution.upper)
    if engine in WITNESSES:
        assert solution.objective == best


@given(problems(), st.data())
@settings(max_examples=80, deadline=None)
def test_any_prices_bound_the_optimum_and_the_check_decides_as_enumeration_does(problem, data):
    plain = problem.assignment
    prices = np.array(data.draw(st.lists(st.integers(-1, 9), min_size=4, max_size=4)), np.int64)
    rows = [data.draw(st.sampled_from(choices(problem))) for _ in plain.tokens]
    experts = np.full((plain.num_tokens, plain.top_k), -1)
    for token, row in zip(plain.tokens, rows, strict=True):
        experts[token, : len(row)] = row
    load = np.bincount(experts[experts >= 0], minlength=4)
    value = sum(int(plain.scores[t, e]) for t, row in zip(plain.tokens, rows, strict=True) for e in row)
    dual = int(plain.capacity @ prices)
    dual += sum(
        max(sum(int(plain.scores[t, e] - prices[e]) for e in row) for row in choices(problem)) for t in plain.tokens
    )
    verdict = GroupLimitedCertificate.of(problem, experts, prices).verify()
    assert verdict.valid == bool((prices >= 0).all() and (load <= plain.capacity).all() and value == dual)
    if (prices >= 0).all():
        assert verdict.upper == dual
        best = brute_force(problem)
        assert best is None or best <= dual


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_tokens_choice_is_the_best_of_all_subsets_of_groups_in_engine_and_check(groups, size, top_k, drop, seed):
    experts = groups * size
    top_k = min(top_k, experts)
    most = max(-(-top_k // size), 1 + seed % groups)
    reduced = np.random.default_rng(seed).integers(-9, 9, (5, experts)).astype(float)
    value, chosen = best_choices(reduced, top_k, groups, most, drop)
    assert (chosen.reshape(5, groups, size).any(axis=2).sum(axis=1) <= most).all()
    problem = GroupLimitedProblem(AssignmentProblem(reduced.astype(int), top_k, 5, drop), groups, most)
    nobody, free = np.full((5, top_k), -1), np.zeros(experts, np.int64)
    assert GroupLimitedCertificate.of(problem, nobody, free).verify().upper == value.sum()
    for token in range(5):
        expected = []
        for subset in itertools.combinations(range(groups), most):
            inside = sorted((reduced[token, g * size + i] for g in subset for i in range(size)), reverse=True)[:top_k]
            expected.append(sum(max(score, 0) for score in inside) if drop else sum(inside))
        assert value[token] == max(expected) == reduced[token, chosen[token]].sum()
        assert drop or chosen[token].sum() == top_k


@given(problems())
@settings(max_examples=15, deadline=None)
def test_all_groups_allowed_is_the_plain_problem(problem):
    free = GroupLimitedProblem(problem.assignment, problem.num_groups, problem.num_groups)
    solution = equipoise.solve(free)
    assert (solution.status, solution.objective) == ("optimal", equipoise.solve(problem.assignment).objective)


@given(problems())
@settings(max_examples=15, deadline=None)
def test_one_more_group_never_lowers_the_optimum(problem):
    if problem.topk_groups == problem.num_groups:
        return
    before = equipoise.solve(problem)
    after = equipoise.solve(GroupLimitedProblem(problem.assignment, problem.num_groups, problem.topk_groups + 1))
    if before.status == "optimal":
        assert after.objective >= before.objective


def test_a_duality_gap_is_closed_by_agreement_and_shown_in_the_bounds():
    gap = gapped()
    solution = equipoise.solve(gap)
    assert (solution.status, solution.evidence) == ("optimal", "cross-checked")
    assert solution.lower == solution.objective == brute_force(gap) == 2 < 3 <= solution.upper
    assert solution.certificate is None


def gapped() -> GroupLimitedProblem:
    """Three tokens want two each of three scarce experts: one can be served, but one and a half by halves."""
    scores = np.array([[1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [1, 0, 1, 0, 0, 0]])
    return GroupLimitedProblem(AssignmentProblem(scores, 2, [1, 1, 1, 3, 3, 3]), 2, 1)


def test_engines_that_disagree_are_no_evidence(monkeypatch):
    problem = gapped()

    def lying(problem, name, time_limit=None):
        true = claim(problem, name)
        return Claim("infeasible", message="INFEASIBLE") if name == "pulp-cbc" else true

    monkeypatch.setattr(cross_check, "claim", lying)
    solution = judge(problem, cross_check.solve(problem, None), "cross-check")
    assert (solution.status, solution.evidence) == ("bounded", "claimed")
    assert "pulp-cbc: INFEASIBLE" in solution.raw_status


def test_an_answer_that_breaks_the_limit_on_groups_is_not_taken():
    problem = GroupLimitedProblem(AssignmentProblem(np.array([[5, 0, 4, 0]]), 2, 1), 2, 1)
    broken = Claim("optimal", Fraction(9), np.array([[True, False, True, False]]))
    solution = judge(problem, broken, "test")
    assert (solution.status, solution.experts, solution.raw_objective) == ("unknown", None, 9)
    verdict = GroupLimitedCertificate.of(problem, np.array([[0, 2]]), np.zeros(4, np.int64)).verify()
    assert verdict.reason == "token 0 uses more than 1 groups"


def test_larger_inputs_get_an_honest_small_gap():
    scores = np.random.default_rng(0).random((128, 32), np.float32)
    problem = GroupLimitedProblem(AssignmentProblem(scores, 4), 8, 2)
    solution = equipoise.solve(problem)
    assert solution.solver == "lagrangian"
    assert solution.lower == solution.objective <= solution.upper
    assert solution.gap < solution.objective / 500
    assert solution.upper <= equipoise.solve(problem.assignment).objective


EXTREMES = st.sampled_from([LARGEST, -LARGEST, 1.7e308, -1.7e308, 1e308, 0.0, 5e-324])


@pytest.mark.parametrize("engine", ["lagrangian", *WITNESSES])
@given(st.lists(st.lists(EXTREMES, min_size=4, max_size=4), min_size=2, max_size=4), st.integers(1, 2), st.booleans())
@example(
    [[1e308, 1.7e308, 1.7e308, LARGEST], [LARGEST, LARGEST, -LARGEST, 1.0], [0.0, LARGEST / 2, 1e308, 0.0]], 2, True
)
@example([[LARGEST, -1.7e308, 0.0, LARGEST], [-LARGEST, 1e308, 5e-324, 0.0], [1e308, 1.7e308, 1e308, 5e-324]], 1, False)
@settings(max_examples=12, deadline=None)
def test_the_largest_scores_of_float64_give_rigorous_bounds_and_no_error(engine, scores, top_k, drop):
    problem = GroupLimitedProblem(AssignmentProblem(np.array(scores), top_k, len(scores) - 1, drop), 2, 1)
    solution, best = equipoise.solve(problem, engine), brute_force(problem)
    if best is None:
        assert solution.status == "unknown"
        return
    assert best <= solution.upper
    assert solution.lower is None or solution.lower <= best


def test_a_coarser_grid_is_stated_as_error_and_enters_the_bounds():
    plain = AssignmentProblem(np.random.default_rng(0).normal(size=(4, 4)), 1)
    problem = GroupLimitedProblem(plain, 2, 1)
    assert np.abs(problem.grid.values).max() < 10**12 < np.abs(plain.grid.values).max()
    exact = [[Fraction(score) for score in row] for row in plain.scores.tolist()]
    worst = max(
        abs(exact[t][e] - int(problem.grid.values[t, e]) * problem.grid.unit) for t in range(4) for e in range(4)
    )
    assert 0 < worst <= problem.grid.error
    solution = equipoise.solve(problem)
    assert solution.lower < equipoise.solve(plain).objective < solution.upper


def test_a_certificate_survives_its_file_and_speaks_of_its_problem_only(tmp_path):
    problem = GroupLimitedProblem(AssignmentProblem(np.arange(8).reshape(2, 4) ** 2, 2), 2, 1)
    certificate = equipoise.solve(problem).certificate
    path = tmp_path / "certificate.json"
    certificate.save(path)
    assert Certificate.load(path).verify() == certificate.verify(problem)
    assert certificate.verify()
    assert "another problem" in certificate.verify(GroupLimitedProblem(problem.assignment, 2, 2)).reason
    assert "GroupLimitedProblem" in certificate.verify(problem.assignment).reason
    assert "does not contain" in replace(certificate, statement=None).verify().reason
    assert "exponent" in replace(certificate, exponent=9).verify().reason
    assert "too large" in replace(certificate, prices=certificate.prices + 2**60).verify().reason
    content = json.loads(path.read_text())
    content["problem"]["num_groups"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidFile, match="1 of 3 groups for E=4"):
        Certificate.load(path)


@pytest.mark.parametrize(
    ("groups", "most", "words"),
    [
        (3, 1, "num_groups is 3; allowed: a divisor of E=4"),
        (0, 1, "num_groups is 0"),
        (True, 1, "num_groups is True"),
        (4, 1, r"topk_groups is 1; allowed: 2 \(for K=2 experts from groups of 1\) to N=4"),
        (2, 3, "topk_groups is 3"),
        (2, 1.0, "topk_groups is 1.0"),
    ],
)
def test_arguments_are_refused_by_name(groups, most, words):
    with pytest.raises(InvalidProblem, match=words):
        GroupLimitedProblem(AssignmentProblem(np.zeros((4, 4)), 2), groups, most)
