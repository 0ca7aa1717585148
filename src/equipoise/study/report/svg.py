"""Figures as inline SVG in the page's own colours: drawn in stand-in colours that become CSS variables.

A figure follows the page's light or dark theme, its text is text in the page's font, and its bytes are the same every
time. Panels are small, so that a page can set them side by side or, on a phone, one below the other at full width.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, RULE, PAPER, SHADE = "#fe00f0", "#fe00f1", "#fe00f2", "#fe00f3", "#fe00f4"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper", SHADE: "--shade"}

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
COLOURS = 12
"""Series colours that the page defines, as ``--c0`` to ``--c11``."""

WIDTH, HEIGHT = 3.6, 2.6


def colour(index: int) -> str:
    """Return the stand-in of series colour ``index``; they repeat after ``COLOURS``."""
    return f"#fe01{index % COLOURS:02x}"


def dashes(index: int) -> str:
    """Return the line style of series ``index``: solid, and others where colours repeat."""
    return ("-", "--", ":", "-.")[index // COLOURS % 4]


def marker(index: int) -> str:
    """Return the marker of series ``index``; with the colour it repeats after ``COLOURS``."""
    return MARKERS[index % len(MARKERS)]


def panel(
    draw: Callable[[Axes], None], label: str, *, height: float = HEIGHT, width: float = WIDTH, name: str = ""
) -> str:
    """Return one panel as ``<svg>``, drawn by ``draw`` and described by ``label`` to those who do not see it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"equipoise {name} {label}",
        "font.size": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": RULE,
        "axes.linewidth": 0.8,
        "xtick.color": RULE,
        "ytick.color": RULE,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.axisbelow": True,
        "lines.linewidth": 1.4,
        "lines.solid_capstyle": "round",
        "path.simplify": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02))
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(written.getvalue(), label)


def _inline(document: str, label: str) -> str:
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' id="[a-z0-9_A-Z]+_\d+"', "", body)
    view = re.search(r'viewBox="[^"]*"', body)
    head = f'<svg role="img" aria-label="{_escaped(label)}" {view[0] if view else ""}>'
    body = (head + body[body.index(">") + 1 :]).replace("xlink:href", "href")
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, f"var({variable})")
    body = re.sub(r"#fe01([0-9a-f]{2})", lambda found: f"var(--c{int(found[1], 16)})", body)
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
    return re.sub(r"\n\s*", "\n", body).strip()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
