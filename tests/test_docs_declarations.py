"""The page "Which declaration do I need?" has every declaration of every role, and no other."""

import re
from pathlib import Path

import pytest

from equipoise.roles import all_roles

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "declarations.md"


@pytest.mark.parametrize("role", all_roles())
def test_the_page_leads_to_every_declaration_of_a_role_and_to_no_other(role):
    sections = dict(re.findall(r"^## (\w+)s\n(.*?)(?=^## )", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"\| `([^`]+)` \|$", sections[role.capitalize()], re.MULTILINE))
    assert named == set(all_roles()[role].declarations)
