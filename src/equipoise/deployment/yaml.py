"""The part of YAML that maps of experts are written in: whole numbers, under names or layers, in lists.

A document is names with a whole number, or with layers: numbers with a list of whole numbers. Lists and layers may be
in flow style (``[0, 1]``, ``{3: [0, 1]}``) or block style (``- 0``). Everything else is refused. Nothing is
evaluated, and the core needs no YAML package. Indentation is not looked at: names, numbers with a colon and dashes are
told apart without it.
"""

from __future__ import annotations

import re
from typing import NoReturn

from equipoise.errors import InvalidProblem

_TOKEN = re.compile(
    r"(?P<skip>[ \r\n]+|\#[^\n]*|^---[ ]*$)|(?P<name>[A-Za-z_]\w*)(?=[ ]*:)|(?P<item>-)(?=[ \n])"
    r"|(?P<number>-?[0-9]{1,18})(?![\w.])|(?P<mark>[\[\]{},:])",
    re.MULTILINE,
)

Layers = dict[int, list[int]]


def read_yaml(text: str) -> dict[str, int | Layers]:
    """Return names with numbers, or with the lists of numbers of layers.

    Raises
    ------
    InvalidProblem
        If the text is anything else; the sentence names the line.
    """
    return _Reader(text).document()


class _Reader:
    """Tokens one after the other: kind, text and position."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.kind, self.value = "", ""
        self._next()

    def document(self) -> dict[str, int | Layers]:
        found: dict[str, int | Layers] = {}
        flow = self._is("{")
        if flow:
            self._take("mark", "{")
        while self.kind == "name":
            name = self._take("name")
            if name in found:
                self._refuse(f"{name} a second time")
            self._take("mark", ":")
            number = self._take("number") if self.kind == "number" else None
            layered = number is None or self._is(":")
            found[name] = self._layers(number) if layered else int(number or 0)
            if flow and not self._is("}"):
                self._take("mark", ",")
        if flow:
            self._take("mark", "}")
        if self.kind != "end":
            self._refuse(f"{self.value[:20]!r} where a name is expected")
        return found

    def _layers(self, first: str | None) -> Layers:
        """Read the layers under a name; ``first`` is the number of the first one, where it is already taken."""
        found: Layers = {}
        flow = first is None and self._is("{")
        if flow:
            self._take("mark", "{")
        while first is not None or self.kind == "number":
            layer = int(self._take("number") if first is None else first)
            first = None
            if layer in found:
                self._refuse(f"layer {layer} a second time")
            self._take("mark", ":")
            found[layer] = self._list()
            if flow and not self._is("}"):
                self._take("mark", ",")
        if flow:
            self._take("mark", "}")
        if not found:
            self._refuse("without a number or layers")
        return found

    def _list(self) -> list[int]:
        found: list[int] = []
        if self.kind == "item":
            while self.kind == "item":
                self._next()
                found.append(int(self._take("number")))
            return found
        self._take("mark", "[")
        while not self._is("]"):
            found.append(int(self._take("number")))
            if not self._is("]"):
                self._take("mark", ",")
        self._take("mark", "]")
        return found

    def _is(self, mark: str) -> bool:
        return self.kind == "mark" and self.value == mark

    def _take(self, kind: str, value: str | None = None) -> str:
        if self.kind != kind or value not in (None, self.value):
            self._refuse(f"{self.value[:20]!r} where {repr(value) if value else f'a {kind}'} is expected")
        taken = self.value
        self._next()
        return taken

    def _next(self) -> None:
        while True:
            if self._at == len(self._text):
                self.kind, self.value = "end", "the end"
                return
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                self._refuse(repr(self._text[self._at : self._at + 20].split("\n")[0]))
            self._at = match.end()
            if match.lastgroup != "skip":
                self.kind, self.value = str(match.lastgroup), match.group()
                return

    def _refuse(self, what: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise InvalidProblem(f"line {line} of the YAML", what, "names, layers and lists of whole numbers")
