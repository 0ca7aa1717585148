"""What a run of the checks found: outcomes, and how they are shown to people and to machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from equipoise.checks.engine.findings import Finding
from equipoise.checks.engine.refusals import Refusal

SCHEMA = "equipoise-check/2"

SHOWN = 8
"""Refusals in the line that names them."""


@dataclass(frozen=True)
class Outcome:
    """What happened to one check.

    Attributes
    ----------
    cases
        How many were tried.
    finding
        The broken property, if it is one.
    refused
        How many more the target refused; they say nothing about it.
    skipped
        Why the check says nothing about this target; None where it was tried.
    gave_up
        Whether a time limit struck before all cases were tried and nothing was found: neither passed nor failed.
    slow
        Which call took too long, where that is why it gave up.
    statement
        What the target does where it promises nothing, for information.
    """

    check: str
    cases: int = 0
    finding: Finding | None = None
    refused: int = 0
    skipped: str | None = None
    gave_up: bool = False
    slow: str = ""
    statement: str | None = None

    @property
    def verdict(self) -> str:
        """Return "passed", "FAILED", "warning", "gave up" or "skipped"."""
        if self.finding is not None:
            return "FAILED" if self.finding.severity == "error" else "warning"
        if self.gave_up:
            return "gave up"
        return "passed" if self.skipped is None else "skipped"

    @property
    def sentence(self) -> str:
        """The verdict and, of a check that says nothing, why."""
        if self.gave_up:
            return f"gave up after {self.cases} cases{': ' * bool(self.slow)}{self.slow}"
        return self.verdict if self.skipped is None else f"{self.verdict}: {self.skipped}"


@dataclass(frozen=True, repr=False)
class Report:
    """All outcomes of one run; ``repr`` reads like the terminal.

    Attributes
    ----------
    target, role
        What was checked, and as what.
    outcomes
        One a check, in the order in which they ran.
    max_gap
        As the run had it.
    refusals
        Inputs that the target refuses, for information.
    misspelt
        What it declares that its role nearly knows, each in a sentence.
    warnings
        What was said about the run and fits nothing in it, each in a sentence.
    """

    target: str
    role: str
    outcomes: list[Outcome] = field(default_factory=list)
    max_gap: float | None = None
    refusals: list[Refusal] = field(default_factory=list)
    misspelt: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """What was found, errors before warnings."""
        found = [outcome.finding for outcome in self.outcomes if outcome.finding is not None]
        return sorted(found, key=lambda finding: finding.severity != "error")

    @property
    def gave_up(self) -> list[Outcome]:
        """Checks that a time limit ended before they could say anything."""
        return [outcome for outcome in self.outcomes if outcome.gave_up]

    @property
    def statements(self) -> list[str]:
        """What the target does where it promises nothing, in sentences."""
        return [outcome.statement for outcome in self.outcomes if outcome.statement is not None]

    @property
    def ran(self) -> int:
        """How many checks were tried."""
        return sum(outcome.skipped is None for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether something ran, nothing gave up, and no error was found."""
        return self.ran > 0 and not self.gave_up and all(finding.severity != "error" for finding in self.findings)

    @property
    def refuses(self) -> str:
        """What the target refuses, in one line."""
        more = f"; and {len(self.refusals) - SHOWN} more" if len(self.refusals) > SHOWN else ""
        return "; ".join(refusal.when for refusal in self.refusals[:SHOWN]) + more

    def __repr__(self) -> str:
        width = max(len(outcome.check) for outcome in self.outcomes) if self.outcomes else 5
        head = [
            f"{self.role} {self.target}",
            "",
            f"{'check':<{width}}  cases  outcome",
            f"{'-' * width}  -----  -------",
        ]
        rows = [f"{outcome.check:<{width}}  {outcome.cases:>5}  {outcome.sentence}" for outcome in self.outcomes]
        return self._with_findings(head + rows)

    def markdown(self) -> str:
        """Return the report with its table in Markdown."""
        cells = [(outcome.check, outcome.sentence.replace("|", "\\|"), outcome.cases) for outcome in self.outcomes]
        head = ["| check | outcome | cases |", "|---|---|---:|"]
        return self._with_findings([*head, *(f"| {name} | {words} | {cases} |" for name, words, cases in cells)])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values: what ``--format json`` prints."""
        checks = [
            {"check": outcome.check, "outcome": outcome.verdict, "cases": outcome.cases}
            | ({"refused": outcome.refused} if outcome.refused else {})
            | ({"skipped": outcome.skipped} if outcome.skipped is not None else {})
            | ({"finding": outcome.finding.to_dict()} if outcome.finding is not None else {})
            for outcome in self.outcomes
        ]
        head = {"schema": SCHEMA, "target": self.target, "role": self.role, "passed": self.passed}
        refusals = [asdict(refusal) for refusal in self.refusals]
        information = {"refusals": refusals, "statements": self.statements, "misspelt": list(self.misspelt)}
        information |= {"warnings": list(self.warnings)} if self.warnings else {}
        return {**head, "gave_up": len(self.gave_up), **information, "checks": checks}

    def json(self) -> str:
        """Return :meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1)

    def junit(self) -> str:
        """Return the report as JUnit writes it: a check that gave up is an error, not a failure."""
        from xml.etree import ElementTree

        verdicts = [outcome.verdict for outcome in self.outcomes]
        counted = {"failures": "FAILED", "errors": "gave up", "skipped": "skipped"}
        totals = {name: str(verdicts.count(verdict)) for name, verdict in counted.items()}
        attributes = {"name": f"equipoise {self.role} {self.target}", "tests": str(len(verdicts)), **totals}
        suite = ElementTree.Element("testsuite", attributes)
        information = [("refuses", self.refuses)] * bool(self.refusals) + [("states", one) for one in self.statements]
        information += [("misspelt", one) for one in self.misspelt]
        information += [("warning", one) for one in self.warnings]
        if information:
            properties = ElementTree.SubElement(suite, "properties")
            for name, value in information:
                ElementTree.SubElement(properties, "property", {"name": name, "value": value})
        for outcome in self.outcomes:
            case = ElementTree.SubElement(suite, "testcase", {"name": outcome.check, "classname": self.target})
            if outcome.skipped is not None:
                ElementTree.SubElement(case, "skipped", {"message": outcome.skipped})
            elif outcome.gave_up:
                ElementTree.SubElement(case, "error", {"message": outcome.sentence})
            elif outcome.finding is not None and outcome.finding.severity == "error":
                failure = ElementTree.SubElement(case, "failure", {"message": outcome.finding.message})
                failure.text = outcome.finding.describe(self.max_gap)
        ElementTree.indent(suite)
        return ElementTree.tostring(suite, encoding="unicode")

    def _with_findings(self, lines: list[str]) -> str:
        counts = f"{self.ran} checks ran, {len(self.outcomes) - self.ran} skipped, "
        counts += f"{len(self.gave_up)} gave up, " * bool(self.gave_up) + f"{len(self.findings)} found something"
        refused = [f"\nrefuses: {self.refuses}"] if self.refusals else []
        refused += [f"\nWarning: {sentence}" for sentence in (*self.misspelt, *self.warnings)]
        stated = [f"\nnot promised: {one}" for one in self.statements]
        found = [f"\n{one.describe(self.max_gap)}" for one in self.findings]
        return "\n".join([*lines, *refused, *stated, *found, f"\n{counts}"])
