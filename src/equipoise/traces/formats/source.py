"""A file before anybody asks what it means: its container, told by its first bytes, and the content."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from equipoise.errors import InvalidFile
from equipoise.files import (
    LARGEST_ARRAY,
    LARGEST_JSON,
    NPY,
    ZIP,
    parsed,
    read_array,
    read_npz,
    reading,
    regular,
    size_of,
    strict_json,
)
from equipoise.traces.formats import parquet, torch_file

PAGE = "docs/reference/files.md"
"""The page "Files", which every refusal names."""


@dataclass(frozen=True, eq=False)
class Source:
    """One file.

    Attributes
    ----------
    container
        "npy", "npz", "json", "jsonl", "pt", "parquet", "text".
    content
        Named arrays or objects; of JSONL the first record, of Parquet every column's type; nothing of text.
    """

    path: Path
    container: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What the caller says about a file, which goes before what the file says.

    Attributes
    ----------
    top_k
        K.
    gate
        What makes scores of logits.
    axes
        Names of the axes of the file's array, in order, as in "tokens,layers,k".
    num_experts
        E, where a file names experts and does not say how many there are.
    """

    top_k: int | None = None
    gate: str | None = None
    axes: str | None = None
    num_experts: int | None = None


def open_source(path: str | PathLike[str]) -> Source:
    """Open a regular file by what it starts with; what its name ends with does not matter.

    Raises
    ------
    InvalidFile
        If it cannot be read, is damaged, a pickle, or of no kind that is known.
    ExtraMissing
        If its container needs a package that is not here.
    """
    with regular(path) as file, reading(path):
        start = file.read(512)
        file.seek(0)
        if start.startswith(NPY):
            return Source(
                Path(path), "npy", {"scores": read_array(file, str(path), size_of(file, path, LARGEST_ARRAY))}
            )
        if start.startswith(ZIP):
            if torch_file.is_one(file):
                return Source(Path(path), "pt", torch_file.read(file, path))
            file.seek(0)
            return Source(Path(path), "npz", read_npz(file, path))
        if start.startswith(parquet.MAGIC):
            return Source(Path(path), "parquet", parquet.columns(file, path))
        return _text(file, Path(path), start)


def _text(file: BinaryIO, path: Path, start: bytes) -> Source:
    if not start.strip():
        raise InvalidFile(f"{path} is empty; see {PAGE}")
    if start[:1] == b"\x80":
        raise InvalidFile(f"{path} is a pickle, which is never loaded; see {PAGE}")
    if b"\0" in start:
        raise InvalidFile(f"{path} starts like no kind of file that is known; see {PAGE}")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return Source(path, "text", {})
    first = file.readline(LARGEST_JSON + 1)
    if file.read(4096).strip():
        try:
            record = strict_json(first)
        except ValueError:
            record = None  # one document over many lines
        if isinstance(record, dict):
            return Source(path, "jsonl", record)
    size_of(file, path, LARGEST_JSON)
    file.seek(0)
    content = parsed(file.read(LARGEST_JSON + 1), path)
    if not isinstance(content, dict):
        raise InvalidFile(f"{path} holds a JSON {type(content).__name__}; allowed: an object with named arrays")
    return Source(path, "json", content)
