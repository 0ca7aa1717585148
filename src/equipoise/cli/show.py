"""Tables on a terminal, in Markdown and as JSON."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import click

_NUMBER = re.compile(r"-?[0-9.]+(e[+-][0-9]+)?%?( / |$)|-$|- / ")
FORMATS = click.Choice(["table", "json", "markdown"])


def format_option(function: Any) -> Any:
    """Add ``--format table|json|markdown``."""
    return click.option("--format", "form", type=FORMATS, default="table", show_default=True)(function)


def show_json(document: Any) -> None:
    """Print ``document``; fractions become exact strings "p/q", infinities and NaN null."""
    import msgspec

    content = msgspec.json.encode(document, enc_hook=_exact)
    click.echo(msgspec.json.format(content, indent=1).decode())


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], form: str, title: str = "") -> None:
    """Print a table for a terminal or in Markdown; columns of numbers are aligned right, text left."""
    numeric = [all(_NUMBER.match(row[index]) for row in rows) for index in range(len(columns))]
    if form == "markdown":
        click.echo("| " + " | ".join(columns) + " |")
        click.echo("|" + "".join("---:|" if right else "---|" for right in numeric))
        for row in rows:
            click.echo("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title) or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(escape(column), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def show_audit(
    head: dict[str, Any],
    summaries: Sequence[Any],
    rows: Sequence[Any],
    columns: dict[str, Callable[[Any], str]],
    words: str,
    title: str,
    form: str,
    by: str = "method",
) -> None:
    """Print an audit: all of it as JSON, or a table of summaries and which balancers (rows' field ``by``) broke."""
    from dataclasses import asdict

    if form == "json":
        show_json({**head, "summaries": [asdict(one) for one in summaries], "rows": [asdict(row) for row in rows]})
        return
    show_table(list(columns), [[cell(summary) for cell in columns.values()] for summary in summaries], form, title)
    click.echo(("" if form == "table" else "\n") + words)
    for name in dict.fromkeys(getattr(row, by) for row in rows if row.error):
        broken = [row for row in rows if getattr(row, by) == name and row.error]
        count = sum(getattr(row, by) == name for row in rows)
        place = f"{len(broken)} of {count} instances, first on {broken[0].instance}"
        click.echo(f"{name} broke on {place}: {broken[0].error}")


@contextlib.contextmanager
def progress(total: int, what: str = "instances") -> Iterator[Callable[[Any], None]]:
    """Show a progress bar on a terminal, nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=total)
        yield lambda instance: shown.advance(task)


def _exact(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def percent(value: float | None) -> str:
    """Show a share with two decimals; "-" for nothing."""
    return "-" if value is None or value != value else f"{value:.2%}"


def number(value: float | None) -> str:
    """Show four significant digits; "-" for nothing."""
    return "-" if value is None or value != value else f"{value:.4g}"


def pair(text: Callable[[float | None], str], mean: float | None, worst: float | None) -> str:
    """Show "mean / worst"; "-" for nothing."""
    return "-" if mean is None else f"{text(mean)} / {text(worst)}"
