"""Tables: for a terminal, in Markdown, in LaTeX, always with the first columns and as many others as fit."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

NAMED_AT_LEAST = 12
"""Characters of a name that are shown however narrow the terminal is."""

_NUMBER = re.compile(r"[-+]?[0-9.,]+(e[+-][0-9]+)?%?( / | \[| \(|/|$)|-$|- / |failed$")


def printable(text: str) -> str:
    """Return the text with control characters, line ends and what turns its direction as escapes; others stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True)
class Table:
    """Cells of text under heads; the most important columns come first, and the first is never dropped."""

    head: list[str]
    rows: list[list[str]]
    title: str = ""

    def __post_init__(self) -> None:
        """Escape what could steer a terminal or end a row."""
        object.__setattr__(self, "rows", [[printable(cell) for cell in row] for row in self.rows])

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers: they are aligned right."""
        return [all(_NUMBER.match(row[index]) for row in self.rows) for index in range(len(self.head))]

    def text(self, width: int) -> str:
        """Return the table for a terminal of so many characters.

        No number is broken: a column that does not fit is left out and named below the table. Where columns are left
        out, heads are folded between words to make room; names in the first column are cut in the middle, to two
        fifths of the width, if they are longer than that, and stay different from each other.
        """
        from io import StringIO

        from rich.console import Console

        output = StringIO()
        console = Console(file=output, width=width, color_system=None)

        def fits(table: Table, count: int) -> bool:
            wide = console.options.update(width=9999)
            return console.measure(table._drawn(count), options=wide).maximum <= width

        table, count = self._cut(max(NAMED_AT_LEAST, 2 * width // 5)), len(self.head)
        short = table.rows != self.rows
        if not fits(table, count):
            table = table._folded()
        while count > 1 and not fits(table, count):
            count -= 1
        console.print(table._drawn(count))
        text = "\n".join(line.rstrip() for line in output.getvalue().splitlines()).strip("\n")
        notes = ["Long names are cut in the middle"] if short else []
        notes += [f"Not shown at this width: {', '.join(self.head[count:])}"] if count < len(self.head) else []
        if notes:
            told = f"{'. '.join(notes)} (--format markdown has all)."
            text += "\n\n" + textwrap.fill(told, width, break_long_words=False, break_on_hyphens=False)
        return text + "\n"

    def _drawn(self, count: int) -> Any:
        """Return the first columns as rich draws them."""
        from rich import box
        from rich.table import Table as Drawn
        from rich.text import Text  # which, unlike markup, shows ":b:" as it is

        title = Text(self.title) if self.title else None
        drawn = Drawn(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for column, right in list(zip(self.head, self.numeric, strict=True))[:count]:
            drawn.add_column(Text(column), justify="right" if right else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*map(Text, row[:count]))
        return drawn

    def _cut(self, most: int) -> Table:
        """Return the table with names of at most so many characters in its first column."""
        short = shortened([row[0] for row in self.rows], most)
        return replace(self, rows=[[name, *row[1:]] for name, row in zip(short, self.rows, strict=True)])

    def _folded(self) -> Table:
        """Return the table with heads that are no wider than their cells, as far as spaces allow."""
        heads = []
        for index, head in enumerate(self.head):
            least = max(map(len, [*head.split(), *(row[index] for row in self.rows)]), default=0)
            heads.append(textwrap.fill(head, max(1, least), break_on_hyphens=False))
        return replace(self, head=heads)

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [f"{self.title}\n"] if self.title else []
        lines.append("| " + " | ".join(self.head) + " |")
        lines.append("|" + "".join("---:|" if right else "---|" for right in self.numeric))
        lines += ["| " + " | ".join(_marked(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join(lines)

    def latex(self) -> str:
        """Return the table as a LaTeX ``tabular``."""
        lines = ["\\begin{tabular}{" + "".join("r" if right else "l" for right in self.numeric) + "}", "\\hline"]
        lines.append(" & ".join(map(_tex, self.head)) + " \\\\ \\hline")
        lines += [" & ".join(map(_tex, row)) + " \\\\" for row in self.rows]
        return "\n".join([*lines, "\\hline", "\\end{tabular}"])


def shortened(names: Sequence[str], most: int) -> list[str]:
    """Return the names, those longer than ``most`` characters with "…" in the middle; no two that differ become one.

    The end of a name says more than its beginning ("package.module:route"), so the cut moves towards the beginning, and
    then towards the end, until all are different; if no cut does it, more characters are kept.
    """
    different = len(set(names))
    for kept in range(most - 1, max(map(len, names), default=0)):
        for tail in [*range(kept - kept // 3, kept + 1), *range(kept - kept // 3 - 1, -1, -1)]:
            cut = [_in_the_middle(name, kept - tail, tail) for name in names]
            if len(set(cut)) == different:
                return cut
    return list(names)


def _in_the_middle(name: str, head: int, tail: int) -> str:
    return name if len(name) <= head + tail + 1 else f"{name[:head]}…{name[len(name) - tail :]}"


def _marked(text: str) -> str:
    parts = text.replace("|", "\\|").split("`")  # within code, marks are shown as they are
    whole = len(parts) % 2 == 1
    return "`".join(part if whole and number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(char, f"\\{char}" if char in "&%$#_{}" else char) for char in text)
