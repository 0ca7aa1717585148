"""The picture of README.md: the exact frontier of four batches, and where the published routers are.

    python benchmarks/frontier.py        # writes docs/images/frontier.png

Needs the extra "study".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter
from pages import DOCS

import equipoise
from equipoise.traces import Instance, drifting, recorded

ROUTERS = ["topk", "loss-free", "loss-controlled", "alf-lb", "bip", "quantile", "sinkhorn", "midpoint"]
MARKERS = "osvDPX^*"
RECORDED = ("E16-none/layer1/step1000", "E64-none/layer1/step1000")
INK, MUTED, RULE, SHADE = "#1f2933", "#52606d", "#d9e2ec", "#f0f4f8"
COLOURS = ("#52606d", "#2a7f8e", "#c2410c", "#7c3aed", "#1d4ed8", "#b45309", "#15803d", "#be123c")
POINTS = 24
TICKS = (1, 1.25, 1.5, 2, 3, 4, 6, 8)


def batches() -> list[Instance]:
    """Two generated batches and two recorded ones."""
    made = [drifting(1, 1024, 64, 8, gate=gate)[0] for gate in ("softmax", "sigmoid")]
    return made + [one for one in recorded().instances() if one.name in RECORDED]


def panel(axes: Any, batch: Instance, title: str) -> list[Any]:
    """Draw the frontier of one batch and the routers on it; return what the legend shows."""
    problem = equipoise.AssignmentProblem(batch.scores, batch.top_k)
    curve = equipoise.frontier(problem)
    balanced, mean = curve.at(curve.balance), problem.num_tokens * batch.top_k / problem.num_experts
    rows = equipoise.audit(ROUTERS, role="router", trace=[batch]).rows
    most = max(row["peak"] for row in rows)
    peaks = np.unique(np.geomspace(curve.balance, most, POINTS).astype(int))
    line = [float(curve.at(int(peak)).objective / balanced.objective) for peak in peaks]
    loads = peaks / mean
    [drawn] = axes.plot(loads, line, color=INK, linewidth=1.6)
    low = min([1.0, *(row["score_ratio"] for row in rows)]) - 0.02
    axes.fill_between(loads, line, max(line) * 1.02, color=SHADE, linewidth=0)
    axes.text(loads[0] * 1.03, max(line) * 1.004, "out of reach, proved", fontsize=7.5, color=MUTED)
    marks = [
        axes.plot(row["peak"] / mean, row["score_ratio"], marker, color=colour, markersize=6, linestyle="none")[0]
        for row, marker, colour in zip(rows, MARKERS, COLOURS, strict=True)
    ]
    axes.set(xscale="log", ylim=(low, max(line) * 1.02), xlabel="peak load / mean load")
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if tick <= loads[-1]]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(labelsize=8, colors=MUTED, length=0, which="both")
    axes.xaxis.label.set(size=8, color=MUTED)
    axes.grid(color=RULE, linewidth=0.6)
    for side in axes.spines.values():
        side.set_visible(False)
    return [drawn, *marks]


def main() -> None:
    """Draw the four panels."""
    figure = Figure(figsize=(9, 6.4), layout="constrained", facecolor="white")
    titles = ["generated, softmax, 64 experts", "generated, sigmoid, 64 experts"]
    titles += ["recorded, 16 experts, step 1000", "recorded, 64 experts, step 1000"]
    for axes, batch, title in zip(figure.subplots(2, 2).flat, batches(), titles, strict=True):
        shown = panel(axes, batch, title)
    names = ["exact frontier", *ROUTERS]
    figure.legend(shown, names, loc="outside lower center", ncols=5, frameon=False, fontsize=8, labelcolor=MUTED)
    words = "Score over that of the certified balanced optimum. A router's distance to the line is what it loses."
    figure.suptitle(words, x=0.01, ha="left", fontsize=9.5, color=INK)
    figure.savefig(DOCS / "images" / "frontier.png", dpi=130)


if __name__ == "__main__":
    main()
