"""The page of the table, made of stored results alone."""

from __future__ import annotations

import sys
from typing import Any

from rows import HERE, Framework, Review, Target, reviews
from stored import findings, results

sys.path.append(str(HERE.parent))
from pages import fill

PAGE = "measured/field.md"
MEASURES = {
    "router": ("mean_relative_regret", "mean_max_vio", "MaxVio"),
    "scheduler": ("mean_relative_excess", "mean_balancedness", "mean/peak"),
    "placer": ("mean_even_excess", "mean_even_balancedness", "mean/peak"),
}
"""What an audit says of a role: the regret, the balance and its name."""


def write_page(known: list[Framework]) -> None:
    """Fill the two parts of the page."""
    stored = results()
    fill(PAGE, "field table", table(known, stored))
    fill(PAGE, "field findings", found(known, stored))


def table(known: list[Framework], stored: dict[str, dict[str, Any]]) -> str:
    """Return a table a framework: what was run on each target, and what came out."""
    lines: list[str] = []
    for framework in known:
        source = f" of {framework.repository}" if framework.repository else ""
        lines += ["", f"### {framework.title} {framework.version[:12]}{source}", ""]
        lines += ["| target | form | glue lines | said of it | checks run | refuses | findings | regret | balance |"]
        lines += ["|---|---|---:|---|---:|---|---|---:|---:|"]
        lines += [_row(target, stored.get(target.name)) for target in framework.targets]
        lines += [f"\n{target.name}: {target.note}" for target in framework.targets if target.note]
    return "\n".join(lines)


def found(known: list[Framework], stored: dict[str, dict[str, Any]]) -> str:
    """Return every finding with its class and its smallest case, a framework at a time."""
    said = {(one.target, one.check): one for one in reviews()}
    lines: list[str] = []
    for framework in known:
        rows = [
            _finding(target, one, said.get((target.name, one["check"])))
            for target in framework.targets
            for one in findings(stored.get(target.name, {"check": {}}))
        ]
        if rows:
            head = ["| target | check | what it does | smallest case | class |", "|---|---|---|---|---|"]
            lines += ["", f"### Found in {framework.title}", "", *head, *rows]
    return "\n".join(lines)


def _row(target: Target, result: dict[str, Any] | None) -> str:
    name = f"{target.name}: `{target.target.rpartition(':')[2]}`"
    said = "; ".join([*[f"accepts {target.accepts}"] * bool(target.accepts), *target.declares])
    head = f"| {name} | {target.form or 'told'} | {target.glue_lines} | {_cell(said)}"
    if result is None:
        return f"{head} | not run | | | | |"
    check = result["check"]
    if "ran" not in check:
        why = _cell(check.get("failed", "not run"))
        return f"{head} | {why} | | | {_measured(target, result)} |"
    ran = f"{check['ran']} x {check['examples']}" if "examples" in check else f"{check['ran']}, earlier"
    ran += f", {len(check['gave_up'])} gave up" if check["gave_up"] else ""
    refuses = "; ".join(one["when"] for one in check["refusals"][:4]) + "; ..." * (len(check["refusals"]) > 4)
    names = ", ".join(one["check"] for one in check["findings"])
    return f"{head} | {ran} | {_cell(refuses)} | {names} | {_measured(target, result)} |"


def _measured(target: Target, result: dict[str, Any]) -> str:
    audit = result["audit"]
    if "summary" not in audit:
        return f"{_cell(audit.get('failed', 'not run'))} |"
    summary = audit["summary"]
    regret, balance, unit = MEASURES[target.role]
    if summary.get(regret) is None:
        why = "refused" if summary.get("refused") else _cell((audit["errors"] or ["none"])[0])
        return f"{why} |"
    return f"{100 * summary[regret]:.2f} % | {unit} {summary[balance]:.3g}"


def _finding(target: Target, finding: dict[str, Any], review: Review | None) -> str:
    kind = "no class yet" if review is None else f"{review.kind} {review.issue}".strip() + f": {review.says}"
    cells = [target.name, finding["check"], _cell(finding["message"]), _cell(finding["size"]), _cell(kind)]
    return f"| {' | '.join(cells)} |"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")[:300]
