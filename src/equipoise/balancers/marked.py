"""Processes with a mark in their environment, which all that they start inherit: so that none is left, on Linux."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

MARK = "EQUIPOISE_WORKER"
"""In the environment of a worker and of all that it starts: by it those are found that left its session."""

ROUNDS, QUIET = 50, 2
"""Looks at all processes, at most, and how many of them must find none."""


def end_marked(mark: str) -> None:
    """Kill every other process that has this mark, where the platform shows it, until looking finds none."""
    sought, quiet = f"{MARK}={mark}".encode(), 0
    for _ in range(ROUNDS):
        quiet += 1
        for number in _processes():
            if sought in _environment(number):  # at sight: one that forks and ends at once is another one soon
                quiet = 0
                with contextlib.suppress(OSError):
                    os.kill(number, signal.SIGKILL)
        if quiet == QUIET:
            return


def _processes() -> list[int]:
    """Return the numbers of all others, the newest first."""
    home, own = Path("/proc"), os.getpid()
    numbers = [int(entry) for entry in os.listdir(home) if entry.isdigit()] if home.is_dir() else []
    return sorted((number for number in numbers if number != own), reverse=True)


def _environment(number: int) -> list[bytes]:
    try:
        with open(f"/proc/{number}/environ", "rb", buffering=0) as file:
            return file.read().split(b"\0")  # of a process that has ended: empty
    except OSError:
        return []
