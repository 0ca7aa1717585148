"""Cases that are tried before any search: the vectors that ship for a role, and its boundaries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from equipoise.roles import role_named
from equipoise.roles.role import Case

FOLDER = Path(__file__).parents[1] / "vectors"
SCHEMA = "equipoise-vectors/1"


@dataclass(frozen=True)
class Known:
    """A case with a name, and the phase it belongs to: "vectors" or "boundary"."""

    case: Case
    phase: str
    origin: str


@dataclass(frozen=True)
class Vector:
    """A hard case that ships.

    Attributes
    ----------
    id
        Never changes its meaning.
    flags
        What is hard about it; the file explains each.
    source
        Where it comes from.
    case
        Itself.
    optimum
        Of its first step (first layer), as an exact fraction "p/q"; None where a role has no optimum.
    certificate
        Proof of it, as a certificate file without the problem.
    """

    id: str
    flags: tuple[str, ...]
    source: str
    case: Case
    optimum: str | None = None
    certificate: dict[str, Any] | None = None


@cache
def vectors(role: str) -> tuple[Vector, ...]:
    """Return the vectors that ship for a role."""
    path = FOLDER / f"{role}.json"
    if not path.exists():
        return ()
    read = role_named(role).case.from_json
    entries = json.loads(path.read_bytes())["vectors"]
    return tuple(Vector(**{**one, "flags": tuple(one["flags"]), "case": read(one["case"])}) for one in entries)


@cache
def known_cases(role: str) -> tuple[Known, ...]:
    """Return boundaries and vectors of a role, the smallest first."""
    found = [Known(case, "boundary", name) for name, case in role_named(role).boundaries.items()]
    found += [Known(vector.case, "vectors", vector.id) for vector in vectors(role)]
    return tuple(sorted(found, key=lambda known: known.case.size))
