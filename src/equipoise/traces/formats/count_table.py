"""Tables of counts, CSV: a count a line (``step,layer,expert,count``), or a matrix whose columns are experts."""

from __future__ import annotations

import csv
import io
import re
from array import array
from itertools import islice
from typing import NamedTuple

import numpy as np

from equipoise.errors import InvalidProblem
from equipoise.files import LARGEST_JSON, reading, regular, size_of
from equipoise.traces.formats import counts
from equipoise.traces.formats.counts import LARGEST_COUNT, MOST_COUNTS, MOST_EXPERTS, Counts, Integers
from equipoise.traces.formats.source import Asked, Source

FIRST_BYTES = 1 << 16
LONG = ("step", "layer", "expert", "count")
NUMBER = re.compile(r"\s*(\d{1,18})(?:\.0*)?\s*", re.ASCII)


class _Table(NamedTuple):
    header: list[str] | None
    rows: Integers


def fits(source: Source) -> bool:
    """Return whether the file is text that begins as a table does: a number stands in one of its first two lines."""
    if source.container != "text":
        return False
    with regular(source.path) as file, reading(source.path):
        start = io.StringIO(file.read(FIRST_BYTES).decode("utf-8-sig", "replace"), newline="")
        lines = islice((cells for cells in csv.reader(start) if any(cell.strip() for cell in cells)), 2)
        return any(_is_number(cell) for cells in lines for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read(source: Source, asked: Asked) -> Counts:
    """Return the counts; of a matrix without a column ``step`` or ``layer`` the caller says what its rows are."""
    header, rows = _table(source)
    if header is not None and {"expert", "count"} <= set(header):
        return _long(header, rows)
    if header is not None and header[0] in LONG[:2]:
        names, keys, matrix = f"{header[0]}s,experts", rows[:, 0], rows[:, 1:]
    else:
        names, keys, matrix = asked.axes or "", np.arange(len(rows)), rows
        if not names and len(rows) == 1:
            names = "layers,experts"
    if names not in ("steps,experts", "layers,experts") or asked.axes not in (None, names):
        given = f"a matrix of {matrix.shape[0]} rows and {matrix.shape[1]} experts" + (f", {names}" if names else "")
        raise InvalidProblem(
            "the table", given, "--axes steps,experts or layers,experts, or the columns " + ",".join(LONG)
        )
    if len(set(keys.tolist())) < len(keys):
        raise InvalidProblem("the table", f"with a {header[0] if header else 'row'} twice", "each once")
    by_step = names.startswith("steps")
    cells = {((key, 0) if by_step else (0, key)): row for key, row in zip(keys.tolist(), matrix, strict=True)}
    return counts.tabulated(cells)


def _long(header: list[str], rows: Integers) -> Counts:
    unknown = sorted(set(header) - set(LONG))
    if unknown or len(set(header)) < len(header):
        raise InvalidProblem("the table", f"with the columns {','.join(header)}", ",".join(LONG))
    steps, layers, experts, count = (
        rows[:, header.index(name)] if name in header else np.zeros(len(rows), np.int64) for name in LONG
    )
    size = int(experts.max()) + 1
    pairs = np.unique(np.stack([steps, layers], axis=1), axis=0)
    if size > MOST_EXPERTS or len(pairs) * size > MOST_COUNTS:
        given = f"with {len(pairs)} steps and layers of {size} experts"
        raise InvalidProblem("the table", given, f"at most {MOST_EXPERTS} experts and {MOST_COUNTS} numbers")
    named = np.unique(np.stack([steps, layers, experts], axis=1), axis=0)
    if len(named) < len(rows):
        raise InvalidProblem("the table", "with two counts of one expert in a step and layer", "one")
    cells: dict[tuple[int, int], Integers] = {(s, la): np.zeros(size, np.int64) for s, la in pairs.tolist()}
    for step, layer, expert, number in zip(*(c.tolist() for c in (steps, layers, experts, count)), strict=True):
        cells[step, layer][expert] = number
    return counts.tabulated(cells)


def _table(source: Source) -> _Table:
    """Return the header, if the first line is not numbers, and the numbers."""
    with regular(source.path) as file, reading(source.path):
        size_of(file, source.path, LARGEST_JSON)
        lines = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
        header: list[str] | None = None
        numbers, width = array("q"), 0
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            found = [NUMBER.fullmatch(cell) for cell in cells]
            if not width and not all(found):
                header, width = [cell.strip().lower() for cell in cells], len(cells)
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise InvalidProblem(f"line {lines.line_num}", f"{len(cells)} cells", f"{width}, as before")
            for cell, one in zip(cells, found, strict=True):
                number = int(one[1]) if one else -1
                if not 0 <= number <= LARGEST_COUNT:
                    allowed = f"whole numbers, 0 to {LARGEST_COUNT}"
                    raise InvalidProblem(f"line {lines.line_num}", repr(cell)[:60], allowed)
                numbers.append(number)
    if not numbers:
        raise InvalidProblem("the table", "without a line of numbers", "one or more")
    return _Table(header, np.frombuffer(numbers, np.int64).reshape(-1, width))
