"""What a page is made of: sections of panels, legends and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from equipoise.study.report.svg import COLOURS, dashes, marker
from equipoise.tables import Table


@dataclass(frozen=True)
class Key:
    """One entry of a legend: a colour variable and a shape, or dashes."""

    label: str
    colour: str
    shape: str


@dataclass(frozen=True)
class Panel:
    """One ``<svg>`` under its title; ``dark`` is the rendering for the dark theme where colours are no variables."""

    title: str
    svg: str
    dark: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, how to read it, panels, and the numbers as tables."""

    anchor: str
    title: str
    intro: str
    legend: list[Key] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shown: list[Table] = field(default_factory=list)
    folded: list[tuple[str, Table]] = field(default_factory=list)
    scale: bool = False
    matrix: Any = None


def method_keys(methods: Sequence[str]) -> list[Key]:
    """Return the legend of methods, in their order: the same colour and shape in every figure of their role."""
    return [Key(method, f"--c{index % COLOURS}", marker(index)) for index, method in enumerate(methods)]


def line_keys(methods: Sequence[str]) -> list[Key]:
    """Return the legend of methods that are drawn as lines without markers."""
    shapes = {"-": "line", "--": "dashed", ":": "dotted", "-.": "dashed"}
    return [Key(method, f"--c{index % COLOURS}", shapes[dashes(index)]) for index, method in enumerate(methods)]
