"""The documentation site has every page and every public name, and its pages' links lead somewhere."""

import re
from pathlib import Path

import pytest

import equipoise
from equipoise.checks.engine.registry import select
from equipoise.roles import all_roles

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = Path(equipoise.__file__).parent
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
GENERATED = {match for text in PAGES.values() for match in re.findall(r"^::: (equipoise\S*)", text, re.MULTILINE)}
INTERNAL = {"arrays", "blocks", "cli", "files", "grid", "lifeline", "pytest_plugin", "tables"}
SECTIONS = {"tutorials", "how-to", "explanation", "measured", "reference"}

pytestmark = pytest.mark.skipif(not PAGES, reason="the tests run outside a checkout: docs/ is not here")


def navigation():
    """Every page that mkdocs.yml names."""
    yaml = pytest.importorskip("yaml", reason="reading mkdocs.yml needs PyYAML (extra test)")

    def leaves(node):
        if isinstance(node, str):
            return [node]
        return [leaf for child in (node.values() if isinstance(node, dict) else node) for leaf in leaves(child)]

    return leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])


def covered(name):
    """Whether the reference shows this name: itself, or the module or class that it is in."""
    parts = name.split(".")
    return any(".".join(parts[:length]) in GENERATED for length in range(2, len(parts) + 1))


def test_every_page_is_in_the_navigation_once():
    assert sorted(navigation()) == sorted(PAGES)


def test_every_page_but_the_first_two_is_in_a_section():
    assert {page.split("/")[0] for page in PAGES} == SECTIONS | {"index.md", "gallery.md"}


def test_every_picture_is_in_the_gallery_once_and_code_that_makes_it_stands_below_it():
    parts = re.split(r"^!\[[^\]]*\]\(images/([^)]+)\)$", PAGES["gallery.md"], flags=re.MULTILINE)
    shown = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert sorted(parts[1::2]) == sorted(path.name for path in (DOCS / "images").iterdir())
    for name, below in shown.items():
        code = re.match(r"\s*(```python\n(.*?)```|    (equipoise|python) )", below, re.DOTALL)
        assert code, name
        compile(code[2] or "", name, "exec")


def test_every_schema_is_on_its_page():
    families = {path.stem.rstrip("0123456789").rstrip("-") for path in (PACKAGE / "schemas").glob("*.json")}
    assert [name for name in families if f"`{name}`" not in PAGES["reference/schemas.md"]] == []


def test_every_top_level_name_is_in_the_reference():
    homes = {name: f"equipoise.{home}.{name}" for name, home in equipoise._HOME.items()}
    assert [home for home in homes.values() if not covered(home)] == []
    assert [name for name in homes if f"[`{name}`]" not in PAGES["reference/index.md"]] == []


def test_every_public_module_is_in_the_reference():
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    public = {name for name in modules if not name.startswith("_")} - INTERNAL
    assert public - {name.split(".")[1] for name in GENERATED} == set()


def test_every_balancer_is_in_the_reference():
    entries = [entry for role in all_roles().values() for entry in role.catalogue.values()]
    assert [entry.name for entry in entries if not covered(f"equipoise.reference.{entry.module}")] == []


def test_every_check_is_in_the_reference():
    entries = [entry for role in all_roles() for entry in select(role)]
    assert [entry.name for entry in entries if not covered(f"{entry.function.__module__}.{entry.name}")] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_between_files_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    folder = (DOCS / page).parent
    assert [target for target in targets if "://" not in target and not (folder / target).exists()] == []
