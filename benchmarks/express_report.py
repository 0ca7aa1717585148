"""Targets, tables and plots of `express.py`, from its JSON entries alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measure import table

Entries = Mapping[str, Any]
"""Case -> side -> {median, spread, rounds, times}, and under "alone" side -> {seconds, peak, matrices}."""

KIND = "x256 K=8 sigmoid skew 1"
FLOW = "ortools-flow"


def sections(entries: Entries) -> list[str]:
    """Targets first, then everything."""
    times = [
        [name, side, e["median"], e["spread"], e["rounds"], e["times"], e.get("times argpartition")]
        for name, entry in entries.items()
        for side, e in entry.items()
        if side != "alone"
    ]
    memory = [
        [name, side, *_memory(run)] for name, entry in entries.items() for side, run in entry.get("alone", {}).items()
    ]
    header = ("case", "side", "median s", "spread", "runs", "times solve", "times argpartition")
    return [
        "## Targets",
        table(("target", "found", "allowed", ""), targets(entries)),
        "## Times",
        "Spread is half the distance between the quartiles over the median. A side with one run ran once, in "
        "a process of its own, since it takes longer than all others together; the million-token case has three runs.",
        table(header, [["" if cell is None else cell for cell in row] for row in times]),
        "## Memory",
        "Peak of a process that makes the scores and runs one side once, in GiB, in float32 score matrices, and "
        "in matrices above what the process holds after its imports.",
        table(("case", "side", "GiB", "matrices", "above imports"), memory),
    ]


def _memory(run: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    if "failed" in run:
        return run["failed"], "", ""
    return run["peak"] / 2**30, run["matrices"], run["own matrices"]


def targets(entries: Entries) -> list[list[Any]]:
    """What was asked for, what was found, and whether that is enough; only cases that were measured."""
    found: list[list[Any]] = []

    def add(words: str, value: float | None, limit: float, at_most: bool = True) -> None:
        if value is not None:
            good = value <= limit if at_most else value >= limit
            found.append([words, value, f"{'<=' if at_most else '>='} {limit:g}", "met" if good else "missed"])

    for name in entries:
        if name.startswith("65536x256") and "solve" in entries[name]:
            add(f"{name}: times argpartition", entries[name]["solve"]["times argpartition"], 2.5)
    faster = {"65536x256": 25, "16384x256": 15, "65536x64": 15, "4096x64": 5, "65536x896": 10, "16384x4096": 10}
    for name, entry in entries.items():
        if (size := name.split()[0]) in faster and FLOW in entry:
            add(f"{name}: {FLOW} in times of solve", entry[FLOW]["times"], faster[size], at_most=False)
    for name, entry in entries.items():
        if name.startswith("1048576"):
            add(f"{name}: times argpartition", entry["solve"]["times argpartition"], 1)
        limit = 2 if name.startswith("1048576") else 3 if name.startswith(("65536x896", "16384x4096")) else None
        if limit and "matrices" in (run := entry.get("alone", {}).get("solve", {})):
            add(f"{name}: peak memory in score matrices", run["matrices"], limit)
    for hard in ("sigmoid skew 3", "softmax skew 3", "17 levels skew 1"):
        easy = hard.split()[0].replace("17", "sigmoid") + " skew 1"
        pair = [entries.get(f"65536x256 K=8 {kind}", {}).get("solve", {}).get("median") for kind in (hard, easy)]
        if None not in pair:
            add(f"65536x256, {hard} in times of {easy}", pair[0] / pair[1], 2)
    add("growth of time with T at 256 experts: exponent", exponent(entries), 1)
    for name, entry in entries.items():
        if "warm start" in entry:
            found.append([f"{name}: warm start in times of solve", entry["warm start"]["times"], "no bound", "shown"])
    return found


def points(entries: Entries, side: str) -> list[tuple[int, float]]:
    """Tokens and median seconds of the 256-expert cases of one kind."""
    return sorted(
        (int(name.split("x")[0]), entry[side]["median"])
        for name, entry in entries.items()
        if name.endswith(KIND) and side in entry
    )


def exponent(entries: Entries) -> float | None:
    """Slope of log time over log tokens, by least squares."""
    sizes = points(entries, "solve")
    if len(sizes) < 2:
        return None
    return float(np.polyfit(*([math.log(value) for value in axis] for axis in zip(*sizes, strict=True)), 1)[0])


def plot(entries: Entries, path: Path) -> None:
    """Log-log: seconds, and bytes, against tokens, every side."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for number, side in enumerate(("solve", "engine", "argpartition", FLOW)):
        look = {"marker": "o", "label": side, "color": f"C{number}"}
        if seconds := points(entries, side):
            left.loglog(*zip(*seconds, strict=True), **look)
        memory = sorted(
            (int(name.split("x")[0]), entry["alone"][side]["peak"] / 2**30)
            for name, entry in entries.items()
            if name.endswith(KIND) and "peak" in entry.get("alone", {}).get(side, {})
        )
        if memory:
            right.loglog(*zip(*memory, strict=True), **look)
    left.set(xlabel="tokens (256 experts, K = 8, sigmoid, skew 1)", ylabel="seconds")
    right.set(xlabel="tokens", ylabel="peak memory of the process, GiB")
    for axes in (left, right):
        if axes.lines:
            axes.legend()
    figure.savefig(path, bbox_inches="tight")
