"""The page on faithfulness says what is stored, and functions are taken out of files as they stand there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HERE = ROOT / "benchmarks" / "faithful"


@pytest.fixture
def faithful(monkeypatch):
    """Import a module of benchmarks/faithful, which is no package."""
    if not HERE.is_dir():
        pytest.skip("the tests run outside a checkout: benchmarks/ is not here")
    monkeypatch.syspath_prepend(str(HERE))
    names = ("page", "sources", "comparison", "original")
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield lambda name: __import__(name)
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(kept)


def test_the_page_is_made_from_the_stored_results(faithful):
    page = faithful("page")
    assert page.PAGE.read_text() == page.text(), "run benchmarks/faithful/run.py --write"


def test_every_result_is_of_a_known_source_and_version(faithful):
    known = {(source.title, source.version) for source in faithful("sources").SOURCES.values()}
    results = faithful("page").results()
    assert results
    assert {(one["source"], one["version"]) for one in results} <= known


def test_a_function_out_of_a_file_runs_with_stand_ins_for_what_it_imports(faithful, tmp_path):
    path = tmp_path / "theirs.py"
    path.write_text(
        "import nowhere\n\nclass Made:\n    def inside(self: nowhere.Kind) -> int:\n        return base + 1\n"
    )
    functions = faithful("original").functions
    assert functions(path, ["inside"], base=2)["inside"](None) == 3
    with pytest.raises(LookupError, match="has no outside"):
        functions(path, ["outside"])


def test_a_difference_says_where_it_is(faithful):
    differing = faithful("comparison").differing
    assert differing("slot", [1, 2], [1, 2]) is None
    assert differing("slot", [1.0, 2.0], [1.0, 2.001], 1e-2) is None
    assert differing("slot", [1, 2], [1, 3]) == "slot [1]: 2 against 3"
    assert differing("slot", [1], [1, 3]) == "slot: shape (1,) against (2,)"
    assert differing("slot", [1.0, float("nan")], [1.0, 2.0]) == "slot [1]: nan against 2"
