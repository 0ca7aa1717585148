"""The page docs/measured/faithful.md, from the stored results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sources import RECONSTRUCTED

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parents[1] / "docs/measured/faithful.md"

START = """\
# Faithful to their sources

Are the methods that ship here those of their authors? Each row runs one of ours beside the original, on random inputs
drawn from seeds 0, 1, 2, ..., and counts where both give the same answer. Where an original leaves ties to an unstable
sort, no input has one.

    python benchmarks/faithful/run.py --sources                     # the versions, and how to get them
    python benchmarks/faithful/run.py eplb=PATH megatron=PATH ...   # run, and store the counts
    python benchmarks/faithful/run.py --write                       # this page

No original is part of this project. Functions that can be imported on a CPU are; others are compiled out of their file
as they stand there, where what they take from their framework has a stand-in: a process group of one rank, sizes.

| ours | original | inputs | agree | |
|---|---|---|---|---|
"""

END = """
## Reconstructed

These have not been run beside an original, and what they lose is no statement about the method of that name:

| method | why |
|---|---|
"""


def results() -> list[dict[str, Any]]:
    """Return what is stored."""
    found = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    return sorted(found, key=lambda one: (one["source"].lower(), one["name"]))


def text() -> str:
    """Return the page."""
    missing = "".join(f"| {method} | {why} |\n" for method, why in RECONSTRUCTED.items())
    machines = ", or ".join(sorted({one["with"] for one in results()}))
    return START + "".join(map(_row, results())) + f"\nRun with {machines}, on a CPU.\n" + END + missing


def _row(one: dict[str, Any]) -> str:
    original = f"{one['source']} {one['version']}: {one['original']}"
    differs = f" First difference: {one['first_difference']}." if one["first_difference"] else ""
    agree = f"{one['agree']} of {one['trials']}"
    return f"| {one['ours']} | {original} | {one['inputs']} | {agree} | {one['says']}{differs} |\n"
