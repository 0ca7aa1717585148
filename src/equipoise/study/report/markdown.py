"""A study as Markdown: deterministic, one row a line, so that two versions can be compared line by line."""

from __future__ import annotations

from equipoise.study.forecasts import PREDICTOR
from equipoise.study.report import forecasts, tables, words
from equipoise.study.run import Study


def markdown(study: Study) -> str:
    """Return the report of a study; it depends on the description and the rows, and on nothing that was timed."""
    description = study.description
    failed = sum(row.failure is not None for row in study.rows)
    seeds = ", ".join(map(str, description.seeds))
    certified = sum(row.evidence == "certified" for row in study.rows)
    lines = [
        f"# {description.title}",
        f"{len(study.rows)} rows, {certified} certified{forecasts.besides(study)}, {failed} failed; seeds {seeds}.",
    ]
    for role in description.parts:
        if role == PREDICTOR:
            lines += _predictors(study)
            continue
        baseline = description.baseline_of(role)
        lines += [
            f"## {words.ROLES[role]}",
            tables.summary_table(study, role).markdown(),
            words.GAPS[role],
            words.MEANS,
            f"### Against {baseline}",
            tables.comparison_table(study, role).markdown(),
            words.PAIRS,
            "### By instance",
            "Gap / MaxVio, means over seeds.",
            tables.instance_table(study, role).markdown(),
        ]
    failures = tables.failure_table(study)
    lines += ["## Failures", failures.markdown() if failures.rows else "None."]
    if set(description.parts) != {PREDICTOR}:
        model = tables.model_table(description.time).markdown()
        lines += ["## The load-to-time model", words.MODEL, words.FORMULA, model]
    return "\n\n".join(lines) + "\n"


def _predictors(study: Study) -> list[str]:
    return [
        f"## {words.ROLES[PREDICTOR]}",
        forecasts.summary_table(study).markdown(),
        words.GAPS[PREDICTOR],
        words.FORECASTS,
        f"### Against {study.description.baseline_of(PREDICTOR)}",
        forecasts.comparison_table(study).markdown(),
        words.PAIRS,
        "### By instance",
        forecasts.CELLS,
        forecasts.instance_table(study).markdown(),
    ]
