"""Processes with a mark in their environment, which all that they start inherit: so that none is left, on Linux."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

MARK = "EQUIPOISE_WORKER"
"""In the environment of a worker and of all that it starts: by it those are found that left its session."""

ROUNDS = 20
"""Looks at all processes, at most."""


def end_marked(mark: str) -> None:
    """Kill every other process that has this mark, where the platform shows it, until two looks find none."""
    sought, quiet = f"{MARK}={mark}".encode(), 0
    for _ in range(ROUNDS):
        found = [number for number in _processes() if sought in _environment(number)]
        quiet = 0 if found else quiet + 1
        if quiet == 2:
            return
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)


def _processes() -> list[int]:
    home, own = Path("/proc"), os.getpid()
    numbers = [int(entry.name) for entry in home.iterdir() if entry.name.isdigit()] if home.is_dir() else []
    return [number for number in numbers if number != own]


def _environment(number: int) -> list[bytes]:
    try:
        return Path(f"/proc/{number}/environ").read_bytes().split(b"\0")  # of a process that has ended: empty
    except OSError:
        return []
