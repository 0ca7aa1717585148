"""Forged certificates of every kind: none is accepted that enumeration calls false, no true optimum is refused, and a
second, naive checker decides the same.
"""

import json
import zlib

import pytest

from equipoise import TrafficProblem, solve
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
    assert verdict(document, path, rehash=True) == "accepted"
    for flows in ([[0, 0, 0, 3], [0, 0, 1, -1]], [[0, 0, 0, 2], [1, 0, 0, 1], [1, 0, 1, -1]]):
        assert verdict({**document, "flows": flows}, path, rehash=True) == "rejected"
