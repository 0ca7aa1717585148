"""What commands share: the form of their output, how it is printed, and progress."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import click

FORMATS = click.Choice(["table", "json", "markdown"])

IN_A_PIPE = 200
"""Characters of a line where there is no terminal."""


def format_option(function: Any) -> Any:
    """Add ``--format table|json|markdown``."""
    return click.option("--format", "form", type=FORMATS, default="table", show_default=True)(function)


def workers_options(function: Any) -> Any:
    """Add ``--workers N`` and ``--dask ADDRESS``."""
    dask = click.option("--dask", metavar="ADDRESS", help="Spread the work over the Dask cluster at this address.")
    workers = click.option("--workers", type=click.IntRange(1), help="Local processes. [default: 1, this one]")
    return workers(dask(function))


def width() -> int:
    """Return how many characters a line has."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else IN_A_PIPE


def show(content: Any, form: str) -> None:
    """Print a JSON document, a text, or what ``content(width)`` makes for a terminal."""
    if form == "json":
        show_json(content)
    else:
        click.echo(content(width()) if callable(content) else content)


def show_json(document: Any) -> None:
    """Print ``document``; fractions become exact strings "p/q", infinities and NaN null."""
    import msgspec

    content = msgspec.json.encode(document, enc_hook=_exact)
    click.echo(msgspec.json.format(content, indent=1).decode())


def show_table(columns: tuple[str, ...] | list[str], rows: list[list[str]], form: str, title: str = "") -> None:
    """Print a table for a terminal or in Markdown."""
    from equipoise.tables import Table

    table = Table(list(columns), rows, title)
    click.echo(table.markdown() if form == "markdown" else table.text(width()))


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much is done of how much on a terminal, nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _exact(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
