"""An audit drawn: the values of one measure, a column of points a balancer, with their mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.errors import ExtraMissing, InvalidProblem

if TYPE_CHECKING:
    from equipoise.audits.result import Audit


def draw(audit: Audit, name: str, path: str | None = None) -> Any:
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
        from matplotlib.ticker import PercentFormatter
    except ImportError as error:
        raise ExtraMissing("a plot", "matplotlib", "study") from error
    measures = {one.name: one for one in audit.kind.measures}
    if name not in measures:
        raise InvalidProblem("measure", repr(name), ", ".join(measures))
    measure = measures[name]
    names = list(dict.fromkeys(row.balancer for row in audit.rows))
    figure = Figure(figsize=(7.0, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    for place, balancer in enumerate(names):
        values = [value for row in audit.rows if row.balancer == balancer for value in row.numbers([name])]
        axes.plot(values, [place] * len(values), "|", color="tab:blue", alpha=0.6, markersize=10)
        if values:
            axes.plot(sum(values) / len(values), place, "o", color="tab:red", label="mean" if place == 0 else None)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(measure.title or measure.name.replace("_", " "))
    if measure.unit == "share":
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title(f"{audit.kind.role}s on {audit.trace}", loc="left")
    axes.legend(loc="best")
    if path is not None:
        from io import BytesIO

        from equipoise.files import write_whole

        content = BytesIO()
        figure.savefig(content, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
        write_whole(path, content.getvalue())
    return figure
