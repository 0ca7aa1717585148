"""Where a monitor's records go: a file of JSON lines, TensorBoard, a text file for Prometheus, or any callable."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from equipoise.errors import ExtraMissing, InvalidFile
from equipoise.files import write_whole

Record = Mapping[str, Any]
Sink = Callable[[Record], object]

MEASURES = {
    "max_vio": "peak over mean load of the experts, minus 1",
    "min_vio": "least over mean load of the experts, minus 1",
    "dropped": "assignments that were asked for and not made, in this step",
    "regret_bound": "proved bound on the score lost at the same peak load",
    "relative_regret_bound": "the same over the optimum's gain on random balanced routing",
    "regret": "score lost to the certified optimum with the same peak load",
    "relative_regret": "the same over that optimum's gain on random balanced routing",
    "excess_peak": "tokens of peak load beyond the least with which the same score is possible",
}
"""The numbers of a record that are drawn over time."""


class JsonLines:
    """Appends every record to a file, as one line of JSON, written in one piece."""

    def __init__(self, path: str | PathLike[str]) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError as error:
            raise InvalidFile(f"{path} cannot be written: {error.strerror}") from error
        if os.fstat(self._file).st_size:
            os.lseek(self._file, -1, os.SEEK_END)
            if os.read(self._file, 1) != b"\n":  # the last line of a run that was killed
                os.write(self._file, b"\n")

    def __call__(self, record: Record) -> None:
        """Append one line; of a line that the disk has no room for, nothing is left."""
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        before = os.fstat(self._file).st_size
        taken = os.write(self._file, line)
        if taken != len(line):
            if os.fstat(self._file).st_size == before + taken:  # nobody else has written since
                os.ftruncate(self._file, before)
            raise OSError("the disk took a part of a line only")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class TensorBoard:
    """Draws every measure of every layer, under ``equipoise/MEASURE/LAYER``."""

    def __init__(self, writer: Any) -> None:
        self._own = not hasattr(writer, "add_scalar")
        self._writer = _summary_writer(writer) if self._own else writer

    def __call__(self, record: Record) -> None:
        """Draw the numbers of one record."""
        for name in MEASURES:
            if record.get(name) is not None:
                self._writer.add_scalar(f"equipoise/{name}/{record['layer']}", float(record[name]), record["step"])

    def close(self) -> None:
        """Close the writer, unless it is the caller's."""
        if self._own:
            self._writer.close()


class Prometheus:
    """Keeps the latest numbers of every layer in a text file, whole at any time."""

    def __init__(self, path: str | PathLike[str], seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._latest: dict[str, dict[str, float]] = {}
        self._written = -float("inf")

    def __call__(self, record: Record) -> None:
        """Take the numbers of one record, and write the file if that is due."""
        if "layer" not in record:
            return
        for name in ("step", *MEASURES):
            if record.get(name) is not None and (name != "step" or record["kind"] == "step"):
                self._latest.setdefault(name, {})[record["layer"]] = float(record[name])
        if time.monotonic() - self._written >= self._seconds:
            self._write()

    def close(self) -> None:
        """Write the latest numbers."""
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        lines = []
        for name, layers in self._latest.items():
            help_text = MEASURES.get(name, "the latest step")
            lines += [f"# HELP equipoise_{name} {help_text}", f"# TYPE equipoise_{name} gauge"]
            lines += [f'equipoise_{name}{{layer="{_escaped(layer)}"}} {value!r}' for layer, value in layers.items()]
        write_whole(self._path, "".join(line + "\n" for line in lines).encode())


def jsonl(path: str | PathLike[str]) -> JsonLines:
    """Return a sink that appends a line of JSON a record to a file; an existing file is continued.

    Raises
    ------
    InvalidFile
        If it cannot be opened.
    """
    return JsonLines(path)


def tensorboard(writer: Any) -> TensorBoard:
    """Return a sink for TensorBoard: anything with ``add_scalar(tag, value, step)``, or a folder to write into.

    Raises
    ------
    ExtraMissing
        If a folder is given and neither torch's writer nor tensorboardX is installed.
    """
    return TensorBoard(writer)


def prometheus(path: str | PathLike[str], seconds: float = 5.0) -> Prometheus:
    """Return a sink that keeps a text file for Prometheus' node exporter, rewritten at most every so many seconds."""
    return Prometheus(path, seconds)


def _summary_writer(folder: Any) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ExtraMissing("a folder for TensorBoard", "torch and tensorboard, or tensorboardX", "train") from error
    return SummaryWriter(str(folder))


def _escaped(label: str) -> str:
    return re.sub(r'[\\"\n]', lambda found: {"\n": "\\n"}.get(found[0], "\\" + found[0]), label)
