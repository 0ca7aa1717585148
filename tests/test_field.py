"""The conformance table: its rows and reviews are consistent, and its page is made of stored results alone."""

import importlib
import sys
from pathlib import Path

import pytest

from equipoise.balancers.adapters.forms import all_forms
from equipoise.checks.engine.registry import select
from equipoise.conditions import Condition
from equipoise.roles import role_named

ROOT = Path(__file__).parents[1]
FIELD = ROOT / "benchmarks" / "field"


@pytest.fixture(scope="module")
def field():
    """The modules of benchmarks/field, which are no package, by name."""
    if not FIELD.exists():
        pytest.skip("the tests run outside a checkout: benchmarks/ is not here")
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FIELD)
        yield {name: importlib.import_module(name) for name in ("rows", "stored", "page")}
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FIELD.parent)):
            del sys.modules[name]


@pytest.fixture(scope="module")
def targets(field):
    return [target for framework in field["rows"].frameworks() for target in framework.targets]


def test_frameworks_and_targets_are_named_once(field, targets):
    names = [one.name for one in targets]
    assert len(set(names)) == len(names)
    assert names


def test_every_row_says_a_role_a_form_sizes_and_a_condition_that_exist(targets):
    forms = {form.name: form.role for form in all_forms()}
    for one in targets:
        role = role_named(one.role)
        assert one.form == "" or forms[one.form] == one.role, one.name
        assert len(one.sizes) in (0, 2), one.name
        if one.accepts:
            Condition(one.accepts, role.letters)


def test_glue_is_a_name_or_at_most_three_lines(targets):
    assert {one.name: one.glue_lines for one in targets if one.glue_lines > 3} == {}


def test_every_review_is_of_a_row_and_a_check_of_its_role_in_a_known_class(field, targets):
    roles = {one.name: one.role for one in targets}
    reviews = field["rows"].reviews()
    for one in reviews:
        assert one.check in {entry.name for entry in select(roles[one.target])}, one
        assert one.kind in field["rows"].CLASSES, one
        assert ("#" in one.issue) == (one.kind == "known issue"), one
        assert one.says.endswith("."), one
    assert len({(one.target, one.check) for one in reviews}) == len(reviews)


def test_stored_results_are_of_rows_and_every_finding_has_its_class(field, targets):
    assert set(field["stored"].results()) <= {one.name for one in targets}
    assert field["stored"].unreviewed(field["rows"].frameworks()) == []


def test_the_page_is_made_of_stored_results_and_is_up_to_date(field):
    known, stored = field["rows"].frameworks(), field["stored"].results()
    page = (ROOT / "docs" / field["page"].PAGE).read_text()
    assert field["page"].table(known, stored).strip() in page, "run benchmarks/field/run.py --only --write"
    assert field["page"].found(known, stored).strip() in page, "run benchmarks/field/run.py --only --write"


def test_a_finding_without_a_class_and_a_class_without_a_finding_are_told(field, monkeypatch):
    rows, stored = field["rows"], field["stored"]
    known = [
        rows.Framework("one", "One", "1", (rows.Target("a", "one:a", "router"), rows.Target("b", "one:b", "router")))
    ]
    found = {"check": {"findings": [{"check": "deterministic"}]}}
    monkeypatch.setattr(stored, "results", lambda: {"a": found, "b": {"check": {}}})
    monkeypatch.setattr(stored, "reviews", lambda: [rows.Review("b", "deterministic", "defect", "It was so.")])
    missing, idle = stored.unreviewed(known)
    assert missing.startswith("a: deterministic found something")
    assert idle.startswith("b: deterministic of reviewed.toml found nothing")
