"""The rows of the table: frameworks at pinned versions and their targets, as targets/*.toml say them."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
TARGETS, REVIEWED = HERE / "targets", HERE / "reviewed.toml"
CLASSES = ("defect", "convention", "known issue")

IMPORTS = (ast.Import, ast.ImportFrom)

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """One row.

    Attributes
    ----------
    name
        Of the row, unique over all frameworks.
    target
        As `equipoise check` takes it; a path in it is relative to this folder: ``glue/of_vllm.py:make``.
    role, form, declares, accepts, sizes
        What is said of it on the command line; sizes are E and K.
    check, audit
        More arguments of these commands.
    note
        What the table has to say of it, in one sentence.
    """

    name: str
    target: str
    role: str
    form: str = ""
    declares: tuple[str, ...] = ()
    accepts: str = ""
    sizes: tuple[int, ...] = ()
    check: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()
    note: str = ""

    @property
    def said(self) -> list[str]:
        """What both commands are told."""
        form = ["--form", self.form] if self.form else []
        accepts = ["--accepts", self.accepts] if self.accepts else []
        declares = [word for name in self.declares for word in ("--declares", name)]
        return [self.target, "--role", self.role, *form, *accepts, *declares]

    @property
    def glue_lines(self) -> int:
        """Lines of ours that the target needs, beside imports."""
        place, _, name = self.target.rpartition(":")
        if not place.endswith(".py"):
            return 0
        for statement in ast.parse((HERE / place).read_text()).body:
            assigned = [target.id for target in getattr(statement, "targets", []) if isinstance(target, ast.Name)]
            imported = [one.asname or one.name for one in statement.names] if isinstance(statement, IMPORTS) else []
            if name in (getattr(statement, "name", None), *assigned, *imported):
                return 0 if imported else (statement.end_lineno or 0) - statement.lineno + 1
        raise SystemExit(f"{place} has no {name}")


@dataclass(frozen=True)
class Framework:
    """Where the code of some rows comes from: packages of PyPI, or a commit of a repository.

    Attributes
    ----------
    name, title, version
        Short and in the table; the version or the commit.
    needs
        Requirements that are installed with all that they need.
    packages
        Requirements that are installed without what they need: the frameworks.
    repository
        Of a checkout, for people: its owner and name; ``version`` is then the commit.
    paths
        Folders of the checkout that can be imported from.
    exports
        What of the checkout is taken; all of it where nothing is named.
    builds
        Whether the checkout is installed by pip, without what it needs.
    stubs
        Modules that the import wants and a CPU has not, by name, with their text.
    mocks
        Modules that the import wants and no target uses, whose every name is a mock; with the packages they lie in.
    variables
        Of the environment.
    """

    name: str
    title: str
    version: str
    targets: tuple[Target, ...]
    needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    repository: str = ""
    paths: tuple[str, ...] = (".",)
    exports: tuple[str, ...] = ()
    builds: bool = False
    stubs: dict[str, str] = field(default_factory=dict)
    mocks: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Review:
    """What a person says of one finding.

    Attributes
    ----------
    target, check
        The name of a row, and of the check that found something there.
    kind
        One of :data:`CLASSES`.
    says
        One sentence.
    issue
        Of a known issue, its number: "repository#1".
    """

    target: str
    check: str
    kind: str
    says: str
    issue: str = ""


def frameworks() -> list[Framework]:
    """Read every file of targets, by name."""
    return [_framework(path) for path in sorted(TARGETS.glob("*.toml"))]


def reviews() -> list[Review]:
    """Read what was said of findings."""
    return [_made(Review, one, REVIEWED) for one in tomllib.loads(REVIEWED.read_text()).get("finding", [])]


def _framework(path: Path) -> Framework:
    content = tomllib.loads(path.read_text())
    targets = tuple(_made(Target, one, path) for one in content.pop("target"))
    return _made(Framework, {"name": path.stem, **content, "targets": targets}, path)


def _made(kind: type[T], values: dict[str, Any], path: Path) -> T:
    """Make one of ``kind``; a name that it has not is an error that says where."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - known:
        raise SystemExit(f"{path}: {', '.join(sorted(unknown))} means nothing; allowed: {', '.join(sorted(known))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
