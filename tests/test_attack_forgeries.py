"""Forged certificates of every kind: the check says nothing that enumeration calls false, and accepts every optimum."""

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
