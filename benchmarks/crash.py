"""Kill every command that writes files a hundred times, at random moments: is a file ever half, a row lost or doubled?

    python benchmarks/crash.py [--times 100] [--seed 1] [--command solve] [--seconds 600]

Counted are kills while it ran, within the time that it takes. The tenth in a folder, or one that comes too late, is
followed by a run to the end, and the next by an empty folder (tests/crashes.py). After every kill all files must be
whole, rows that were there must be there still and once, and no process may be left. Exits with 1 where this fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import crashes

A_FOLDER = 10
"""Kills in one folder, before the command may end there."""


def main() -> int:
    """Kill them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", choices=list(crashes.COMMANDS))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of each command, after which it is left")
    given = parser.parse_args()
    random, failed = np.random.default_rng(given.seed), 0
    for name in [given.command] if given.command else crashes.COMMANDS:
        running = folders = wrong = 0
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "killed"
            for _ in range(2):  # the first also starts the server of processes
                crashes.prepared(folder)
                begin = time.monotonic()
                crashes.ended(folder, name)
                span = time.monotonic() - begin
            while running < given.times and time.monotonic() - start < given.seconds:
                try:
                    running += crashes.crash(folder, name, random.random(A_FOLDER).tolist(), span)
                except Exception:
                    traceback.print_exc()
                    wrong += 1
                folders += 1
        print(
            f"seed {given.seed} {name}: killed {running} times while it ran ({span:.1f} s), in {folders} folders, "
            f"{wrong} of them wrong",
            flush=True,
        )
        failed += wrong
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
