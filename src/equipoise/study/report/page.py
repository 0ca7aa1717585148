"""A study as one HTML page: no scripts, no network, figures inline, readable in light and dark and on a phone."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from typing import Any

from equipoise.errors import ExtraMissing
from equipoise.study.report import routers, sections, tables, words
from equipoise.study.run import Study
from equipoise.study.summary import groups, quantities, summaries

SHAPES = {
    "o": "M13 3a6 6 0 1 0 .01 0Z",
    "s": "M7.5 3.5h11v11h-11Z",
    "^": "M13 2.5L19.5 14.5h-13Z",
    "D": "M13 1.5L20.5 9L13 16.5L5.5 9Z",
    "v": "M13 15.5L19.5 3.5h-13Z",
    "P": "M10.5 3h5v3.5H19v5h-3.5V15h-5v-3.5H7v-5h3.5Z",
    "X": "M9 2.5L13 6.5L17 2.5L19.5 5L15.5 9L19.5 13L17 15.5L13 11.5L9 15.5L6.5 13L10.5 9L6.5 5Z",
    "<": "M6.5 9L18.5 2.5v13Z",
    ">": "M19.5 9L7.5 2.5v13Z",
    "p": "M13 2L20 7.3L17.3 15.5H8.7L6 7.3Z",
    "h": "M13 2L19 5.5V12.5L13 16L7 12.5V5.5Z",
    "*": "M13 1.5L15 6.8L20.6 7L16.2 10.5L17.7 16L13 12.8L8.3 16L9.8 10.5L5.4 7L11 6.8Z",
}
"""Markers of matplotlib as paths, for the legends."""


def required() -> None:
    """Raise :class:`ExtraMissing` if a package that the report needs is not here."""
    for package in ("polars", "matplotlib", "jinja2"):
        if importlib.util.find_spec(package) is None:
            raise ExtraMissing("a study", package, "study")


def page(
    study: Study, exhibits: dict[str, dict[str, Any]], environment: dict[str, str], extra: sections.Extra | None = None
) -> str:
    """Return the page.

    Parameters
    ----------
    exhibits
        Of :func:`equipoise.study.exhibits.make`; sections without any are left out.
    environment
        Versions, for the foot of the page.
    extra
        What was not made by the study itself: training runs, a kill matrix.
    """
    required()
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    templates = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates.filters["inline"] = Markup
    folder = files("equipoise.study.report")
    style = (folder / "page.css").read_text(encoding="utf-8")
    template = templates.from_string((folder / "page.html.j2").read_text(encoding="utf-8"))
    good = [row for row in study.rows if row.error is None]
    bound = [row for row in good if row.evidence]
    count = sum(row.refused for row in study.rows)
    refused = f"; {count:,} more refused" * bool(count)
    return template.render(
        title=study.description.title,
        style=Markup(style),
        sections=sections.sections(study, exhibits, extra or sections.Extra()),
        tiles=[
            ("rows", f"{len(study.rows):,}", "instances x methods x seeds"),
            (
                "proved",
                f"{sum(row.proved for row in bound):,}",
                f"of {len(bound):,} answers" + " with an optimum or bound" * (len(bound) < len(good)),
            ),
            ("failed", f"{sum(row.at_fault for row in study.rows):,}", f"counted, in no mean{refused}"),
            ("cases", f"{len(study.cases):,}", f"seeds {', '.join(map(str, study.description.seeds))}"),
        ],
        leads=[_lead(study, role) for role in study.description.parts],
        environment=environment,
        shapes=SHAPES,
        failures=tables.failure_table(study),
        refusals=tables.refusal_table(study),
        refused=words.REFUSED,
    )


def _lead(study: Study, role: str) -> str:
    """Say which methods come closest, in the group with most rows, the last of equal ones."""
    rows = groups(study, role)
    group = max(reversed(rows), key=lambda one: len(rows[one]))
    own = [one for one in summaries(study, role) if tuple(one.group.values()) == group and one.answered]
    ranked = sorted(own, key=lambda one: one.gap.mean)
    if role == routers.ROUTER:
        ranked = routers.alike(study, ranked)
    quantity = quantities(study, role)[0]
    told = ", ".join(f"{one.balancer} {tables.shown(one.gap.mean, quantity.unit)}" for one in ranked[:4]) or "none"
    where = "".join(f", {key} {group[place]}" for place, key in tables.grouped_by(study, role))
    floor = f" (noise floor {tables.shown(own[0].gap.floor, quantity.unit)})" if quantity.floor and own else ""
    beside = routers.ALIKE if role == routers.ROUTER else ""
    return f"{words.heading(role)}, {quantity.title}{where}{beside}{floor}: {told}."
