"""Forged certificates of every kind: none is accepted that enumeration calls false, and no true optimum is refused."""

import zlib

import pytest

from equipoise.certificates.certificate import KINDS
from forgeries import attack


@pytest.mark.parametrize("kind", KINDS)
def test_no_forged_claim_is_accepted_unless_it_is_true(tmp_path, kind):
    counts, wrong = attack(kind, zlib.crc32(kind.encode()), 300, tmp_path / "c.json", bases=5)
    assert wrong == []
    assert counts["genuine"] == 5
    assert counts["rejected"] > 30
