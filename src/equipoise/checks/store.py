"""Findings as files: plain JSON under ``.equipoise/``, named by the hash of what they say, run again by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from equipoise import __version__
from equipoise.checks.cases import CASES
from equipoise.checks.run import Finding
from equipoise.errors import InvalidFile
from equipoise.files import write_whole

FOLDER = Path(".equipoise")
SCHEMA = "equipoise-finding/1"
_LARGEST = 64 << 20


def identity(finding: Finding) -> str:
    """Return six hexadecimal digits: the hash of check, target and case."""
    content = json.dumps([finding.check, finding.target, finding.case.to_json()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:6]


def document(finding: Finding) -> dict[str, Any]:
    """Return the finding as JSON values."""
    return {
        "schema": SCHEMA,
        "id": identity(finding),
        "equipoise": __version__,
        "check": finding.check,
        "role": finding.role,
        "target": finding.target,
        "severity": finding.severity,
        "kind": finding.kind,
        "message": finding.message,
        "phase": finding.phase,
        "origin": finding.origin,
        "better": finding.better,
        "case": finding.case.to_json(),
    }


def save(finding: Finding, folder: Path = FOLDER) -> Path:
    """Write the finding, whole or not at all."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"{folder} cannot be made: {error.strerror}") from error
    path = folder / f"{identity(finding)}.json"
    write_whole(path, (json.dumps(document(finding), indent=1) + "\n").encode())
    return path


def load(name: str, folder: Path = FOLDER) -> Finding:
    """Read a finding by its id or by the path of its file.

    Raises
    ------
    InvalidFile
        If there is none, or it is no finding.
    """
    path = Path(name) if name.endswith(".json") else folder / f"{name}.json"
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidFile(f"{path} is larger than any finding")
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get("schema") != SCHEMA or content.get("role") not in CASES:
            raise InvalidFile(f"{path} is no finding of schema {SCHEMA}")
        words = {key: str(content[key]) for key in ("check", "role", "target", "severity", "kind", "message")}
        found_by = {key: str(content[key]) for key in ("phase", "origin") if key in content}
        case = CASES[content["role"]].from_json(content["case"])
    except OSError as error:
        raise InvalidFile(f"no finding {name!r}: {path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InvalidFile):
            raise
        raise InvalidFile(f"{path} is no finding: {error}") from error
    return Finding(**words, case=case, better=content.get("better"), **found_by)
