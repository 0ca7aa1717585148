"""What counts as a method's code: all of it, wherever it is installed, and nothing else."""

import sys

import pytest

from equipoise.errors import TargetNotFound
from equipoise.study.code import code_of

ROUTER = "def route(scores, top_k):\n    return None\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``mine`` whose router is in one module, imports others, and is beside a module that it does not use."""
    texts = {
        "__init__.py": "from .core import route\n",
        "core.py": "import json\nfrom mine.parts import shared\nfrom . import ranks\n" + ROUTER,
        "ranks.py": "def f():\n    from .deep.inner import g\n",
        "parts/__init__.py": "from mine.parts.shared import thing\n",
        "parts/shared.py": "thing = 1\n",
        "deep/__init__.py": "unused_by_name = 1\n",
        "deep/inner.py": "g = 1\n",
        "other.py": "import mine.core\n",
    }
    for name, text in texts.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "mine"


@pytest.mark.parametrize("changed", ["core.py", "ranks.py", "parts/shared.py", "deep/inner.py"])
def test_a_change_in_the_module_or_in_what_it_imports_of_its_package_is_seen(package, changed):
    before = code_of("mine.core:route", "router")
    assert code_of("mine.core:route", "router") == before
    (package / changed).write_text((package / changed).read_text() + "# changed\n")
    assert code_of("mine.core:route", "router") != before


def test_other_modules_do_not_count_and_nothing_of_the_package_is_imported_to_see_it(package):
    before = code_of("mine.core:route", "router")
    (package / "other.py").write_text("other = 2\n")
    assert code_of("mine.core:route", "router") == before
    assert not [name for name in sys.modules if name.partition(".")[0] == "mine"]


def test_an_attribute_of_a_package_counts_what_the_package_imports(package):
    before = code_of("mine:route", "router")
    (package / "core.py").write_text(ROUTER)
    assert code_of("mine:route", "router") != before


def test_the_same_code_elsewhere_has_the_same_hash(package, tmp_path_factory, monkeypatch):
    before = code_of("mine.core:route", "router")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    package.rename(elsewhere / "mine")
    monkeypatch.syspath_prepend(str(elsewhere))
    assert code_of("mine.core:route", "router") == before


def test_files_and_the_files_that_a_command_names_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(ROUTER)
    methods = ["mine.py:route", "cmd:python3 mine.py --fast"]
    before = [code_of(method, "router") for method in methods]
    path.write_text(ROUTER + "# changed\n")
    after = [code_of(method, "router") for method in methods]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_built_in_methods_have_code_of_their_own_and_their_settings_count():
    names = ["bip", "midpoint", "topk", "loss-free"]
    assert len({code_of(name, "router") for name in names}) == len(names)
    assert code_of("lplb", "scheduler") != code_of("lplb-released", "scheduler"), "one class, other settings"


def test_names_that_lead_nowhere_are_refused():
    for name in ("nonsense", "no_such_module:f", "missing.py:f", "..up:f", "cmd:'open"):
        with pytest.raises(TargetNotFound):
            code_of(name, "router")
