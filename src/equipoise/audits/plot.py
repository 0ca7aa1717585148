"""An audit drawn: a panel for each measure, and in it a row of points for each balancer, with their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.errors import ExtraMissing, InvalidProblem
from equipoise.files import write_whole

if TYPE_CHECKING:
    from equipoise.audits.measures import Measure
    from equipoise.audits.result import Audit

INK, MUTED, RULE, POINT, MEAN = "#1f2933", "#52606d", "#d9e2ec", "#2a7f8e", "#c2410c"


def draw(audit: Audit, names: Sequence[str], path: str | None = None) -> Any:
    """Return a matplotlib figure; with ``path`` it is also written there, whole or not at all.

    Raises
    ------
    ExtraMissing
        Without matplotlib.
    InvalidProblem
        If there is no such measure.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExtraMissing("a plot", "matplotlib", "study") from error
    balancers = list(dict.fromkeys(row.balancer for row in audit.rows))
    measures = [_measure(audit, name) for name in names]
    figure = Figure(figsize=(2.6 + 2.7 * len(measures), 1.0 + 0.24 * len(balancers)), layout="constrained")
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        _panel(axes, audit, measure, balancers)
    panels[0].set_yticks(range(len(balancers)), balancers)
    panels[0].set_ylim(len(balancers) - 0.4, -0.6)
    dots, mean = panels[0].lines[:2]
    figure.legend(
        [dots, mean],
        ["one instance", "mean"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=8,
        labelcolor=MUTED,
    )
    instances = len({row.instance for row in audit.rows})
    figure.suptitle(f"{instances} instances of {audit.trace}", x=0.01, ha="left", fontsize=9, color=INK)
    if path is not None:
        content = BytesIO()
        figure.savefig(content, format=Path(path).suffix.lstrip(".") or "png", dpi=160, metadata={})
        write_whole(path, content.getvalue())
    return figure


def _measure(audit: Audit, name: str) -> Measure:
    measures = {one.name: one for one in reversed(audit.kind.measures)}
    if name not in measures:
        raise InvalidProblem("measure", repr(name), ", ".join(reversed(measures)))
    return measures[name]


def _panel(axes: Any, audit: Audit, measure: Measure, balancers: Sequence[str]) -> None:
    """Draw one measure: all values of a balancer in its row, and their mean on top."""
    from matplotlib.ticker import PercentFormatter

    for place, balancer in enumerate(balancers):
        rows = [row for row in audit.rows if row.balancer == balancer]
        values = [value for row in rows for value in row.numbers([measure.name]) if math.isfinite(value)]
        mean = [math.fsum(values) / len(values)] if values else []
        axes.plot(values, [place] * len(values), "|", color=POINT, alpha=0.45, markersize=9, markeredgewidth=1)
        axes.plot(mean, [place] * len(mean), "o", color=MEAN, markersize=5, markeredgecolor="white", clip_on=False)
    if measure.unit == "share":
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    named = measure.title and " / " not in measure.title  # a title with a stroke names aggregates
    label = measure.title if named else measure.name.replace("_", " ")
    axes.set_xlabel(label, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
