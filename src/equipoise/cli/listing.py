"""`equipoise list`: what there is by name."""

from __future__ import annotations

from pathlib import Path

import click

from equipoise.cli.show import format_option, show_json, show_table

SCHEMAS = Path(__file__).parents[1] / "schemas"
"""One file for each kind of JSON document that Equipoise reads or writes."""


@click.command("list")
@click.option("--forms", is_flag=True, help="List the call forms of frameworks instead, with an example each.")
@click.option("--formats", is_flag=True, help="List the formats of files that are read instead.")
@format_option
def listing(form: str, forms: bool, formats: bool) -> int:
    """List the built-in balancers, the solvers, the recorded runs and the JSON schemas."""
    if forms:
        return _forms(form)
    if formats:
        return _formats(form)
    from equipoise.roles import all_roles
    from equipoise.solvers.engines import ENGINES
    from equipoise.traces import recorded

    balancers: dict[str, list[dict[str, object]]] = {
        f"{name}s": [{"name": entry.name, "summary": entry.summary} for entry in role.catalogue.values()]
        for name, role in all_roles().items()
    }
    solvers = [
        {"name": e.name, "problem": e.problem.__name__, "family": e.family, "installed": e.installed} for e in ENGINES
    ]
    trace = recorded()
    runs = [
        {"name": run, "gate": trace.gate(run), "top_k": trace.top_k(run), "steps": len(trace.loads(run))}
        for run in trace.runs
    ]
    schemas: list[dict[str, object]] = [
        {"name": path.stem, "path": str(path)} for path in sorted(SCHEMAS.glob("*.json"))
    ]
    if form == "json":
        show_json({"schema": "equipoise-list/1", **balancers, "solvers": solvers, "runs": runs, "schemas": schemas})
        return 0
    sections: dict[str, list[dict[str, object]]] = {
        **balancers,
        "solvers": solvers,
        "recorded runs": runs,
        "JSON schemas": schemas,
    }
    for title, entries in sections.items():
        if form == "markdown":
            click.echo(f"\n## {title}\n")
        show_table(list(entries[0]), [[str(value) for value in entry.values()] for entry in entries], form, title)
    return 0


def _forms(form: str) -> int:
    """List how frameworks call their balancers: what ``--form`` takes."""
    from equipoise.balancers.adapters.forms import all_forms

    entries = [{"name": one.name, "role": one.role, "example": one.example} for one in all_forms()]
    entries.sort(key=lambda entry: (entry["role"], entry["name"]))
    if form == "json":
        show_json({"schema": "equipoise-forms/1", "forms": entries})
    else:
        show_table(list(entries[0]), [list(entry.values()) for entry in entries], form, "forms")
    return 0


def _formats(form: str) -> int:
    """List the formats of files: what holds what, what it looks like, and who writes it."""
    from equipoise.traces.formats.table import FORMATS

    entries: list[dict[str, object]] = [
        {"name": one.name, "holds": list(one.kinds), "looks like": one.looks, "written by": one.writer}
        for one in FORMATS
    ]
    if form == "json":
        show_json({"schema": "equipoise-formats/1", "formats": entries})
    else:
        rows = [[", ".join(v) if isinstance(v, list) else str(v) for v in entry.values()] for entry in entries]
        show_table(list(entries[0]), rows, form, "formats of files")
    return 0
