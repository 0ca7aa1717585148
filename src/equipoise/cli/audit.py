"""`equipoise audit`: balancers against the certified optimum."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.show import format_option, show_json, show_table

if TYPE_CHECKING:
    from equipoise.audit import Audit, Summary

SCHEMA = "equipoise-audit/1"


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--trace", "path", type=click.Path(), help="Scores to audit on (.npy, .npz, .json); default: recorded.")
@click.option("--top-k", type=int, help="K, where the trace does not say it.")
@click.option("--passes", type=click.IntRange(1), help="Times a stateful router sees each batch. [default: 100]")
@format_option
def audit(targets: tuple[str, ...], path: str | None, top_k: int | None, passes: int | None, form: str) -> int:
    """Say how far routers are from the exact optimum on a trace.

    TARGET is package.module:attribute, file.py:attribute or a built-in name; without one, all built-in routers are
    audited, and without --trace on the routing trace that ships.

    Every routing is held against the certified optimum at its own peak load; a stateful router is judged on the last
    of --passes calls. Exits with 1 if a target broke, with 3 if an optimum could not be certified.
    """
    from equipoise import audit as auditing
    from equipoise.reference.routing.catalogue import ROUTERS
    from equipoise.targets import find_router
    from equipoise.traces import read_trace, recorded

    found = [find_router(name) for name in dict.fromkeys(targets or ROUTERS)]
    if path is None and top_k is not None:
        raise click.UsageError("--top-k belongs to --trace; the recorded trace knows its own K")
    instances = recorded().instances() if path is None else read_trace(path, top_k)
    with _progress(len(instances)) as advance:
        result = auditing.audit(
            found, instances, passes=passes or auditing.PASSES, trace=path or "recorded", progress=lambda _: advance()
        )
    _show(result, form)
    if not result.certified:
        return 3
    return 1 if any(row.error for row in result.rows) else 0


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], Any]]:
    """Show a progress bar on a terminal, nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("instances", total=total)
        yield lambda: progress.advance(task)


def _show(result: Audit, form: str) -> None:
    from dataclasses import asdict

    summaries = result.summaries
    if form == "json":
        rows = [asdict(row) for row in result.rows]
        head = {"schema": SCHEMA, "trace": result.trace, "passes": result.passes, "environment": result.environment}
        show_json({**head, "summaries": [asdict(summary) for summary in summaries], "rows": rows})
        return
    columns = (
        ("router", lambda s: s.router),
        ("regret", lambda s: _pair(_percent, s.mean_relative_regret, s.max_relative_regret)),
        ("absolute", lambda s: _pair(_number, s.mean_regret, s.max_regret)),
        ("MaxVio", lambda s: _pair(_number, s.mean_max_vio, s.max_max_vio)),
        ("MinVio", lambda s: _pair(_number, s.mean_min_vio, s.min_min_vio)),
        ("score", lambda s: _number(s.mean_score_ratio)),
        ("dual gap", lambda s: _percent(s.mean_relative_dual_gap)),
        ("certified", lambda s: f"{s.certified}/{s.instances}"),
        ("worst instance", lambda s: s.worst),
    )
    table = [[cell(summary) for _, cell in columns] for summary in summaries]
    show_table([name for name, _ in columns], table, form, f"{summaries[0].instances} instances of {result.trace}")
    _explain(result, summaries, form)


def _explain(result: Audit, summaries: list[Summary], form: str) -> None:
    lines = [
        "Pairs are mean / worst over the instances. regret: score lost against the certified optimum with the same",
        "peak load, over that optimum's gain on random balanced routing; absolute: in units of the scores. score:",
        "over that of the certified balanced optimum. dual gap: of the bias, as prices for the balanced optimum.",
        f"Stateful routers saw each batch {result.passes} times and are judged on the last (--passes).",
    ]
    errors = [row for row in result.rows if row.error]
    for summary in summaries:
        first = next((row for row in errors if row.router == summary.router), None)
        if first is not None:
            where = f"{summary.errors} of {summary.instances} instances, first on {first.instance}"
            lines.append(f"{summary.router} broke on {where}: {first.error}")
    click.echo(("" if form == "table" else "\n") + "\n".join(lines))


def _pair(text: Callable[[float], str], mean: float, worst: float) -> str:
    return f"{text(mean)} / {text(worst)}"


def _percent(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.2%}"


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4g}"
