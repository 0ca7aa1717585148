"""`equipoise audit`: balancers against the certified optimum."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from equipoise.cli.show import format_option, number, percent, show_json, show_table

if TYPE_CHECKING:
    from equipoise.audit import Audit
    from equipoise.traces import Instance

SCHEMA = "equipoise-audit/1"

BATCH_WORDS = """\
Pairs are mean / worst over the instances. regret: score lost against the certified optimum with the same
peak load, over that optimum's gain on random balanced routing; absolute: in units of the scores. excess peak:
tokens of peak load beyond the least with which the same score is possible. score: over that of the certified
balanced optimum. dual gap: of the bias, as prices for the balanced optimum.
Stateful routers saw each batch {passes} times and are judged on the last (--passes)."""

STREAM_WORDS = """\
Every batch is routed once, in order. AvgMaxVio, SupMaxVio: mean and maximum of MaxVio over the steps, averaged over
the sequences. regret, score: as in the batch audit, mean over steps. balanced after: steps until MaxVio stays at most
{balanced_at}, and in how many sequences. The last two rows cannot see the future; the optimum of each step can."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--trace",
    "path",
    default="recorded",
    show_default=True,
    help="'recorded', 'drift' (generated), or a file of scores (.npy, .npz, .json).",
)
@click.option("--top-k", type=int, help="K, where the trace's file does not say it.")
@click.option("--stream", is_flag=True, help="Route each batch once, in order of time.")
@click.option("--passes", type=click.IntRange(1), help="Times a stateful router sees each batch. [default: 50]")
@format_option
def audit(targets: tuple[str, ...], path: str, top_k: int | None, stream: bool, passes: int | None, form: str) -> int:
    """Say how far routers are from the exact optimum on a trace.

    TARGET is package.module:attribute, file.py:attribute or a built-in name; without one, all built-in routers that
    take any K are audited, and without --trace on the routing trace that ships.

    Every routing is held against the certified optimum at its own peak load. Without --stream a stateful router is
    judged on the last of --passes calls for each batch; with it every batch is seen once, as in training. Exits with 1
    if a target broke, with 3 if an optimum could not be certified.
    """
    from equipoise.audit import PASSES, audit, audit_stream
    from equipoise.reference.routing.catalogue import ROUTERS
    from equipoise.targets import find_router

    if stream and passes is not None:
        raise click.UsageError("--passes does not go with --stream, where every batch is seen once")
    instances = _instances(path, top_k, stream)
    ks = {instance.top_k for instance in instances}
    built_in = [entry.name for entry in ROUTERS.values() if entry.only_top_k is None or ks == {entry.only_top_k}]
    found = [find_router(name) for name in dict.fromkeys(targets or built_in)]
    with _progress(len(instances)) as advance:
        if stream:
            result = audit_stream(found, instances, trace=path, progress=advance)
        else:
            result = audit(found, instances, passes=passes or PASSES, trace=path, progress=advance)
    (_show_stream if stream else _show_batch)(result, form)
    if not result.certified:
        return 3
    return 1 if any(row.error for row in result.rows) else 0


def _instances(path: str, top_k: int | None, stream: bool) -> Sequence[Instance]:
    from equipoise.traces import drifting, read_trace, recorded

    if path not in ("recorded", "drift"):
        return read_trace(path, top_k)
    if top_k is not None:
        raise click.UsageError("--top-k belongs to a --trace file; the recorded and generated traces know their own K")
    if path == "drift":
        return drifting()
    return recorded().streams() if stream else recorded().instances()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Instance], None]]:
    """Show a progress bar on a terminal, nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("instances", total=total)
        yield lambda instance: progress.advance(task)


def _show_batch(result: Audit, form: str) -> None:
    columns: dict[str, Callable[[Any], str]] = {
        "router": lambda s: s.router,
        "regret": lambda s: _pair(percent, s.mean_relative_regret, s.max_relative_regret),
        "absolute": lambda s: _pair(number, s.mean_regret, s.max_regret),
        "excess peak": lambda s: _pair(number, s.mean_excess_peak, s.max_excess_peak),
        "MaxVio": lambda s: _pair(number, s.mean_max_vio, s.max_max_vio),
        "MinVio": lambda s: _pair(number, s.mean_min_vio, s.min_min_vio),
        "score": lambda s: number(s.mean_score_ratio),
        "dual gap": lambda s: percent(s.mean_relative_dual_gap),
        "certified": lambda s: f"{s.certified}/{s.instances}",
        "worst instance": lambda s: s.worst,
    }
    count = result.summaries[0].instances
    title = f"{count} instances of {result.trace}"
    _show(result, result.summaries, columns, BATCH_WORDS.format(passes=result.passes), title, form)


def _show_stream(result: Audit, form: str) -> None:
    from equipoise.audit.stream import BALANCED_AT, summarise

    columns: dict[str, Callable[[Any], str]] = {
        "router": lambda s: s.router,
        "AvgMaxVio": lambda s: number(s.avg_max_vio),
        "SupMaxVio": lambda s: number(s.sup_max_vio),
        "MinVio": lambda s: number(s.mean_min_vio),
        "regret": lambda s: percent(s.mean_relative_regret),
        "score": lambda s: number(s.mean_score_ratio),
        "balanced after": lambda s: f"{number(s.balanced_after)} ({s.balanced_sequences}/{s.sequences})",
        "certified": lambda s: f"{s.certified}/{s.steps}",
    }
    summaries = summarise(result)
    title = f"{summaries[0].steps} steps in {summaries[0].sequences} sequences of {result.trace}"
    _show(result, summaries, columns, STREAM_WORDS.format(balanced_at=BALANCED_AT), title, form)


def _show(
    result: Audit,
    summaries: Sequence[Any],
    columns: dict[str, Callable[[Any], str]],
    words: str,
    title: str,
    form: str,
) -> None:
    from dataclasses import asdict

    if form == "json":
        head = {"schema": SCHEMA, "trace": result.trace, "passes": result.passes, "environment": result.environment}
        rows = [asdict(row) for row in result.rows]
        show_json({**head, "summaries": [asdict(summary) for summary in summaries], "rows": rows})
        return
    show_table(list(columns), [[cell(summary) for cell in columns.values()] for summary in summaries], form, title)
    click.echo(("" if form == "table" else "\n") + words)
    for name in dict.fromkeys(row.router for row in result.rows if row.error):
        broken = [row for row in result.rows if row.router == name and row.error]
        count = sum(row.router == name for row in result.rows)
        place = f"{len(broken)} of {count} instances, first on {broken[0].instance}"
        click.echo(f"{name} broke on {place}: {broken[0].error}")


def _pair(text: Callable[[float | None], str], mean: float | None, worst: float | None) -> str:
    return "-" if mean is None else f"{text(mean)} / {text(worst)}"
