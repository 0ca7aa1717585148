"""Tables on a terminal, in Markdown and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import click

_NUMBER = re.compile(r"-?[0-9.]+%?( / |$)|-$|- / ")
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
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


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
