"""Findings: what broke, on the smallest case found; as plain JSON under ``.equipoise/``, and in words."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from equipoise import __version__
from equipoise.checks.engine.production import LARGEST, Production, Sizes
from equipoise.checks.engine.registry import CHECKS, select
from equipoise.errors import EquipoiseError, InvalidFile
from equipoise.files import json_of, write_whole
from equipoise.roles import role_named
from equipoise.roles.role import Case

FOLDER = Path(".equipoise")
SCHEMA = "equipoise-finding/1"
PROPERTY = "property"
"""Kind of a finding that is a broken property, not a target that gave no answer."""

PHASES = {
    "vectors": "a known hard case, made smaller",
    "boundary": "a boundary case, made smaller",
    "search": "search",
    "sequence": "search among sequences of steps",
    "production": "production sizes, made smaller",
}
"""Where a finding came from, in words."""

LINES = 12
"""Of the case that are shown; the file has it whole."""

_LARGEST = 64 << 20


@dataclass(frozen=True, eq=False)
class Finding:
    """A broken property and the smallest case found that shows it.

    Attributes
    ----------
    kind
        :data:`PROPERTY`, or how the target broke (:class:`~equipoise.errors.TargetError`).
    better
        A better answer, as proof that the property can be had.
    phase
        What found it: one of :data:`PHASES`.
    origin
        Of a known case, its name.
    form
        Name of the target's call form, where somebody has said it.
    declares
        What somebody has declared for the target.
    recipe
        Sizes and seed that its family makes the case of, where it is so made: a large one is not written out.
    """

    check: str
    role: str
    target: str
    severity: str
    kind: str
    message: str
    case: Case
    better: Any = None
    phase: str = "search"
    origin: str = ""
    form: str | None = None
    declares: tuple[str, ...] = ()
    recipe: tuple[Sizes, int] | None = None

    @property
    def behaviour(self) -> tuple[str, str, str]:
        """What is the same failure, whichever check meets it; numbers do not count where the target gave no answer."""
        message = self.message if self.kind == PROPERTY else re.sub(r"[0-9.]+", "", self.message)
        return self.kind, self.severity, message

    @property
    def exemptions(self) -> tuple[str, ...]:
        """Declarations that exempt a target from the property, where its check is loaded."""
        entry = CHECKS.get(self.check)
        return () if entry is None or self.kind != PROPERTY else entry.unless

    @property
    def id(self) -> str:
        """Six hexadecimal digits: the hash of check, target and case."""
        content = json.dumps([self.check, self.target, self._written_case()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:6]

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        left_out = ("case", "better", "recipe")
        words = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}
        head = {"schema": SCHEMA, "id": self.id, "equipoise": __version__}
        return head | words | {"declares": [*self.declares], "better": self.better, "case": self._written_case()}

    def _written_case(self) -> dict[str, Any]:
        """Return the case, or what makes it again if it is large."""
        if self.recipe is None or self.case.size <= LARGEST:
            return self.case.to_json()
        sizes, seed = self.recipe
        return {"sizes": list(sizes), "seed": seed}

    def save(self, folder: Path = FOLDER) -> Path:
        """Write the finding, whole or not at all."""
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InvalidFile(f"{folder} cannot be made: {error.strerror}") from error
        path = folder / f"{self.id}.json"
        write_whole(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())
        return path

    def describe(self, max_gap: float | None = None) -> str:
        """Return the finding for a person: the sentence, the case, a better answer, how to see it again.

        ``max_gap`` is the one it was found with.
        """
        gap = [] if max_gap is None else ["--max-gap", f"{max_gap:g}"]
        lines = repr(self.case).splitlines()
        more = [f"... and {len(lines) - LINES} more lines in {FOLDER}/{self.id}.json"] if len(lines) > LINES else []
        exempt = " or ".join(f"{name!r}" for name in self.exemptions)
        command = json.dumps(["equipoise", "replay", f"{FOLDER}/{self.id}.json", *gap])
        return "\n".join(
            [
                f"{self.check}: {self}.",
                *(f"    {line}" for line in lines[:LINES] + more),
                *([] if self.better is None else [f"A better answer: {str(self.better)[:400]}"]),
                *([f"If that is meant, say --declares {exempt}: see docs/reference/expectations.md"] * bool(exempt)),
                f"Found by: {PHASES.get(self.phase, self.phase)}" + f" ({self.origin})" * bool(self.origin),
                f"Reproduce with: {' '.join(['equipoise replay', self.id, *gap])}",
                "Or in pytest:",
                f"    def test_{self.check}():\n        subprocess.run({command}, check=True)",
            ]
        )

    def __str__(self) -> str:
        return self.message


def load(name: str, folder: Path = FOLDER) -> Finding:
    """Read a finding by its id or by the path of its file.

    Raises
    ------
    InvalidFile
        If there is none, or it is no finding.
    """
    path = Path(name) if name.endswith(".json") else folder / f"{name}.json"
    try:
        content = json_of(path, _LARGEST)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise InvalidFile(f"{path} is no finding of schema {SCHEMA}")
        words = {key: str(content[key]) for key in ("check", "role", "target", "severity", "kind", "message")}
        found_by = {key: str(content[key]) for key in ("phase", "origin", "form") if content.get(key) is not None}
        declares = tuple(map(str, content.get("declares", ())))
        case, recipe = _case(content["case"], words["check"], words["role"])
    except InvalidFile:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, EquipoiseError) as error:
        raise InvalidFile(f"{path} is no finding: {error}") from error
    return Finding(**words, case=case, better=content.get("better"), declares=declares, recipe=recipe, **found_by)


def _case(document: dict[str, Any], check: str, role: str) -> tuple[Case, tuple[Sizes, int] | None]:
    """Return the case, and what it was made of if it was made again."""
    if set(document) != {"sizes", "seed"}:
        return role_named(role).case.from_json(document), None
    family = next((entry.cases for entry in select(role) if entry.name == check), None)
    if not isinstance(family, Production):
        raise InvalidFile(f"its case has to be made by {check!r}, which this version does not have")
    sizes, seed = tuple(map(int, document["sizes"])), int(document["seed"])
    if not family.has(sizes):
        raise InvalidFile(f"the sizes {list(sizes)} are too large, or none of {check}")
    return family.case(sizes, seed), (sizes, seed)
