"""docs/measured/kill-matrix.md lists every miniature with its check; tests/test_checks.py tests what it says."""

import re
from pathlib import Path

import pytest

from equipoise.checks.engine.registry import select
from equipoise.roles import all_roles
from miniatures import faulty_targets

ROOT = Path(__file__).parents[1]
ROLES = tuple(all_roles())


def table(role):
    """Rows of a role in the document: miniature, the check made for it, the others."""
    path = ROOT / "docs" / "measured" / "kill-matrix.md"
    if not path.exists():
        pytest.skip("the tests run outside a checkout: docs/ is not here")
    sections = {part.split("s\n", 1)[0].lower(): part for part in path.read_text().split("\n## ")[1:]}
    return re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", sections[role], re.MULTILINE)


@pytest.mark.parametrize("role", ROLES)
def test_the_document_lists_every_miniature_with_its_check_and_no_other(role):
    faulty = {target.split(":")[1].removeprefix(f"{role}_"): check for target, check in faulty_targets(role).items()}
    assert [(name, check) for name, check, _ in table(role)] == list(faulty.items()), "run benchmarks/kill_matrix.py"


@pytest.mark.parametrize("role", ROLES)
def test_the_document_names_every_check_and_none_that_does_not_exist(role):
    checks = {entry.name for entry in select(role)}
    rows = table(role)
    assert {check for _, check, _ in rows} == checks
    assert {name for *_, others in rows for name in re.findall(r"`(\w+)`", others)} <= checks
