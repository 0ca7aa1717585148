"""The certificate file: one JSON document, parsed strictly, as docs/reference/certificate-format.md states."""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from typing import Any

import msgspec

from equipoise.errors import InvalidFile
from equipoise.files import LARGEST_JSON, content_of, write_whole

FORMAT = "equipoise-certificate"
VERSION = 1
LARGEST_FILE = LARGEST_JSON

_KEY = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*+:)?')
_MINUS_ZERO = re.compile(rb"[\[,:\s]-0(?![.\w])")


class _Head(msgspec.Struct):
    format: str
    version: int
    kind: str


def read(path: str | PathLike[str], structure_of: Callable[[str], type[Any] | None]) -> Any:
    """Parse a certificate file into the structure that ``structure_of`` names for its kind.

    Raises
    ------
    InvalidFile
        With one sentence, if it is not a certificate.
    """
    content = content_of(path, LARGEST_FILE)
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format != FORMAT:
            raise InvalidFile(f"{path} is not a certificate: its format is {head.format[:40]!r}, not {FORMAT!r}")
        if head.version != VERSION:
            raise InvalidFile(f"{path} has format version {str(head.version)[:40]}; this version reads {VERSION}")
        if (structure := structure_of(head.kind)) is None:
            raise InvalidFile(f"{path} is a certificate of unknown kind {head.kind[:40]!r}")
        document = msgspec.json.decode(content, type=structure)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        words = " ".join(str(error).split())[:200]
        raise InvalidFile(f"{path} is not a certificate: {words}") from error
    if _MINUS_ZERO.search(content):
        raise InvalidFile(f"{path} is not a certificate: it holds the number -0")
    names = [match[1] for match in _KEY.finditer(content) if match[2]]
    if len(names) != _count(document) - (b"problem" not in names):
        raise InvalidFile(f"{path} is not a certificate: it gives a field twice")
    return document


def write(path: str | PathLike[str], document: dict[str, Any]) -> None:
    """Encode ``document`` as JSON and write it whole or not at all."""
    write_whole(path, msgspec.json.encode(document) + b"\n")


def _count(value: Any) -> int:
    """Fields that a parsed document has, those of the structures in it included."""
    if isinstance(value, msgspec.Struct):
        inner = (getattr(value, name) for name in value.__struct_fields__)
        return len(value.__struct_fields__) + sum(map(_count, inner))
    if isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
        return sum(map(_count, value))
    return 0
