"""Tables and plots of `dual_descent.py`, from its JSON entries alone."""

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
    """Ratios first, then everything."""
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
        "## Ratios",
        table(("ratio", "value"), ratios(entries)),
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


def ratios(entries: Entries) -> list[list[Any]]:
    """What a reader compares: times argpartition, times min-cost flow, memory, hard scores against easy ones."""
    found: list[list[Any]] = [
        [f"{name}: times argpartition", entry["solve"]["times argpartition"]]
        for name, entry in entries.items()
        if name.startswith("65536x256") and "solve" in entry
    ]
    for name, entry in entries.items():
        if not name.startswith(("512x32", "2048x64")) and FLOW in entry:
            found.append([f"{name}: {FLOW} in times of solve", entry[FLOW]["times"]])
    for name, entry in entries.items():
        if name.startswith("1048576"):
            found.append([f"{name}: times argpartition", entry["solve"]["times argpartition"]])
        memory = name.startswith(("1048576", "65536x896", "16384x4096"))
        if memory and "matrices" in (run := entry.get("alone", {}).get("solve", {})):
            found.append([f"{name}: peak memory in score matrices", run["matrices"]])
    for hard in ("sigmoid skew 3", "softmax skew 3", "17 levels skew 1"):
        easy = hard.split()[0].replace("17", "sigmoid") + " skew 1"
        pair = [entries.get(f"65536x256 K=8 {kind}", {}).get("solve", {}).get("median") for kind in (hard, easy)]
        if None not in pair:
            found.append([f"65536x256, {hard} in times of {easy}", pair[0] / pair[1]])
    if (slope := exponent(entries)) is not None:
        found.append(["growth of time with T at 256 experts: exponent", slope])
    for name, entry in entries.items():
        if "warm start" in entry:
            found.append([f"{name}: warm start in times of solve", entry["warm start"]["times"]])
        if "frontier" in entry:
            found.append([f"{name}: 16 peaks in times of solve", entry["frontier"]["times"]])
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
    """Log-log: seconds, and bytes, against tokens, every side; and what the structure of the scores does."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, (left, right, bars) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
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
    kinds = {
        name.partition("K=8 ")[2]: entry["solve"]["times argpartition"]
        for name, entry in entries.items()
        if name.startswith("65536x256 K=8") and "times argpartition" in entry.get("solve", {})
    }
    slowest_first = sorted(kinds, key=kinds.__getitem__, reverse=True)
    bars.barh(slowest_first, [kinds[kind] for kind in slowest_first], color="C0")
    bars.set(xlabel="65,536 x 256, K = 8: solve / argpartition")
    bars.axvline(1, color="C2", linewidth=1)
    for axes in (left, right):
        if axes.lines:
            axes.legend()
    figure.savefig(path, bbox_inches="tight")
