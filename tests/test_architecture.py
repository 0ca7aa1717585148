"""ARCHITECTURE.md, held: who may import whom, what is never imported by accident, how long a file may be."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import equipoise
from equipoise.solvers.engines import ENGINES

PACKAGE = Path(equipoise.__file__).parent
ROOT = Path(__file__).parents[1]
HEAVY = {"ortools", "pulp", "numba", "hypothesis", "rich", "click", "torch", "pytest"}
HEAVY |= {"statsmodels", "polars", "matplotlib", "jinja2"}
TRUSTED = PACKAGE / "certificates" / "check"
CHECKER = [f"equipoise.certificates.check.{path.stem}" for path in sorted(TRUSTED.glob("[!_]*.py"))]
CHECKER.append("equipoise.blocks")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by name, parsed; the linked folders included."""
    found = {}
    for folder in (PACKAGE, PACKAGE / "solvers", PACKAGE / "reference"):
        for path in folder.rglob("*.py"):
            parts = ["equipoise", *path.relative_to(PACKAGE).with_suffix("").parts]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(), str(path))
    return found


def imports(name: str, *, everywhere: bool = True) -> set[str]:
    """Absolute names that a module imports, in functions too unless told otherwise; not those for type checkers."""
    tree = modules()[name]
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            skipped.update(id(inner) for inner in ast.walk(node))
        if not everywhere and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            skipped.update(id(inner) for inner in ast.walk(node))
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively; imports are absolute"
            found.update(_home(str(node.module), alias.name) for alias in node.names)
    return found


def _home(module: str, name: str) -> str:
    """The module that ``from module import name`` reaches, lazy names of ``equipoise`` followed to where they live."""
    if module == "equipoise" and name in equipoise._HOME:
        return f"equipoise.{equipoise._HOME[name]}"
    full = f"{module}.{name}"
    return full if full in modules() else module


def own_imports(name: str) -> set[str]:
    return {other for other in imports(name) if other.split(".")[0] == "equipoise"}


def layer(name: str) -> str:
    return name.split(".")[1] if "." in name else "equipoise"


@cache
def ranks() -> dict[str, int]:
    """Layers and their rank, read from the numbered list in ARCHITECTURE.md."""
    if not (ROOT / "ARCHITECTURE.md").exists():
        pytest.skip("the tests run outside a checkout: ARCHITECTURE.md is not here")
    lines = re.findall(r"^(\d+)\. (.+)$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    return {word: int(number) for number, text in lines for word in re.findall(r"`(\w+)`", text)}


def test_every_top_level_module_has_a_layer_and_every_layer_a_module():
    present = {layer(name) for name in modules()} - {"equipoise", "__main__"}
    assert present == set(ranks())


@pytest.mark.parametrize("name", sorted(modules()))
def test_module_imports_from_its_own_layer_or_those_below_it_only(name):
    top = max(ranks().values()) + 1
    rank = {"equipoise": 0, "__main__": top, **ranks()}
    assert not {other for other in own_imports(name) if rank.get(layer(other), top) > rank.get(layer(name), 0)}


def test_inside_the_package_nothing_imports_equipoise_as_a_whole():
    """Attributes of ``equipoise`` lead anywhere; the layers only hold for names that say where they come from."""
    whole = [name for name, tree in modules().items() for node in ast.walk(tree) if _imports_whole(node)]
    assert whole == []


def _imports_whole(node: ast.AST) -> bool:
    return isinstance(node, ast.Import) and any(alias.name == "equipoise" for alias in node.names)


@pytest.mark.parametrize(("one", "other"), [("solvers", "reference"), ("reference", "solvers")])
def test_solvers_and_reference_do_not_import_each_other(one, other):
    ours = [name for name in modules() if layer(name) == one]
    assert ours
    assert not {name for name in ours if any(layer(found) == other for found in own_imports(name))}


def test_modules_import_each_other_in_no_circle():
    # A package and its modules count apart: importing either never needs the other half-built.
    TopologicalSorter({name: own_imports(name) - {name} for name in modules()}).prepare()


@pytest.mark.parametrize("name", CHECKER)
def test_checker_imports_the_standard_library_and_numpy_only(name):
    foreign = {other for other in imports(name) if other.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"numpy", "numpy.typing", *CHECKER}


def test_checker_loads_without_the_rest_of_the_package():
    """``equipoise`` itself is lazy, so only these files are loaded, and NumPy."""
    allowed = {"equipoise", "equipoise.certificates", "equipoise.certificates.check", *CHECKER}
    assert loaded_after(f"import {', '.join(CHECKER)}", "equipoise") == allowed


def test_heavy_packages_are_imported_by_engines_and_the_command_line_only():
    engines = {engine.module for engine in ENGINES}
    tops = {name: {other.split(".")[0] for other in imports(name, everywhere=False)} for name in modules()}
    heavy = {name: found & HEAVY for name, found in tops.items() if found & HEAVY}
    for name, direct in heavy.items():
        if layer(name) == "cli" or name in engines:
            continue
        if direct == {"hypothesis"} and layer(name) in ("checks", "strategies"):
            continue
        if direct == {"pytest"} and layer(name) == "testing":
            continue
        if direct == {"torch"} and layer(name) == "torch":
            continue
        users = {user for user in modules() if name in own_imports(user)}
        assert users, f"{name} imports {direct}"
        others = {user for user in users if name in imports(user, everywhere=False)} - engines - set(heavy)
        assert not others, f"{name} imports {direct}, and {others} import it"


def loaded_after(statement: str, package: str = "") -> set[str]:
    """Modules of one package (of all) that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name for name in run.stdout.split() if not package or name.split(".")[0] == package}


def test_importing_equipoise_imports_nothing_heavy_not_even_numpy():
    loaded = {name.split(".")[0] for name in loaded_after("import equipoise")}
    assert not loaded & (HEAVY | {"numpy", "msgspec"})


def test_using_a_name_of_equipoise_imports_no_solver():
    statement = (
        "import equipoise; equipoise.AssignmentProblem, equipoise.Certificate, equipoise.solve, equipoise.margin"
    )
    loaded = loaded_after(f"{statement}; equipoise.available_solvers(equipoise.AssignmentProblem([[1]], 1))")
    assert not {name.split(".")[0] for name in loaded} & HEAVY


def test_importing_every_module_but_engines_and_command_line_imports_nothing_heavy():
    engines = {engine.module for engine in ENGINES}
    shared = {name for name in modules() if {top.split(".")[0] for top in imports(name, everywhere=False)} & HEAVY}
    names = sorted(
        name
        for name in modules()
        if layer(name) not in ("cli", "__main__", "checks", "strategies", "testing", "torch")
        and name not in engines | shared
    )
    loaded = loaded_after(f"import {', '.join(names)}")
    assert not {name.split(".")[0] for name in loaded} & HEAVY


def test_every_public_name_can_be_had_and_others_cannot():
    assert set(equipoise.__all__) <= set(dir(equipoise))
    for name in equipoise.__all__:
        assert getattr(equipoise, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = equipoise.nonsense


@pytest.mark.parametrize("folder", ["solvers", "reference"])
def test_bare_import_of_a_top_level_folder_says_what_to_import(folder):
    if not (ROOT / folder).is_dir():
        pytest.skip(f"the tests run outside a checkout: {folder}/ is not here")
    run = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert f"ImportError: import equipoise.{folder}, not the bare folder" in run.stderr


def sources() -> list[Path]:
    folders = [
        PACKAGE,
        PACKAGE / "solvers",
        PACKAGE / "reference",
        ROOT / "tests",
        ROOT / "benchmarks",
        ROOT / "examples",
    ]
    return sorted({path.resolve() for folder in folders if folder.is_dir() for path in folder.rglob("*.py")})


def test_no_file_is_longer_than_400_lines():
    assert not {path.name: length for path in sources() if (length := len(path.read_text().splitlines())) > 400}


def test_the_check_is_shorter_than_150_lines():
    for name in CHECKER:
        assert len((PACKAGE.parent / f"{name.replace('.', '/')}.py").read_text().splitlines()) < 150
