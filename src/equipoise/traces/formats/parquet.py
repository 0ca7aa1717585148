"""Parquet files: read by polars, after the rows that they declare were compared with a limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any, BinaryIO

import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import ExtraMissing, InvalidFile
from equipoise.files import LARGEST_ARRAY, reading, size_of

MAGIC = b"PAR1"
MOST_VALUES = 1 << 28
"""Values of a column: experts of all tokens."""


def columns(file: BinaryIO, path: str | PathLike[str]) -> dict[str, Any]:
    """Return the type of every column, as polars names it.

    Raises
    ------
    ExtraMissing
        If polars is not installed.
    """
    size_of(file, path, LARGEST_ARRAY)
    file.seek(-len(MAGIC), os.SEEK_END)
    if file.read() != MAGIC:
        raise InvalidFile(f"{path} starts as Parquet and ends in the middle")
    with _library(path) as polars:
        return {name: str(kind) for name, kind in polars.read_parquet_schema(path).items()}


def lists(path: str | PathLike[str], names: tuple[str, ...]) -> list[npt.NDArray[Any]]:
    """Return columns of lists, each as an array ``[rows, K]``: every list of a column must be as long as the others."""
    with _library(path) as polars:
        scan = polars.scan_parquet(path)
        lengths = polars.col(names[0]).list.len()
        rows, most = scan.select(polars.len(), lengths.max().alias("most")).collect().row(0)
        if rows * (most or 0) > MOST_VALUES:
            raise InvalidFile(f"{path} declares {rows} rows of {most} values; at most {MOST_VALUES} are read")
        frame = scan.select(names).collect()
        found = []
        for name in names:
            column = frame[name]
            if column.null_count() or column.list.len().n_unique() > 1 or column.explode().null_count():
                raise InvalidFile(f"{path}: {name} has rows without values, or of several lengths; allowed: K in each")
            found.append(as_numpy(column.explode().to_numpy(), name).reshape(len(column), -1))
        return found


@contextmanager
def _library(path: str | PathLike[str]) -> Iterator[Any]:
    """Lend polars; its panics, which are no exceptions, become refusals."""
    try:
        import polars
    except ImportError as error:
        raise ExtraMissing(f"reading {os.fspath(path)}, a Parquet file,", "polars", "study") from error
    try:
        with reading(path):
            yield polars
    except polars.exceptions.PanicException as error:
        raise InvalidFile(f"{path} is damaged: polars gives up on it") from error
