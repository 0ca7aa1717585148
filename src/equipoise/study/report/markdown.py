"""A study as Markdown: deterministic, one row a line, so that two versions can be compared line by line."""

from __future__ import annotations

from equipoise.study.report import tables, words
from equipoise.study.run import Study
from equipoise.study.summary import IMBALANCE


def markdown(study: Study) -> str:
    """Return the report of a study; it depends on the description and the rows, and on nothing that was timed."""
    description = study.description
    seeds = ", ".join(map(str, description.seeds))
    lines = [f"# {description.title}", f"{counts(study)}; seeds {seeds}."]
    for role in description.parts:
        lines += [
            f"## {words.heading(role)}",
            tables.summary_table(study, role).markdown(),
            words.legend(study, role),
            words.means(study, role),
            f"### Compared with {description.baseline_of(role)}",
            tables.comparison_table(study, role).markdown(),
            words.PAIRS,
            "### By instance",
            tables.cells_of(study, role),
            tables.instance_table(study, role).markdown(),
        ]
    failures = tables.failure_table(study)
    lines += ["## Failures", failures.markdown() if failures.rows else "None."]
    refusals = tables.refusal_table(study)
    lines += ["## Refused", words.REFUSED, refusals.markdown()] if refusals.rows else []
    if any(row.numbers([IMBALANCE]) for row in study.rows):
        model = tables.model_table(description.time).markdown()
        lines += ["## The load-to-time model", words.MODEL, words.FORMULA, model]
    return "\n\n".join(lines) + "\n"


def counts(study: Study) -> str:
    """Say how many rows there are, how many answers are compared with a proof, and how many failed."""
    good = [row for row in study.rows if row.error is None]
    bound = [row for row in good if row.evidence]
    found = [f"{len(study.rows)} rows"]
    if bound:
        found.append(f"{sum(row.proved for row in bound)} of {len(bound)} compared with a proved optimum or bound")
    if len(good) > len(bound):
        found.append(f"{len(good) - len(bound)} with nothing proved to compare with")
    found.append(f"{sum(row.at_fault for row in study.rows)} failed")
    refused = sum(row.refused for row in study.rows)
    return ", ".join([*found, f"{refused} refused"] if refused else found)
