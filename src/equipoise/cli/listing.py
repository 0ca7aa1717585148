"""`equipoise list`: what there is by name."""

from __future__ import annotations

import click

from equipoise.cli.show import format_option, show_json, show_table


@click.command("list")
@format_option
def listing(form: str) -> int:
    """List the built-in balancers, the solvers and the recorded runs."""
    from equipoise.reference.routing.catalogue import ROUTERS
    from equipoise.solvers.engines import ENGINES
    from equipoise.traces import recorded

    routers = [{"name": entry.name, "summary": entry.summary} for entry in ROUTERS.values()]
    solvers = [
        {"name": e.name, "problem": e.problem.__name__, "family": e.family, "installed": e.installed} for e in ENGINES
    ]
    trace = recorded()
    runs = [
        {"name": run, "gate": trace.gate(run), "top_k": trace.top_k(run), "steps": len(trace.loads(run))}
        for run in trace.runs
    ]
    if form == "json":
        show_json({"schema": "equipoise-list/1", "routers": routers, "solvers": solvers, "runs": runs})
        return 0
    for title, entries in (("routers", routers), ("solvers", solvers), ("recorded runs", runs)):
        if form == "markdown":
            click.echo(f"\n## {title}\n")
        show_table(list(entries[0]), [[str(value) for value in entry.values()] for entry in entries], form, title)
    return 0
