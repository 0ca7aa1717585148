"""Kill every command that writes files a hundred times, at random moments: is a file ever half, a row lost or doubled?

    python benchmarks/crash.py [--times 100] [--seed 1] [--command solve]

Every tenth kill is followed by a run to the end, and the next by an empty folder (tests/crashes.py). After every kill
all files must be whole, rows that were there must be there still and once, and no process may be left. Prints how often
each command was killed and how often it was still running then; exits with 1 where anything of this fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
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
    given = parser.parse_args()
    random, failed = np.random.default_rng(given.seed), 0
    for name in [given.command] if given.command else crashes.COMMANDS:
        killed = running = 0
        with tempfile.TemporaryDirectory() as place:
            while killed < given.times:
                moments = random.random(min(A_FOLDER, given.times - killed)).tolist()
                try:
                    running += crashes.crash(Path(place) / "killed", name, moments)
                except Exception:
                    traceback.print_exc()
                    failed += 1
                killed += len(moments)
        print(
            f"seed {given.seed} {name}: killed {killed} times, {running} of them while it ran; failed {failed}",
            flush=True,
        )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
