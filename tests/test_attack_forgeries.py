"""Forged certificates: no check says what enumeration or a second, naive checker calls false, or refuses an optimum."""

import json
import zlib
from fractions import Fraction

import pytest

from equipoise import (
    AssignmentProblem,
    CommunicationProblem,
    FewExpertsProblem,
    SchedulingProblem,
    TrafficProblem,
    solve,
)
from equipoise.certificates.certificate import KINDS
from forgeries import attack, verdict
from second_checkers import valid


@pytest.mark.parametrize("kind", KINDS)
def test_no_forged_claim_is_accepted_unless_it_is_true(tmp_path, kind):
    counts, wrong = attack(kind, zlib.crc32(kind.encode()), 300, tmp_path / "c.json", bases=5, second=valid)
    assert wrong == []
    assert counts["genuine"] == 5
    assert counts["rejected"] > 30


def test_a_flow_against_the_stream_is_refused_where_it_costs_nothing(tmp_path):
    path = tmp_path / "c.json"
    problem = TrafficProblem([[2], [0]], [[True, True]], [3, 3], [[0, 0], [0, 0]])
    solve(problem).certificate.save(path)
    document = json.loads(path.read_bytes())
    assert verdict(document, path, rehash=True).valid
    for flows in ([[0, 0, 0, 3], [0, 0, 1, -1]], [[0, 0, 0, 2], [1, 0, 0, 1], [1, 0, 1, -1]]):
        assert verdict({**document, "flows": flows}, path, rehash=True).status is None


@pytest.mark.parametrize(
    "problem",
    [
        SchedulingProblem([3], [[True, True]], fractional=False),
        CommunicationProblem([[3], [0]], [[True, True]], Fraction(0)),
    ],
)
def test_halves_of_whole_tokens_are_refused(problem, tmp_path):
    path = tmp_path / "c.json"
    solve(problem).certificate.save(path)
    document = json.loads(path.read_bytes())
    assert verdict(document, path, rehash=True).valid
    for split in ([[3, 3]], [[2, 4]]):
        assert verdict({**document, "split": split, "denominator": 2}, path, rehash=True).status is None


@pytest.mark.parametrize("price", [-(2**63), -(2**61) - 1, 2**61 + 1])
def test_a_price_that_no_sum_can_hold_is_refused(tmp_path, price):
    """The absolute value of -2^63 is no number of 64 bits, and was below every limit."""
    path = tmp_path / "c.json"
    scores = [[-2, 4, 6, 5], [6, 1, 0, 2], [0, -2, -3, 6]]
    problem = FewExpertsProblem(AssignmentProblem(scores, top_k=1, capacity=[2, 2, 1, 3]), 3)
    solve(problem).certificate.save(path)
    document = json.loads(path.read_bytes())
    assert verdict(document, path, rehash=True).valid
    document["token_prices"][1] = price
    found = verdict(document, path, rehash=True)
    assert found is None or found.status is None


def test_the_second_checker_does_not_count_up_to_an_extreme_load(tmp_path):
    path = tmp_path / "c.json"
    problem = SchedulingProblem([3], [[True, True]], base_load=[2**53, 0], speed=[3, 2], fractional=False)
    solve(problem).certificate.save(path)
    document = json.loads(path.read_bytes())
    assert verdict(document, path, rehash=True).valid
    assert valid(document)
