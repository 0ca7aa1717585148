"""Results: what is kept of a check and an audit, one file a target, and whether every finding has its class."""

from __future__ import annotations

import json
from typing import Any

from rows import HERE, Framework, Target, reviews

from equipoise.roles import role_named

RESULTS = HERE / "results"
PARTS = ("check", "audit")
SHOWN, MOST_REFUSALS = 600, 8
"""Characters of a case, and refusals, that are kept."""


def store(target: Target, version: str, part: str, report: dict[str, Any]) -> None:
    """Keep what matters of one part; of the same version, the other part stays."""
    path = RESULTS / f"{target.name}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    result = {"target": target.name, "version": version, "check": {}, "audit": {}}
    result |= kept if kept.get("version") == version else {}
    result[part] = report if "failed" in report else {"check": _checked, "audit": _audited}[part](target, report)
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def results() -> dict[str, dict[str, Any]]:
    """Return every result that is stored, by target."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def findings(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the check of a result found."""
    found: list[dict[str, Any]] = result["check"].get("findings", [])
    return found


def unreviewed(known: list[Framework]) -> list[str]:
    """Return a sentence for every finding without a class, and for every class without a finding."""
    stored, said = results(), {(one.target, one.check) for one in reviews()}
    names = [target.name for framework in known for target in framework.targets]
    found = {(name, one["check"]) for name in names if name in stored for one in findings(stored[name])}
    missing = [f"{target}: {check} found something that reviewed.toml does not class" for target, check in found - said]
    idle = [f"{target}: {check} of reviewed.toml found nothing" for target, check in said - found if target in stored]
    return sorted(missing + idle)


def _checked(target: Target, report: dict[str, Any]) -> dict[str, Any]:
    outcomes = report["checks"]
    return {
        "examples": report["examples"],
        "ran": sum(one["outcome"] != "skipped" for one in outcomes),
        "skipped": [one["check"] for one in outcomes if one["outcome"] == "skipped"],
        "gave_up": [one["check"] for one in outcomes if one["outcome"] == "gave up"],
        "refusals": report["refusals"][:MOST_REFUSALS],
        "findings": [_finding(target, one["finding"]) for one in outcomes if "finding" in one],
    }


def _finding(target: Target, finding: dict[str, Any]) -> dict[str, Any]:
    case = repr(role_named(target.role).case.from_json(finding["case"]))
    words = {name: finding[name] for name in ("check", "severity", "kind", "message")}
    return words | {"size": finding["case"] and _size(finding["case"]), "case": case[:SHOWN]}


def _size(case: dict[str, Any]) -> str:
    """Return the shapes of a case and its plain numbers: "scores 2x4, top_k 1"."""
    words = []
    for name, value in case.items():
        first = value[0] if isinstance(value, list) else value
        steps = f"{len(value)} " if isinstance(value, list) and len(value) > 1 else ""
        shown = "x".join(map(str, first["shape"])) if isinstance(first, dict) else str(first)
        words.append(f"{steps}{name} {shown}")
    return ", ".join(words)


def _audited(target: Target, report: dict[str, Any]) -> dict[str, Any]:
    summary = {name: value for name, value in report["summary"][0].items() if name != "mean_seconds"}
    errors = sorted({row["error"] for row in report["rows"] if row["error"]})
    return {"trace": report["trace"], "summary": summary, "errors": errors[:3], "verdict": report["verdict"]}
