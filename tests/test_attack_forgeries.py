"""Forged certificates: no check says what enumeration or a second, naive checker calls false, or refuses an optimum."""

import zlib

import pytest

from equipoise.certificates.certificate import KINDS
from forgeries import attack
from second_checkers import valid


@pytest.mark.parametrize("kind", KINDS)
def test_no_forged_claim_is_accepted_unless_it_is_true(tmp_path, kind):
    counts, wrong = attack(kind, zlib.crc32(kind.encode()), 300, tmp_path / "c.json", bases=5, second=valid)
    assert wrong == []
    assert counts["genuine"] == 5
    assert counts["rejected"] > 30
