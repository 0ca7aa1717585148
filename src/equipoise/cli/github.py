"""What GitHub shows of a run: the log, the summary of the job, and annotations."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from equipoise.errors import InvalidFile

LARGEST_SUMMARY = 1 << 20
"""Bytes of the summary of a step; GitHub drops one that has more."""

CUT = "\n\nThe rest is in the log.\n"


@dataclass(frozen=True)
class Annotation:
    """What stands beside a change: a sentence and, where it is known, the target's file."""

    level: Literal["error", "warning"]
    title: str
    message: str
    file: str | None = None

    def __str__(self) -> str:
        """Return the workflow command, in which nothing that a target says can end a line or begin a property."""
        properties = {"title": self.title} | ({} if self.file is None else {"file": self.file})
        said = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
        return f"::{self.level} {said}::{_escaped(self.message)}"


def _escaped(text: str, more: str = "") -> str:
    for one in "%\r\n" + more:
        text = text.replace(one, f"%{ord(one):02X}")
    return text


def source_of(target: str) -> str | None:
    """Return the file of ``module:attribute`` or ``file.py:attribute`` below the current folder, as GitHub names it."""
    module, _, attribute = target.rpartition(":")
    path = Path(module if module.endswith(".py") else module.replace(".", "/") + ".py")
    root = Path(os.environ.get("GITHUB_WORKSPACE", "."))
    if not attribute or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    return path.resolve().relative_to(root.resolve()).as_posix()


def post(text: str, markdown: str, annotations: Iterable[Annotation]) -> None:
    """Print a text in which GitHub looks for no commands, then the annotations; add Markdown to the summary.

    Raises
    ------
    InvalidFile
        If the file of the summary cannot be written.
    """
    token = secrets.token_hex(16)
    click.echo(f"::stop-commands::{token}\n{text}\n::{token}::")
    for annotation in annotations:
        click.echo(str(annotation))
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with open(path, "ab") as file:
                file.write(_fitting(f"{markdown}\n\n".encode(), LARGEST_SUMMARY - file.tell()))
        except OSError as error:
            raise InvalidFile(f"{path} cannot be written: {error.strerror}") from error


def _fitting(content: bytes, room: int) -> bytes:
    if len(content) <= room:
        return content
    return (content[: max(0, room - len(CUT))].decode(errors="ignore") + CUT).encode() if room > len(CUT) else b""
