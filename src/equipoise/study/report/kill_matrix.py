"""The kill matrix as a section: which check catches which faulty balancer.

The file is docs/measured/kill-matrix.md as benchmarks/kill_matrix.py writes it, or JSON with an entry per role:
``{"router": {"checks": [names], "miniatures": {name: {"made_for": check, "caught_by": [checks]}}}}``.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from equipoise.errors import InvalidFile
from equipoise.files import content_of
from equipoise.study.report.layout import Section
from equipoise.tables import Table

ALL = "all that apply"
"""What the page says of a miniature that every check catches which meets it."""


class Miniature(Struct, frozen=True, forbid_unknown_fields=True):
    """A faulty balancer: the check it was made for, and all that catch it."""

    made_for: str
    caught_by: tuple[str, ...]


class Matrix(Struct, frozen=True, forbid_unknown_fields=True):
    """The checks of a role and its miniatures by name."""

    checks: tuple[str, ...]
    miniatures: dict[str, Miniature]


def read_kill_matrix(path: str) -> dict[str, Matrix]:
    """Read the file described above.

    Raises
    ------
    InvalidFile
        If it is missing or another thing.
    """
    try:
        content = content_of(path)
        if path.endswith(".md"):
            return _from_page(content.decode(), path)
        return msgspec.json.decode(content, type=dict[str, Matrix])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFile(f"{path} is not a kill matrix: {error}") from error


def _from_page(page: str, path: str) -> dict[str, Matrix]:
    found = {}
    for part in page.split("\n## ")[1:]:
        rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (.*) \|$", part, re.MULTILINE)
        made_for = {name: check for name, check, _ in rows}
        others = {name: re.findall(r"`([^`]+)`", words) for name, _, words in rows}
        checks = tuple(dict.fromkeys([*made_for.values(), *(check for found in others.values() for check in found)]))
        miniatures = {
            name: Miniature(made_for[name], checks if words == ALL else (made_for[name], *others[name]))
            for name, _, words in rows
        }
        found[part.split("\n", 1)[0].lower().removesuffix("s")] = Matrix(checks, miniatures)
    if not any(matrix.miniatures for matrix in found.values()):
        raise InvalidFile(f"{path} is not a kill matrix: it has no table of miniatures under a heading of a role")
    return found


def kill_section(matrices: dict[str, Matrix]) -> Section:
    """Return a grid per role: miniatures down, checks across; the check a miniature was made for stands out."""
    grids, told = {}, []
    for role, matrix in matrices.items():
        caught = sum(one.made_for in one.caught_by for one in matrix.miniatures.values())
        title = f"{role}: {caught} of {len(matrix.miniatures)} miniatures caught by their check"
        grids[title] = [
            (name, [(check, _hit(one, check)) for check in matrix.checks]) for name, one in matrix.miniatures.items()
        ]
        told += [
            [role, name, one.made_for, f"{len(one.caught_by)}/{len(matrix.checks)}"]
            for name, one in matrix.miniatures.items()
        ]
    head = ["role", "miniature", "check made for it", "caught by"]
    return Section(
        "kills",
        "Which check catches which fault",
        "Deliberately faulty balancers down, checks across (hover for a name). A dot: the check fails on it; coloured: "
        "the check that the fault was made for.",
        matrix=grids,
        folded=[("In words", Table(head, told))],
    )


def _hit(one: Miniature, check: str) -> str:
    if check not in one.caught_by:
        return ""
    return "made" if check == one.made_for else "hit"
