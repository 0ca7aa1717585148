"""Tables: for a terminal, in Markdown, in LaTeX, always with the first columns and as many others as fit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NUMBER = re.compile(r"[-+]?[0-9.,]+(e[+-][0-9]+)?%?( / | \[| \(|/|$)|-$|- / |failed$")


@dataclass(frozen=True)
class Table:
    """Cells of text under heads; the most important columns come first, and the first is never dropped."""

    head: list[str]
    rows: list[list[str]]
    title: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers: they are aligned right."""
        return [all(_NUMBER.match(row[index]) for row in self.rows) for index in range(len(self.head))]

    def text(self, width: int) -> str:
        """Return the table for a terminal of so many characters; columns that do not fit are named below it."""
        from io import StringIO

        from rich.console import Console

        output = StringIO()
        console = Console(file=output, width=width, color_system=None)
        count = len(self.head)
        while (
            count > 1
            and console.measure(self._drawn(count), options=console.options.update(width=9999)).maximum > width
        ):
            count -= 1
        console.print(self._drawn(count))
        text = "\n".join(line.rstrip() for line in output.getvalue().splitlines()).strip("\n")
        if count < len(self.head):
            text += f"\n\nNot shown at this width: {', '.join(self.head[count:])} (--format markdown has all)."
        return text + "\n"

    def _drawn(self, count: int) -> Any:
        """Return the first columns as rich draws them."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table as Drawn

        drawn = Drawn(title=escape(self.title) or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for column, right in list(zip(self.head, self.numeric, strict=True))[:count]:
            drawn.add_column(escape(column), justify="right" if right else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*map(escape, row[:count]))
        return drawn

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [f"{self.title}\n"] if self.title else []
        lines.append("| " + " | ".join(self.head) + " |")
        lines.append("|" + "".join("---:|" if right else "---|" for right in self.numeric))
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in self.rows]
        return "\n".join(lines)

    def latex(self) -> str:
        """Return the table as a LaTeX ``tabular``."""
        lines = ["\\begin{tabular}{" + "".join("r" if right else "l" for right in self.numeric) + "}", "\\hline"]
        lines.append(" & ".join(map(_tex, self.head)) + " \\\\ \\hline")
        lines += [" & ".join(map(_tex, row)) + " \\\\" for row in self.rows]
        return "\n".join([*lines, "\\hline", "\\end{tabular}"])


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(char, f"\\{char}" if char in "&%$#_{}" else char) for char in text)
