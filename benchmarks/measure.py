"""What every benchmark here shares: fair timing, memory of a fresh process, the machine, and two ways to write it down.

All sides of a comparison run in the same rounds, one after the other, after a warm-up that is not counted (it compiles
what is compiled). Medians and spreads are over rounds; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pages import fill


@dataclass(frozen=True)
class Timing:
    """Seconds of one side, one entry a round."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median; the range below four rounds."""
        if len(self.wall) < 4:
            return (max(self.wall) - min(self.wall)) / 2 / self.median
        first, _, third = statistics.quantiles(self.wall, n=4)
        return (third - first) / 2 / self.median

    def times(self, other: Timing) -> float:
        """How many times longer this takes than ``other``: median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.wall, other.wall, strict=True))

    def record(self) -> dict[str, Any]:
        """As it stands in the JSON file."""
        return {"median": self.median, "spread": self.spread, "rounds": len(self.wall), **asdict(self)}


def race(sides: Mapping[str, Callable[[], Any]], rounds: int = 5, warm_up: int = 1) -> dict[str, Timing]:
    """Time every side in turn, ``rounds`` times."""
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for step in range(warm_up + rounds):
        for name, run in sides.items():
            started, burnt = time.perf_counter(), time.process_time()
            run()
            ended, used = time.perf_counter(), time.process_time()
            if step >= warm_up:
                wall[name].append(ended - started)
                cpu[name].append(used - burnt)
    return {name: Timing(tuple(wall[name]), tuple(cpu[name])) for name in sides}


def peak_memory(script: str, *arguments: str) -> tuple[int, str]:
    """Run ``python -c script arguments`` and return its peak resident bytes, and what it printed."""
    here = str(Path(__file__).parent)
    report = (
        f"\nimport sys as _s\n_s.path.insert(0, {here!r})\nimport measure as _m\nprint(_m.own_peak(), file=_s.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", script + report, *arguments], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip().splitlines()[-1] if run.stderr.strip() else f"exit {run.returncode}")
    return int(run.stderr.strip().splitlines()[-1]), run.stdout


def own_peak() -> int:
    """Peak resident bytes of this process so far; Linux hands the parent's on to getrusage, not to VmHWM."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def environment(packages: Iterable[str]) -> dict[str, str]:
    """The machine and the versions that a result belongs to."""
    facts = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    for package in packages:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; floats with three significant digits."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


class Results:
    """Results by key in one JSON file, written whole after every entry, so that a run can be resumed."""

    def __init__(self, path: Path, facts: Mapping[str, str]) -> None:
        self.path, self.facts = path, dict(facts)
        self.entries: dict[str, Any] = {}
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["environment"] == self.facts:
                self.entries = stored["results"]

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def __getitem__(self, key: str) -> Any:
        return self.entries[key]

    def add(self, key: str, entry: Any) -> None:
        """Store one entry."""
        self.entries[key] = entry
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps({"environment": self.facts, "results": self.entries}, indent=1))
        partial.replace(self.path)

    def markdown(self, title: str, command: str, sections: Iterable[str]) -> None:
        """Write the Markdown file beside the JSON file."""
        facts = table(("", ""), self.facts.items())
        text = "\n\n".join([f"# {title}", f"Written by `{command}`.", facts, *sections])
        self.path.with_suffix(".md").write_text(text + "\n")

    def into_page(self, page: str, sections: Iterable[str]) -> None:
        """Replace what a page of docs/ has between the markers named after the JSON file; the page is written whole."""
        facts = "; ".join(f"{name} {value}" for name, value in self.facts.items())
        fill(page, f"{self.path.stem}.py", "\n\n".join([f"Measured on: {facts}.", *sections]))
