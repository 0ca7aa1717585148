"""The check of certificates with limits: against a naive one in fractions, and against corruption."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import AssignmentProblem, InvalidFile, Limit, LimitedProblem
from equipoise.certificates.certificate import Certificate
from equipoise.certificates.kinds.limited import LimitedCertificate
from limited_cases import brute_force, feasible, limited_problems


def naive_dual(problem: LimitedProblem, prices, limit_prices, scores) -> Fraction:
    """D(q, y), literally."""
    plain = problem.assignment
    total = sum(Fraction(int(c)) * int(q) for c, q in zip(plain.capacity, prices, strict=True))
    total += sum(Fraction(limit.capacity) * int(y) for limit, y in zip(problem.limits, limit_prices, strict=True))
    for token in plain.tokens:
        reduced = []
        for expert in range(plain.num_experts):
            covering = [
                int(y)
                for limit, y in zip(problem.limits, limit_prices, strict=True)
                if (limit.tokens is None or token in limit.tokens)
                and (limit.experts is None or expert in limit.experts)
            ]
            reduced.append(Fraction(int(scores[token][expert])) - int(prices[expert]) - sum(covering))
        best = sorted(reduced, reverse=True)[: plain.top_k]
        total += sum(max(value, Fraction(0)) if plain.drop else value for value in best)
    return total


def naive_verdict(problem: LimitedProblem, certificate: LimitedCertificate) -> bool:
    plain = problem.assignment
    prices, limit_prices = certificate.prices, certificate.limit_prices
    if (prices < 0).any() or (limit_prices < 0).any():
        return False
    if certificate.experts is None:
        return naive_dual(problem, prices, limit_prices, np.zeros(plain.scores.shape, int)) < 0
    rows = {t: [int(e) for e in certificate.experts[t] if e >= 0] for t in range(plain.num_tokens)}
    if any(len(set(row)) != len(row) for row in rows.values()):
        return False
    for token, row in rows.items():
        real = token in plain.tokens
        if len(row) > (plain.top_k if real else 0) or (real and not plain.drop and len(row) < plain.top_k):
            return False
    if not feasible(problem, {t: set(row) for t, row in rows.items()}):
        return False
    value = sum(Fraction(plain.scores[t, e].item()) for t, row in rows.items() for e in row)
    return value == naive_dual(problem, prices, limit_prices, plain.scores)


@given(limited_problems(), st.data())
@settings(max_examples=150, deadline=None)
def test_check_decides_as_a_naive_check_in_fractions_on_any_certificate(problem, data):
    good = equipoise.solve(problem).certificate
    bump = st.sampled_from([0, 0, 0, 0, 1, -1])
    shift = [
        np.array(data.draw(st.lists(bump, min_size=len(old), max_size=len(old))), np.int64)
        for old in (good.prices, good.limit_prices)
    ]
    candidate = replace(good, prices=good.prices + shift[0], limit_prices=good.limit_prices + shift[1])
    if good.experts is not None and data.draw(st.booleans()):
        experts = good.experts.copy()
        place = data.draw(st.integers(0, experts.size - 1))
        experts.flat[place] = data.draw(st.integers(-1, problem.assignment.num_experts - 1))
        candidate = replace(candidate, experts=experts)
    assert candidate.verify(problem).valid == naive_verdict(problem, candidate)


@given(limited_problems(), st.data())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_for_any_prices_even_where_they_prove_no_optimum(problem, data):
    best = brute_force(problem)
    count = len(problem.capacities)
    prices = np.array(data.draw(st.lists(st.integers(0, 12), min_size=count, max_size=count)), np.int64)
    experts = equipoise.solve(problem).experts
    verdict = LimitedCertificate.of(problem, experts, prices).verify()
    if best is None:
        assert not verdict.valid or verdict.lower is None
    else:
        assert verdict.lower <= best <= verdict.upper
        assert not LimitedCertificate.of(problem, None, prices).verify().valid


@given(limited_problems())
@settings(max_examples=30, deadline=None)
def test_a_certificate_survives_its_file_and_needs_no_problem_beside_it(tmp_path_factory, problem):
    path = tmp_path_factory.mktemp("certificate") / "certificate.json"
    certificate = equipoise.solve(problem).certificate
    certificate.save(path)
    loaded = Certificate.load(path)
    assert loaded.verify() == loaded.verify(problem) == certificate.verify()
    assert loaded.verify().valid


def one_problem(capacity: int = 1) -> LimitedProblem:
    return LimitedProblem(AssignmentProblem(np.array([[5, 0], [4, 0], [3, 0]]), 1, 3), [Limit(capacity, [0], [0, 1])])


def test_a_certificate_of_other_limits_or_of_a_plain_problem_is_rejected():
    problem = one_problem()
    certificate = equipoise.solve(problem).certificate
    assert "another problem" in certificate.verify(one_problem(2)).reason
    assert "speaks of a LimitedProblem" in certificate.verify(problem.assignment).reason
    plain = equipoise.solve(problem.assignment).certificate
    assert "speaks of an AssignmentProblem" in plain.verify(problem).reason
    assert "does not contain its problem" in replace(certificate, statement=None).verify().reason
    assert "exponent" in replace(certificate, exponent=3).verify(problem).reason


def test_each_broken_condition_is_named():
    problem = one_problem()
    good = equipoise.solve(problem).certificate
    assert good.verify()
    broken = {
        "limit 0 takes 2 assignments, its capacity is 1": replace(good, experts=np.array([[0], [0], [0]])),
        "takes an expert that does not exist|names an expert": replace(good, experts=np.array([[0], [2], [0]])),
        "negative or beyond": replace(good, limit_prices=np.array([-1])),
        "not 64-bit integers": replace(good, limit_prices=np.array([1, 1])),
        "leave a gap": replace(good, limit_prices=np.array([0])),
    }
    for words, certificate in broken.items():
        verdict = certificate.verify()
        assert not verdict
        assert any(word in verdict.reason for word in words.split("|")), verdict.reason


def test_a_price_on_a_limit_that_is_not_full_is_rejected():
    problem = LimitedProblem(AssignmentProblem(np.array([[0, 0]]), 1, 1), [Limit(1, [0]), Limit(1, [1])])
    idle = LimitedCertificate.of(problem, np.array([[0]]), np.array([0, 0, 0, 1]))
    assert "limit 1 has a price, but is not full" in idle.verify().reason
    assert idle.verify().lower == 0 < idle.verify().upper


def test_prices_that_add_up_beyond_exact_arithmetic_are_rejected():
    problem = LimitedProblem(AssignmentProblem(np.array([[0, 0]]), 1, 1), [Limit(1, [0])] * 4)
    heavy = LimitedCertificate.of(problem, np.array([[0]]), np.array([0, 0] + [2**61] * 4))
    assert "add up beyond 2^61" in heavy.verify().reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "other"}, "unknown kind"),
        ({"limit_prices": [2**70]}, "beyond 64 bits"),
        ({"problem": {"limits": [{"capacity": -1, "tokens": [], "experts": []}]}}, "capacity of limit 0"),
        ({"problem": {"limits": [{"capacity": 1, "tokens": [9], "experts": []}]}}, "does not exist"),
    ],
)
def test_a_malformed_file_is_refused_in_one_sentence(tmp_path, change, words):
    path = tmp_path / "certificate.json"
    equipoise.solve(one_problem()).certificate.save(path)
    content = json.loads(path.read_text())
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidFile, match=words):
        Certificate.load(path)
