"""The certificate file: one JSON document with a format version, parsed strictly (docs/certificate.md)."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidFile
from equipoise.files import write_whole

FORMAT = "equipoise-certificate"
VERSION = 1
LARGEST_FILE = 256 << 20

Exponent = Annotated[int, msgspec.Meta(ge=-1100, le=1200)]


class AssignmentProblemFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The problem as it stands in the file, in grid integers."""

    scores: list[list[int]]
    top_k: int
    capacity: list[int]
    drop: bool
    mask: list[bool] | None
    exponent: Exponent
    grid_error: str


class AssignmentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    problem_sha256: str
    exponent: Exponent
    experts: list[list[int]]
    prices: list[int]
    problem: AssignmentProblemFile | None = None
    format: str = FORMAT
    version: int = VERSION
    kind: str = "assignment"


class _Head(msgspec.Struct):
    format: str
    version: int
    kind: str


def read(path: str | PathLike[str], kinds: dict[str, type[Any]]) -> tuple[str, Any]:
    """Parse a certificate file into its kind and the structure that ``kinds`` names for it.

    Raises
    ------
    InvalidFile
        With one sentence, if it is no certificate.
    """
    try:
        if (size := os.stat(path).st_size) > LARGEST_FILE:
            raise InvalidFile(f"{path} has {size} bytes; a certificate has at most {LARGEST_FILE}")
        content = Path(path).read_bytes()
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror}") from error
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format != FORMAT:
            raise InvalidFile(f"{path} is not a certificate: its format is {head.format[:40]!r}, not {FORMAT!r}")
        if head.version != VERSION:
            raise InvalidFile(f"{path} has format version {str(head.version)[:40]}; this version reads {VERSION}")
        if head.kind not in kinds:
            raise InvalidFile(f"{path} is a certificate of unknown kind {head.kind[:40]!r}")
        return head.kind, msgspec.json.decode(content, type=kinds[head.kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        words = " ".join(str(error).split())[:200]
        raise InvalidFile(f"{path} is not a certificate: {words}") from error


def write(path: str | PathLike[str], document: Any) -> None:
    """Encode ``document`` as JSON and write it whole or not at all."""
    write_whole(path, msgspec.json.encode(document) + b"\n")


def integers(name: str, rows: list[Any], rank: int) -> npt.NDArray[np.int64]:
    """Return nested lists as a non-empty 64-bit array of the given rank."""
    try:
        array = np.array(rows, np.int64)
    except (OverflowError, ValueError) as error:
        raise InvalidFile(f"{name} is ragged or holds a number beyond 64 bits") from error
    if array.ndim != rank or not array.size:
        raise InvalidFile(f"{name} has shape {array.shape}; allowed: {rank} non-empty dimension(s)")
    return array


def fraction(name: str, text: str) -> Fraction:
    """Parse ``"p/q"`` or ``"p"``, not negative."""
    if not re.fullmatch(r"[0-9]{1,400}(/[0-9]{1,400})?", text) or re.search(r"/0+$", text):
        raise InvalidFile(f"{name} is {text[:40]!r}; allowed: a fraction such as '1/1024'")
    return Fraction(text)
