"""The check of certificates against a naive one, brute force, and corruption."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise import AssignmentProblem, blocks, solve
from equipoise.certificates.certificate import KINDS, certificate_type
from equipoise.certificates.check.assignment import check_assignment
from equipoise.certificates.kinds.assignment import AssignmentCertificate
from oracles import Statement, naive_check, optimum
from strategies_assignment import ALL, problems, problems_and
from strategies_certificate import (
    CORRUPTIONS,
    Proof,
    arbitrary_proofs,
    corrupted_proofs,
    valid_proofs,
)

ROW = Statement([[5, 3]], 1, [1, 1], False, None, 0, Fraction(0))


def assert_same_verdict(proof: Proof) -> None:
    verdict, naive = proof.production(), proof.naive()
    assert (verdict.valid, verdict.lower, verdict.upper) == (naive.valid, naive.lower, naive.upper)
    assert bool(verdict) == verdict.valid
    assert verdict.reason
    assert "\n" not in verdict.reason


@given(valid_proofs())
def test_certificates_of_solutions_are_valid_for_both_checkers(proof):
    assert proof.naive().valid
    assert_same_verdict(proof)


@given(corrupted_proofs())
def test_corrupted_certificates_get_the_naive_checkers_verdict(proof):
    assert_same_verdict(proof)


@given(arbitrary_proofs())
@example(Proof(ROW, [[0]], [2, 0]))
@example(Proof(ROW, [[0]], [2**61, 0]))
@example(Proof(ROW, [[0]], [2**61 + 1, 0]))
@example(Proof(replace(ROW, scores=[[2**61, -(2**61)]] * 9, capacity=[9, 9]), [[0]] * 9, [0, 0]))
@example(Proof(replace(ROW, scores=[[-(2**61), -(2**61)]] * 9, capacity=[5, 5]), [[0]] * 5 + [[1]] * 4, [0, 0]))
@example(Proof(replace(ROW, scores=[[2**61, -(2**61) - 1]]), [[0]], [0, 0]))
@example(Proof(replace(ROW, capacity=[0, 0], drop=True), [[-1]], [5, 3]))
@example(Proof(replace(ROW, capacity=[2**61, 1]), [[0]], [0, 0]))
@example(Proof(replace(ROW, mask=[False]), [[-1]], [0, 0]))
@example(Proof(replace(ROW, mask=[False]), [[0]], [0, 0]))
@example(Proof(replace(ROW, scores=[[5, 3]] * 2, mask=[False, True]), [[-1], [0]], [0, 0]))
def test_arbitrary_certificates_get_the_naive_checkers_verdict(proof):
    assert_same_verdict(proof)


@given(corrupted_proofs() | arbitrary_proofs())
def test_whatever_is_claimed_the_bounds_hold_and_valid_means_optimal(proof):
    verdict, best = proof.production(), proof.optimum()
    if verdict.upper is not None and best is not None:
        assert verdict.upper >= best
    if verdict.lower is not None:
        assert best is not None
        assert verdict.lower <= best
    if verdict.valid:
        slip = proof.naive().upper - best
        assert verdict.lower == best - slip


@pytest.mark.parametrize("field", sorted(CORRUPTIONS))
@given(proof=valid_proofs(), data=st.data())
def test_corrupting_one_field_is_rejected_or_still_provably_valid(field, proof, data):
    corrupted = CORRUPTIONS[field](data.draw, proof)
    assert corrupted.production().valid == corrupted.naive().valid


@given(problems_and(lambda shape: hnp.arrays(np.int64, shape[1], elements=st.integers(0, 5)), kinds=ALL))
def test_any_prices_bound_the_optimum_from_above(drawn):
    problem, prices = drawn
    experts = np.full((problem.num_tokens, problem.top_k), -1)
    certificate = AssignmentCertificate.of(problem, experts, prices)
    assert certificate.verify(problem).upper >= optimum(problem)


@given(problems(kinds=ALL))
def test_any_feasible_assignment_bounds_the_optimum_from_below(problem):
    experts = solve(problem).experts
    statement = problem if problem.drop else problem.with_capacity(problem.num_tokens)
    certificate = AssignmentCertificate.of(statement, experts, np.ones(problem.num_experts, np.int64))
    assert certificate.verify().lower <= optimum(statement)


REASONS = {
    "valid": (ROW, [[0]], [0, 0], "the assignment is feasible and its score equals the dual bound"),
    "gap": (replace(ROW, exponent=3), [[1]], [0, 0], "the prices leave a gap of 2 grid steps of 2^-3 above"),
    "negative price": (ROW, [[0]], [0, -1], "the price of expert 1 is negative"),
    "infeasible before price": (ROW, [[-1]], [-1, -1], "token 0 takes fewer than 1 experts"),
    "negative capacity": (replace(ROW, capacity=[1, -1]), [[0]], [0, 0], "a capacity is negative"),
    "large score": (replace(ROW, scores=[[2**61 + 1, 0]]), [[0]], [0, 0], "scores goes beyond 2^61"),
    "small score": (replace(ROW, scores=[[0, -(2**61) - 1]]), [[0]], [0, 0], "scores goes beyond 2^61"),
    "large price": (ROW, [[0]], [0, 2**61 + 1], "prices goes beyond 2^61"),
    "large capacity": (replace(ROW, capacity=[1, 2**61 + 1]), [[0]], [0, 0], "capacity goes beyond 2^61"),
    "no such expert": (replace(ROW, scores=[[5, 3]] * 2), [[0], [2]], [0, 0], "token 1 names an expert that does"),
    "below minus one": (ROW, [[-2]], [0, 0], "token 0 names an expert that does not exist"),
    "padding": (replace(ROW, mask=[False]), [[0]], [0, 0], "a padding token is assigned"),
    "twice": (replace(ROW, scores=[[5, 3]] * 2, top_k=2, drop=True), [[-1, -1], [1, 1]], [0, 0], "token 1 takes an"),
    "twice at the end": (
        replace(ROW, scores=[[5, 3, 1]], top_k=3, capacity=[2] * 3),
        [[0, 1, 1]],
        [0] * 3,
        "token 0 takes an expert twice",
    ),
    "expert 0 twice": (replace(ROW, top_k=2, capacity=[2, 2]), [[0, 0]], [0, 0], "token 0 takes an expert twice"),
    "short": (replace(ROW, scores=[[5, 3]] * 2, top_k=2), [[0, 1], [1, -1]], [0, 0], "token 1 takes fewer than 2"),
    "overload": (
        replace(ROW, scores=[[5, 3]] * 3),
        [[0], [1], [1]],
        [0, 0],
        "expert 1 takes 2 tokens, its capacity is 1",
    ),
}


@pytest.mark.parametrize(("statement", "experts", "prices", "reason"), REASONS.values(), ids=REASONS)
def test_verdict_says_what_is_wrong(statement, experts, prices, reason):
    verdict = Proof(statement, experts, prices).production()
    assert verdict.reason.startswith(reason)
    assert verdict.valid == (reason == REASONS["valid"][3])


FORM = {"top_k": 1, "drop": False, "mask": None, "exponent": 0, "error": Fraction(0)}
GOOD = {"scores": [[5, 3]], "capacity": [1, 1], "experts": [[0]], "prices": [0, 0]}
MALFORMED = {
    "scores of floats": ("scores", np.array([[5.0, 3.0]])),
    "scores of 32 bits": ("scores", np.array([[5, 3]], np.int32)),
    "scores unsigned": ("scores", np.array([[5, 3]], np.uint64)),
    "scores in a row": ("scores", np.array([5, 3])),
    "scores in a cube": ("scores", np.array([[[5, 3]]])),
    "capacity of floats": ("capacity", np.array([1.0, 1.0])),
    "capacity too short": ("capacity", np.array([1])),
    "capacity of rank two": ("capacity", np.array([[1, 1]])),
    "prices of floats": ("prices", np.array([0.0, 0.0])),
    "prices too long": ("prices", np.array([0, 0, 0])),
    "prices a number": ("prices", np.array(0)),
    "experts of floats": ("experts", np.array([[0.0]])),
    "experts of booleans": ("experts", np.array([[False]])),
    "experts too wide": ("experts", np.array([[0, 1]])),
    "experts too long": ("experts", np.array([[0], [1]])),
    "experts in a row": ("experts", np.array([0])),
}


@pytest.mark.parametrize(("field", "value"), MALFORMED.values(), ids=MALFORMED)
def test_arrays_of_another_type_or_shape_are_rejected_by_name(field, value):
    arrays = {name: np.array(numbers) for name, numbers in GOOD.items()}
    assert check_assignment(**arrays, **FORM).valid
    verdict = check_assignment(**{**arrays, field: value}, **FORM)
    assert not verdict.valid
    expected = "integers of shape (1, 1)" if field == "experts" else "64-bit integers of the problem's shape"
    assert verdict.reason == f"{field} is {value.dtype} of shape {value.shape}, not {expected}"
    assert verdict.lower is None
    assert (verdict.upper is None) == (field != "experts")


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_experts_may_be_integers_of_any_width(dtype):
    arrays = {name: np.array(numbers) for name, numbers in GOOD.items()}
    assert check_assignment(**{**arrays, "experts": np.array([[0]], dtype)}, **FORM).valid


@pytest.mark.parametrize("threaded", [0, 2**60])
@pytest.mark.parametrize("block", [1, 7, 24, 25])
@given(proof=arbitrary_proofs())
def test_blocks_of_rows_of_any_size_give_the_same_bound_in_one_thread_and_in_many(block, threaded, proof):
    whole = proof.production()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", block)
        patch.setattr(blocks, "_THREADED", threaded)
        assert proof.production() == whole


def test_large_problems_are_checked_in_blocks_without_seams():
    scores = np.random.default_rng(3).integers(-(2**40), 2**40, (2100, 1000))
    best = scores.argmax(axis=1)[:, None]
    capacity = np.bincount(best[:, 0], minlength=1000)
    verdict = check_assignment(scores, 1, capacity, False, None, best, np.zeros(1000, np.int64), 40, Fraction(0))
    assert verdict.valid
    assert verdict.upper == verdict.lower == Fraction(int(scores.max(axis=1).sum()), 2**40)


@given(problems(kinds=ALL))
def test_verifying_against_the_problem_or_the_statement_inside_is_the_same(problem):
    certificate = solve(problem).certificate
    assert certificate.verify() == certificate.verify(problem)
    naive = naive_check(Statement.of(certificate.statement), certificate.experts.tolist(), certificate.prices.tolist())
    assert (naive.lower, naive.upper) == (certificate.verify().lower, certificate.verify().upper)


@given(problems(), problems())
def test_certificate_speaks_of_its_own_problem_only(one, other):
    certificate = solve(one).certificate
    same = Statement.of(solve(other).certificate.statement).digest == certificate.digest
    verdict = certificate.verify(other)
    assert verdict.valid <= same
    if not same:
        assert "another problem" in verdict.reason or "grid exponent" in verdict.reason
        assert verdict.lower is None
        assert verdict.upper is None


@pytest.mark.parametrize(
    "other",
    [
        AssignmentProblem([[1, 2], [3, 5]], 1),
        AssignmentProblem([[1, 2], [3, 4]], 2),
        AssignmentProblem([[1, 2], [3, 4]], 1, [1, 2]),
        AssignmentProblem([[1, 2], [3, 4]], 1, drop=True),
        AssignmentProblem([[1, 2], [3, 4]], 1, mask=[True, True]),
        AssignmentProblem([[1, 2, 3, 4]], 1),
    ],
    ids=["score", "top_k", "capacity", "form", "mask", "shape"],
)
def test_problems_that_differ_in_one_thing_have_different_hashes(other):
    certificate = solve(AssignmentProblem([[1, 2], [3, 4]], 1)).certificate
    assert certificate.verify().valid
    assert certificate.verify(other).reason == "the certificate speaks of another problem (the hashes differ)"


@given(problems())
def test_hash_is_the_one_that_the_specification_describes(problem):
    certificate = solve(problem).certificate
    assert certificate.digest == certificate.statement.digest == Statement.of(certificate.statement).digest


def test_another_grid_is_named():
    certificate = solve(AssignmentProblem([[1.0, 2.0]], 1)).certificate
    verdict = certificate.verify(AssignmentProblem([[1.0, 2.5]], 1))
    assert verdict.reason == "the grid exponent is 0, the problem's is 1"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_problem_of_another_kind_is_rejected_by_every_kind_of_certificate(kind):
    certificate = object.__new__(certificate_type(kind))
    verdict = certificate.verify(object())
    assert not verdict
    assert verdict.reason.endswith("not of this object")
    assert certificate.PROBLEM.__name__ in verdict.reason
